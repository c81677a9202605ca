from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.audit.events import Reset
from harness.finding import RuleVerdict
from tests.harness.audit.audit_builder import at, train
from tests.rules.audited import judged, lines, primary_line
from tests.rules.order_events import SCORE_CALL, STATE, WHOLE, Trace, plain

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event

RULE = "no-state-from-warmup"


def on_validation(*, kept: bool) -> tuple[Event, ...]:
    """A step on one piece of validation before the scored pass."""
    trace = Trace()
    step = trace.update(WHOLE, line=18, call=17)
    if not kept:
        trace.reset(step, line=19)
        trace.add(Reset(id=0, at=at(21), state=7, of_optimizer=True))
    return trace.printed(trace.score(WHOLE, *([step] if kept else []), call=SCORE_CALL))


def before_training(*, undone: bool = True, optimizer: bool = True) -> tuple[Event, ...]:
    """A step on training tokens, the weights restored, then training."""
    trace = Trace()
    step = trace.update(train(), line=18)
    if undone:
        trace.reset(step, line=19)
    if optimizer:
        trace.add(Reset(id=0, at=at(20), state=STATE + 6, of_optimizer=True))
    trained = trace.update(train(), line=25)
    return trace.printed(trace.score(WHOLE, *([] if undone else [step]), trained, call=SCORE_CALL))


def test_a_step_on_validation_that_is_kept_fails(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, on_validation(kept=True))
    assert finding.verdict is RuleVerdict.FAIL
    assert (primary_line(finding), lines(finding)) == (18, [18, SCORE_CALL])


def test_a_step_on_validation_that_is_undone_passes(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, on_validation(kept=False))
    assert (finding.verdict, lines(finding)) == (RuleVerdict.PASS, [18, 19, 21])


def test_a_warm_up_on_training_tokens_passes_when_weights_and_optimiser_go_back(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, before_training())
    assert (finding.verdict, lines(finding)) == (RuleVerdict.PASS, [18, 19, 20])


@pytest.mark.parametrize("events", [before_training(optimizer=False), before_training(undone=False), plain()])
def test_what_is_not_seen_to_be_undone_stays_open(tmp_path: Path, events: tuple[Event, ...]) -> None:
    assert judged(RULE, tmp_path, events).verdict is RuleVerdict.NOT_CHECKED
