from __future__ import annotations

from harness.case import failed, warned
from harness.finding import Place
from harness.reports.report_github import render_github
from tests.harness.reports.report_samples import clean_report, make_report
from tests.harness.reports.snapshot import assert_snapshot


def test_a_rejection_reads_as_in_the_snapshot():
    assert_snapshot("reject_github.txt", render_github([make_report()]))


def test_an_acceptance_is_one_notice():
    lines = render_github([clean_report()]).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::notice"]


def test_only_ten_annotations_are_written_and_the_worst_come_first():
    mild = [warned("folder-name", f"warning {n}", Place(file="README.md", line=n)) for n in range(1, 13)]
    bad = failed("artifact-cap", "too big", Place(file="a.log", line=1))
    lines = render_github([make_report(findings=tuple(mild)), make_report(findings=(bad,))]).splitlines()
    commands = [line.split(" ", 1)[0] for line in lines if line.startswith("::")]
    assert commands == ["::error", *["::warning"] * 9]


def test_findings_beyond_the_tenth_are_plain_lines():
    mild = tuple(warned("folder-name", f"warning {n}") for n in range(12))
    lines = render_github([make_report(findings=mild)]).splitlines()
    assert [line.startswith("::") for line in lines] == [True] * 10 + [False] * 3
    assert "folder-name WARN warning 11" in lines[11]
