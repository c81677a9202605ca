from __future__ import annotations

import json

from harness.reports.batch_summary import BatchSummary, render_batch_summary
from harness.reports.report_json import to_json
from harness.verdict import Verdict
from tests.harness.reports.report_samples import clean_report, make_report, unreadable_report
from tests.harness.reports.snapshot import assert_snapshot


def summed(*reports) -> BatchSummary:
    summary = BatchSummary()
    list(map(summary.add, map(to_json, reports)))
    return summary


def test_a_batch_reads_as_in_the_snapshot():
    crashed = make_report(rule_errors=("score-sane: Traceback ...",))
    text = render_batch_summary(summed(make_report(), crashed, clean_report(), unreadable_report()))
    assert_snapshot("batch_summary.txt", text)


def test_an_empty_batch_has_a_summary_too():
    assert render_batch_summary(BatchSummary()) == "0 submissions judged in 0.0 s of work\n"


def test_a_rule_counts_once_for_each_submission():
    counts = summed(make_report(), make_report(), clean_report()).to_json()["rules"]
    assert counts["artifact-cap"] == {"FAIL": 2, "PASS": 1}


def test_the_counts_are_json():
    document = summed(make_report(), unreadable_report()).to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["verdicts"]["could-not-check"] == 1


def test_submissions_that_could_not_be_checked_are_counted_by_kind_of_reason():
    first = make_report(verdict=Verdict.COULD_NOT_CHECK, error="pull request #4 (70c126be4) is empty: 1 path")
    other = make_report(
        verdict=Verdict.COULD_NOT_CHECK, error="pull request #90 (9c73fc2c4) is empty: 2 paths"
    )
    assert summed(first, other).to_json()["could_not_check"] == {"pull request ... is empty": 2}
