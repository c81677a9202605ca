from __future__ import annotations

import pytest

from harness.executed_agreement import ExecutedState, executed
from tests.harness.reports.report_samples import executed as sample

CODES = {"adapted": frozenset({"c3-score-before-update"}), "mixture": frozenset({"c2-normalized"})}
CLEAN = [{**one, "outcome": "clean"} for one in sample()["results"]]


def state(*reasons: str, **replaced: object) -> ExecutedState:
    found = executed(sample(**replaced), reasons, CODES)
    assert found is not None
    return found.state


def test_runs_that_clear_what_the_label_is_about_are_clean() -> None:
    assert state("adapted", results=CLEAN, not_cleared={}) is ExecutedState.CLEAN


@pytest.mark.parametrize(
    ("reason", "expected"), [("mixture", ExecutedState.NO_POWER), ("adapted", ExecutedState.CLEAN)]
)
def test_runs_that_leave_the_label_s_condition_open_had_no_power(
    reason: str, expected: ExecutedState
) -> None:
    assert state(reason, results=CLEAN, not_cleared={"c2-normalized": "no power"}) is expected


def test_runs_under_the_defaults_of_a_script_had_no_power_over_what_a_label_is_about() -> None:
    seen = {"results": CLEAN, "not_cleared": {}, "step": "defaults"}
    assert state("adapted", **seen) is ExecutedState.NO_POWER
    assert state(**seen) is ExecutedState.CLEAN


def test_a_look_across_documents_counts_only_for_a_label_that_is_about_it() -> None:
    boundary = {**CLEAN[0], "condition": "doc-boundary-isolation", "outcome": "breach"}
    codes = {**CODES, "leak": frozenset({"doc-boundary-isolation"})}
    seen = sample(results=[*CLEAN, boundary], not_cleared={})
    across = [executed(seen, reasons, codes) for reasons in (("leak",), ("adapted",), ())]
    states = [one.state for one in across if one is not None]
    assert states == [ExecutedState.SEPARATED, ExecutedState.CLEAN, ExecutedState.CLEAN]


def test_an_accepted_label_without_a_breach_is_clean() -> None:
    assert state(results=CLEAN, not_cleared={"c2-normalized": "no power"}) is ExecutedState.CLEAN


def test_without_runs_there_is_nothing_to_say() -> None:
    assert executed(None, ("adapted",), CODES) is None
