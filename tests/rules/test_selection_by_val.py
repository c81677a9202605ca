from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.rules.audited import judged, lines
from tests.rules.log_builders import judge_readme
from tests.rules.order_events import Trace

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event

RULE = "selection-by-val"


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The gate was tuned on the dumped validation distributions.", RuleVerdict.NEEDS_HUMAN),
        ("The gate was not tuned on the dumped validation distributions.", RuleVerdict.NOT_CHECKED),
        ("The gate was tuned on training text.", RuleVerdict.NOT_CHECKED),
    ],
)
def test_only_tuning_on_validation_output_asks(tmp_path: Path, sentence: str, verdict: RuleVerdict) -> None:
    finding = judge_readme(RULE, tmp_path, sentence)
    assert finding.verdict is verdict


def test_the_question_points_at_the_sentence(tmp_path: Path) -> None:
    finding = judge_readme(RULE, tmp_path, "The gate was tuned on the dumped validation distributions.")
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 3)


def _chosen(by: str, *, before_artifact: bool = False) -> tuple[Event, ...]:
    trace = Trace()
    one, two = trace.score(line=31), trace.score(line=32)
    best = trace.selected(one, two, by=by, per_token=False)
    if before_artifact:
        trace.export()
    return trace.printed(best)


def test_the_better_of_two_results_asks(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _chosen("validation-metric"))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert lines(finding) == [31, 32, 50, 90]


def test_the_last_of_two_results_does_not(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, _chosen("last")).verdict is RuleVerdict.NOT_CHECKED


def test_a_choice_that_reaches_the_artifact_is_asked_about_once(tmp_path: Path) -> None:
    events = _chosen("validation-metric", before_artifact=True)
    assert judged(RULE, tmp_path, events).verdict is RuleVerdict.NOT_CHECKED
    assert judged("no-val-in-training", tmp_path, events).verdict is RuleVerdict.NEEDS_HUMAN


def test_the_lower_of_two_numbers_chooses_no_weights(tmp_path: Path) -> None:
    events = _chosen("loss", before_artifact=True)
    assert judged("no-val-in-training", tmp_path, events).verdict is not RuleVerdict.NEEDS_HUMAN
    finding = judged(RULE, tmp_path, events)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "decides what is reported" in finding.message
