"""Agreement with labelled rulings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.agreement import Agreement, Label, compare, read_labels
from harness.errors import SetupError
from harness.reports.agreement_report import render_text, to_json

if TYPE_CHECKING:
    from pathlib import Path

CODES = {
    "artifact-size": frozenset({"artifact-cap"}),
    "too-few-seeds": frozenset({"seeds-three"}),
    "not-significant": frozenset({"sig-p025-chain"}),
}


def label(
    verdict: str = "reject", *reasons: str, extra: str | None = None, source: str = "files-and-logs"
) -> Label:
    return Label(
        id="1@abc",
        pr=1,
        commit="abc",
        entry="records/x/y",
        title=None,
        verdict=verdict,
        reasons=frozenset(reasons),
        extra_reasons=frozenset({extra} if extra else ()),
        decidable_from=frozenset({source}),
        family="F1",
    )


def report(statistics: dict[str, Any] | None = None, **rules: str) -> dict[str, Any]:
    checked = {rule.replace("_", "-"): verdict for rule, verdict in rules.items()}
    return {"verdict": "reject", "rules_checked": checked, "statistics": statistics, "seconds": 0.5}


def test_a_rejection_is_found_when_a_mapped_rule_fails():
    assert compare(label("reject", "artifact-size"), report(artifact_cap="FAIL"), CODES).outcome == "found"


def test_a_rejection_is_missed_when_only_an_unmapped_rule_fails():
    assert compare(label("reject", "artifact-size"), report(seeds_three="FAIL"), CODES).outcome == "missed"


def test_a_rejection_is_missed_when_the_mapped_rule_passes():
    assert compare(label("reject", "artifact-size"), report(artifact_cap="PASS"), CODES).outcome == "missed"


def test_a_fail_on_an_accepted_state_is_a_false_alarm():
    assert compare(label("accept"), report(artifact_cap="FAIL"), CODES).outcome == "false-alarm"


def test_a_fail_for_a_tolerated_fault_of_an_accepted_state_is_no_false_alarm():
    result = compare(label("accept", extra="artifact-size"), report(artifact_cap="FAIL"), CODES)
    assert result.outcome == "clear"


def test_an_accepted_state_with_a_question_is_held():
    assert compare(label("accept"), report(artifact_cap="NEEDS-HUMAN"), CODES).outcome == "held"


def test_an_unclear_label_is_left_out():
    assert compare(label("unclear"), report(artifact_cap="FAIL"), CODES).outcome == "left-out"


def test_a_label_decided_by_the_leaderboard_is_left_out_when_none_is_known():
    result = compare(label("reject", "not-significant", source="context"), report(), CODES)
    assert result.outcome == "left-out"


def test_a_label_decided_by_the_leaderboard_counts_when_one_is_known():
    result = compare(label("reject", "not-significant", source="context"), report({"n": 3}), CODES)
    assert result.outcome == "missed"


def test_recall_is_counted_per_code():
    results = (
        compare(label("reject", "artifact-size"), report(artifact_cap="FAIL"), CODES),
        compare(label("reject", "artifact-size", "too-few-seeds"), report(artifact_cap="PASS"), CODES),
    )
    assert Agreement(results=results).recall_by_code() == {"artifact-size": (1, 2), "too-few-seeds": (0, 1)}


def test_the_text_report_ends_with_the_sums():
    results = (
        compare(label("reject", "artifact-size"), report(artifact_cap="FAIL"), CODES),
        compare(label("accept"), report(artifact_cap="FAIL"), CODES),
    )
    text = render_text(Agreement(results=results))
    assert "rejections found                               1 of 1 (100 %)" in text
    assert "accepted states with a FAIL (false alarms)     1 of 1 (100 %)" in text


def test_the_json_report_names_each_false_alarm():
    results = (compare(label("accept"), report(artifact_cap="FAIL"), CODES),)
    document = to_json(Agreement(results=results))
    assert document["labels"][0]["fails"] == ["artifact-cap"]
    assert document["accepts"] == {"all": 1, "with_fail": 1, "with_question": 0}


def test_a_label_without_a_commit_is_an_error_that_names_it(tmp_path: Path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([{"id": "1@a", "pr": 1, "record_dir": "records/x", "verdict": "accept"}]))
    with pytest.raises(SetupError, match=r"label 0 .*ruling_sha"):
        read_labels(path)


def test_labels_that_are_not_a_list_are_an_error(tmp_path: Path):
    path = tmp_path / "labels.json"
    path.write_text('{"labels": []}')
    with pytest.raises(SetupError, match="expected a list of labels"):
        read_labels(path)
