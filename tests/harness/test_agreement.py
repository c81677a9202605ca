"""Agreement with labelled rulings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.agreement import Agreement, Label, LabelResult, compare, read_labels
from harness.errors import SetupError
from harness.labelled_lines import LabelledLine
from harness.reports.agreement_report import build, render_text, to_json

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
    assert document["accepts"] == {
        "all": 1,
        "with_fail": 1,
        "with_question": 0,
        "with_question_of_code_rules": 0,
    }


def shown(line: int, *, at: int, family: str = "F1") -> LabelResult:
    """A rejection that code shows at a line, against a finding at another."""
    there = LabelledLine(file="records/x/y/train_gpt.py", line=line, unpacked=False, what="")
    ruled = replace(label("reject", "artifact-size"), code_visible=True, lines=(there,), family=family)
    place = {"file": "train_gpt.py", "line": at, "unpacked": False}
    finding = {"rule": "artifact-cap", "verdict": "FAIL", "places": [place]}
    said = {**report(artifact_cap="FAIL"), "submission": {"entry": "records/x/y"}, "findings": [finding]}
    return compare(ruled, said, CODES)


def test_a_rejection_that_code_shows_is_shown_when_its_finding_points_at_the_line():
    assert shown(100, at=102).is_shown


def test_a_rejection_found_elsewhere_in_the_script_is_found_and_not_shown():
    result = shown(100, at=300)
    assert (result.outcome, result.is_shown) == ("found", False)
    assert "NOT at train_gpt.py:100 (nearest 200 lines away)" in render_text(Agreement(results=(result,)))


def test_a_line_pointed_at_by_a_rule_of_another_reason_does_not_show_the_rejection():
    result = shown(100, at=100)
    other = compare(replace(result.label, reasons=frozenset({"too-few-seeds"})), report(), CODES)
    assert not other.is_shown


def test_families_count_alike_whatever_their_size():
    results = (*(shown(100, at=100) for _ in range(3)), shown(100, at=300, family="F2"))
    assert Agreement(results=results).family_averaged_shown() == 0.5


def test_merged_folders_are_counted_beside_the_labels():
    documents = [report(), report(c3="NEEDS-HUMAN"), report(artifact_cap="FAIL"), report(seeds="NEEDS-HUMAN")]
    agreement = build(
        [label("accept")],
        documents,
        CODES,
        merged=("records/a", "records/b", "records/c"),
        static_rules=frozenset({"c3"}),
    )
    assert to_json(agreement)["merged"] == {
        "all": 3,
        "with_fail": ["records/b"],
        "with_question": 2,
        "with_question_of_code_rules": 1,
    }
    assert "records/a: c3 ?" in render_text(agreement)


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


RUN_CODES = {"ttt-adapt-then-score": frozenset({"c3-score-before-update"})}


def run_report(*outcomes: tuple[str, str, str], failure: str | None = None) -> dict[str, Any]:
    """A report whose runs gave (probe, condition, outcome)."""
    results = [
        {"probe": probe, "condition": condition, "outcome": outcome, "sentence": f"{probe} saw it"}
        for probe, condition, outcome in outcomes
    ]
    dynamic = {"failure": failure, "step": "small", "seconds": 61.0, "results": results, "not_cleared": {}}
    return {**report(), "dynamic": dynamic}


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([("prefix-invariance", "c3-score-before-update", "breach")], "separated"),
        ([("normalisation", "c2-normalized", "breach")], "other breach"),
        ([("prefix-invariance", "c1-causal", "clean")], "clean"),
        ([("prefix-invariance", "c1-causal", "no-power")], "no power"),
    ],
)
def test_runs_separate_a_rejection_only_by_a_rule_of_its_reason(
    outcomes: list[tuple[str, str, str]], state: str
) -> None:
    result = compare(label("reject", "ttt-adapt-then-score"), run_report(*outcomes), RUN_CODES)
    assert result.executed is not None
    assert result.executed.state == state


def test_a_submission_that_could_not_be_driven_says_why():
    result = compare(label("reject"), run_report(failure="no package x"), RUN_CODES)
    assert result.executed is not None
    assert (result.executed.state, result.executed.why) == ("not driven", "no package x")


def test_runs_are_summed_per_reason_and_breaches_of_accepted_states_told():
    breach = run_report(("prefix-invariance", "c3-score-before-update", "breach"))
    results = (
        compare(label("reject", "ttt-adapt-then-score"), breach, RUN_CODES),
        compare(label("accept"), breach, RUN_CODES),
    )
    text = render_text(Agreement(results=results))
    assert "ttt-adapt-then-score                          1             0" in text
    assert "accepted states with an executed breach      1 of 1 (100 %)" in text
    document = to_json(Agreement(results=results))
    assert document["labels"][0]["executed"]["state"] == "separated"


def test_an_agreement_without_runs_says_nothing_of_them():
    result = compare(label("reject"), report(), CODES)
    assert "executed" not in render_text(Agreement(results=(result,)))
