from __future__ import annotations

from harness.case import failed
from harness.finding import Place
from harness.reports.report_concise import render_concise
from tests.harness.reports.report_samples import ENTRY, make_report, summary, unreadable_report
from tests.harness.reports.snapshot import assert_snapshot


def test_a_rejection_reads_as_in_the_snapshot():
    assert_snapshot("reject_concise.txt", render_concise(make_report()))


def test_what_could_not_be_checked_is_one_line():
    assert_snapshot("could_not_check_concise.txt", render_concise(unreadable_report()))


def test_a_line_of_an_unpacked_script_is_not_given_as_a_line_of_the_file():
    finding = failed("artifact-cap", "too big", Place(file="train_gpt.py", line=40, unpacked=True))
    first = render_concise(make_report(findings=(finding,))).splitlines()[0]
    assert first == f"{ENTRY}/train_gpt.py: artifact-cap FAIL too big (line 40 when unpacked)"


def test_a_folder_on_disk_gives_paths_an_editor_can_open():
    finding = failed("artifact-cap", "too big", Place(file="a.log", line=3))
    report = make_report(findings=(finding,), submission=summary(entry="", path="runs/mine", pr=None))
    assert render_concise(report).startswith("runs/mine/a.log:3: artifact-cap FAIL too big\n")
