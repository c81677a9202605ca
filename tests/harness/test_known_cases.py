"""Rulings that golf-check must reproduce from files and logs; needs a clone with pull refs."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from harness.agreement import read_labels, read_reason_codes
from harness.check import CheckOptions, check_target
from harness.git.pull_request import Clone, open_clone
from harness.reports.agreement_report import build
from harness.reports.report_json import to_json
from harness.ruleset import RULES_DIR
from harness.targets import Target

CLONE = os.environ.get("GOLF_CLONE", "")
SHARED = os.environ.get("GOLF_SHARED", "")
needs_labels = pytest.mark.skipif(
    not SHARED, reason="GOLF_SHARED names no folder with corpus/dev_labels.json"
)
pytestmark = [pytest.mark.clone, pytest.mark.skipif(not CLONE, reason="GOLF_CLONE names no clone")]

# Pull request, commit (None: its head), rule, verdict, and a phrase of the finding.
CASES = [
    (555, None, "artifact-cap", "FAIL", "submission.json claims 15,986,252"),
    (1412, None, "artifact-cap", "NEEDS-HUMAN", "16,05"),
    (1959, None, "hardware", "FAIL", "ran on 4 GPUs, not 8"),
    (1963, None, "seeds-three", "NEEDS-HUMAN", "of 3"),
    (1981, None, "report-mean", "FAIL", "1.06"),
    (2009, None, "no-constant-bpt", "FAIL", "2.7523"),
    (2071, None, "caseops-sidecar", "FAIL", "164,594,398"),
    (2076, None, "byte-ppm-mixture", "FAIL", "byte-level"),
    (2124, None, "same-config", "NEEDS-HUMAN", ""),
    (2130, None, "train-val-disjoint", "NEEDS-HUMAN", "1,499"),
    (2140, "fbedd5e9e", "ngram-target-gate", "FAIL", "within"),
]


@cache
def clone() -> Clone:
    return open_clone(Path(CLONE))


@pytest.mark.parametrize(
    ("pr", "commit", "rule", "verdict", "phrase"), CASES, ids=[f"#{case[0]}" for case in CASES]
)
def test_a_known_case_comes_out_as_ruled(pr: int, commit: str | None, rule: str, verdict: str, phrase: str):
    report = check_target(Target(pr=pr, revision=commit), clone(), CheckOptions())
    said = [finding for finding in report.findings if finding.rule == rule]
    assert report.outcomes[rule].value == verdict
    assert phrase in " ".join(finding.message for finding in said)


def test_no_accepted_record_on_main_fails_a_rule():
    failed = {
        folder: [rule for rule, outcome in report.outcomes.items() if outcome.value == "FAIL"]
        for folder in clone().record_folders("main")
        for report in [
            check_target(Target(revision="main", entry=folder, whole_tree=True), clone(), CheckOptions())
        ]
    }
    assert {folder: rules for folder, rules in failed.items() if rules} == {}


@pytest.mark.shared
@needs_labels
def test_every_ruling_decidable_from_files_and_logs_is_found_and_no_accepted_state_fails():
    labels = read_labels(Path(SHARED, "corpus/dev_labels.json"))
    documents = [to_json(check_target(label.target, clone(), CheckOptions())) for label in labels]
    agreement = build(labels, documents, read_reason_codes(RULES_DIR))
    assert [r.label.id for r in agreement.from_files_and_logs if r.outcome != "found"] == []
    assert [r.label.id for r in agreement.accepts if r.outcome == "false-alarm"] == []
