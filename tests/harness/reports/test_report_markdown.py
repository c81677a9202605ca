from __future__ import annotations

from harness.case import passed, warned
from harness.finding import Place
from harness.reports.report_markdown import COMMENT_CHARACTERS, render_markdown
from tests.harness.reports.report_samples import (
    ENTRY,
    chain_report,
    clean_report,
    make_report,
    unreadable_report,
)
from tests.harness.reports.snapshot import assert_snapshot

REPO = "https://github.com/openai/parameter-golf"


def test_a_rejection_reads_as_in_the_snapshot():
    assert_snapshot("reject.md", render_markdown(make_report(), REPO))


def test_an_acceptance_reads_as_in_the_snapshot():
    assert_snapshot("accept.md", render_markdown(clean_report()))


def test_what_could_not_be_checked_reads_as_in_the_snapshot():
    assert_snapshot("could_not_check.md", render_markdown(unreadable_report()))


def test_a_chain_of_code_lines_reads_as_numbered_steps():
    assert_snapshot("chain.md", render_markdown(chain_report(), REPO))


def test_rules_that_pass_by_the_same_lines_show_them_once_as_steps():
    chain = [Place(file="train_gpt.py", line=n, note=f"step {n}", is_step=True) for n in range(1, 5)]
    rules = ("c3-score-before-update", "ttt-score-first")
    text = render_markdown(make_report(findings=tuple(passed(rule, "clean", *chain) for rule in rules)))
    assert "**Why <code>c3-score-before-update</code>, <code>ttt-score-first</code> pass, step by" in text
    assert text.count("step 4") == 1


def test_a_place_links_to_its_line_at_the_judged_commit():
    link = f"]({REPO}/blob/0123456789abcdef0123456789abcdef01234567/{ENTRY}/train_seed42.log#L812)"
    assert link in render_markdown(make_report(), REPO)


def test_a_line_of_an_unpacked_script_links_to_the_file_only():
    finding = warned("folder-name", "odd", Place(file="train_gpt.py", line=40, unpacked=True))
    text = render_markdown(make_report(findings=(finding,)), REPO)
    assert "train_gpt.py)" in text
    assert "#L40" not in text


def test_a_report_with_thousands_of_findings_fits_into_a_comment():
    many = tuple(
        warned("folder-name", f"{n} " + "word " * 300, *[Place(file="x" * 300, line=n + 1)] * 30)
        for n in range(3000)
    )
    text = render_markdown(make_report(findings=many), REPO)
    assert len(text) <= COMMENT_CHARACTERS
    assert "Reproduce: " in text
