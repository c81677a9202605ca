from __future__ import annotations

import io

from harness.finding import Confidence, Finding, RuleVerdict
from harness.reports.report_json import from_json, to_json
from harness.reports.report_text import Display, render_text
from tests.harness.reports.report_samples import chain_report, clean_report, make_report, unreadable_report
from tests.harness.reports.snapshot import assert_snapshot


def test_a_rejection_at_80_columns_reads_as_in_the_snapshot():
    assert_snapshot("reject_80.txt", render_text(make_report()))


def test_a_rejection_at_120_columns_reads_as_in_the_snapshot():
    assert_snapshot("reject_120.txt", render_text(make_report(), Display(width=120)))


def test_a_rejection_in_colour_reads_as_in_the_snapshot():
    assert_snapshot("reject_color.txt", render_text(make_report(), Display(color=True)))


def test_all_passes_are_told_when_asked_for():
    assert_snapshot("reject_passes.txt", render_text(make_report(), Display(show_passes=True)))


def test_an_acceptance_reads_as_in_the_snapshot():
    assert_snapshot("accept_80.txt", render_text(clean_report()))


def test_what_could_not_be_checked_says_why_and_what_to_do():
    assert_snapshot("could_not_check.txt", render_text(unreadable_report()))


def test_a_chain_of_code_lines_reads_as_numbered_steps():
    assert_snapshot("chain_80.txt", render_text(chain_report()))


def test_no_line_but_the_command_is_wider_than_the_terminal():
    lines = render_text(make_report(), Display(width=72)).partition("reproduce: ")[0].splitlines()
    assert max(map(len, lines)) <= 72


def test_an_ascii_terminal_gets_ascii_only():
    report = make_report(unseen=("modèle — 模型.bin is a symlink",))
    text = render_text(report, Display(ascii_only=True))
    assert text.isascii()
    assert "mod\\xe8le" in text


def test_a_cached_report_renders_like_a_fresh_one():
    for report in (make_report(), chain_report()):
        assert render_text(from_json(to_json(report))) == render_text(report)


def test_a_pipe_gets_80_columns_and_no_colour(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    display = Display.for_stream(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert display == Display(width=80, color=False, ascii_only=False)


def test_an_ascii_stream_is_recognised():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert Display.for_stream(stream).ascii_only


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colour_and_its_width(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    assert Display.for_stream(_Terminal()) == Display(width=100, color=True)


def test_no_color_is_obeyed(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert not Display.for_stream(_Terminal()).color


def test_rich_is_not_imported_before_something_is_rendered():
    import subprocess
    import sys

    code = "import sys, harness.reports.report_text; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _remarks(*messages):
    return tuple(
        Finding(rule="val-tail", verdict=RuleVerdict.INFO, confidence=Confidence.HIGH, message=message)
        for message in messages
    )


def test_remarks_that_differ_in_numbers_alone_are_told_once():
    text = render_text(make_report(findings=_remarks("seed 42 leaves 213 tokens", "seed 7 leaves 99 tokens")))
    assert "seed 42 leaves 213 tokens\n  likewise seed 7; its numbers are in the JSON report\n" in text
    assert "99 tokens" not in text


def test_remarks_that_differ_in_the_seed_alone_leave_nothing_out():
    text = render_text(
        make_report(findings=_remarks("seed 42 leaves 213 tokens", "seed 7 leaves 213 tokens"))
    )
    assert "\n  likewise seed 7\n" in text


def test_remarks_in_other_words_are_told_each():
    text = render_text(
        make_report(findings=_remarks("seed 42 leaves 213 tokens", "seed 7 scores all tokens"))
    )
    assert "seed 7 scores all" in text


def test_remarks_are_told_each_when_all_is_asked_for():
    report = make_report(findings=_remarks("seed 42 leaves 213 tokens", "seed 7 leaves 99 tokens"))
    assert "seed 7 leaves 99 tokens" in render_text(report, Display(show_passes=True))


def _asking(*questions):
    return tuple(
        Finding(
            rule="val-tail",
            verdict=RuleVerdict.NEEDS_HUMAN,
            confidence=Confidence.HIGH,
            message="seed 1 leaves tokens",
            ask=question,
        )
        for question in questions
    )


def test_questions_that_differ_in_numbers_alone_are_asked_once():
    text = render_text(make_report(findings=_asking("May 196 s stay?", "May 198 s stay?", "Is it so?")))
    assert "question: May 196 s stay? (and so for 1 more, with the numbers above)\n" in text
    assert "question: Is it so?\n" in text
