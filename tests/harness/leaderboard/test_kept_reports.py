from __future__ import annotations

import pytest

from harness.errors import SetupError
from harness.leaderboard.kept_reports import FINDINGS_AT_MOST, KeptReports, PackedReport
from harness.leaderboard.report_rows import row_and_report
from tests.harness.leaderboard.board_samples import report
from tests.harness.reports.report_samples import executed


def finding(rule, verdict, places=0):
    place = {"file": "a.log", "line": 1, "note": "here", "excerpt": "x"}
    return {"rule": rule, "verdict": verdict, "message": "said", "places": [place] * places}


def kept(*findings):
    reports = KeptReports()
    reports.add("#1", PackedReport.of({**report(), "findings": list(findings)}))
    return reports


def test_the_worst_findings_come_first_and_unchecked_rules_apart():
    shown = kept(finding("a", "INFO"), finding("b", "NOT-CHECKED"), finding("c", "FAIL")).shown("#1")
    assert [each["rule"] for each in shown["findings"]] == ["c", "a"]
    assert shown["unchecked"] == [["b", "said"]]


def test_what_a_page_does_not_show_is_counted_and_not_kept():
    shown = kept(*(finding(f"r{at}", "WARN", places=99) for at in range(FINDINGS_AT_MOST + 5))).shown("#1")
    assert (len(shown["findings"]), shown["more"]) == (FINDINGS_AT_MOST, 5)
    assert len(shown["findings"][0]["places"]) == 12


def test_what_each_rule_says_over_all_rows_is_counted():
    reports = kept()
    assert reports.counts["artifact-cap"]["PASS"] == 1
    assert reports.against["chrono-open"] == [("#1", "FAIL")]


def test_a_row_without_a_report_shows_nothing():
    assert KeptReports().shown("#9")["findings"] == []


@pytest.mark.parametrize("findings", [["x"], [{}], 3, [finding("a", "FAIL") | {"places": [None]}]])
def test_findings_that_are_none_are_refused(findings):
    with pytest.raises(SetupError, match="not those of golf-check"):
        row_and_report({**report(), "findings": findings})


def run_shown(**replace):
    reports = KeptReports()
    reports.add("#1", PackedReport.of({**report(), "findings": [], "dynamic": executed(**replace)}))
    return reports.shown("#1")["executed"]


def test_what_running_it_showed_is_kept_as_rows_of_words_breaches_first():
    shown = run_shown()
    assert shown["summary"].startswith("driven small to final_exact")
    assert shown["probes"][0][:2] == ["breach", "prefix-invariance"]
    assert ["score", "validation tokens scored, counted", "32", "0..2,048", "2,240"] in shown["course"]


def test_a_submission_that_was_not_run_shows_no_runs():
    assert kept().shown("#1")["executed"] is None


@pytest.mark.parametrize(
    "dynamic", [3, {}, executed(results=[{}]), executed(course=[{"kind": "score"}]), executed(runs=3)]
)
def test_runs_that_are_none_are_refused(dynamic):
    with pytest.raises(SetupError, match="not those of golf-check"):
        row_and_report({**report(), "findings": [], "dynamic": dynamic})
