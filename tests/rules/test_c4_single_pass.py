from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.harness.audit.audit_builder import val
from tests.rules.audited import judged, lines
from tests.rules.order_events import SCORE_CALL, STEPPED, Trace, chunked, epochs, passes, plain, two_phases

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event

RULE = "c4-single-pass"


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        (two_phases(first_score="reported"), "two-pass-rescore"),
        (two_phases(first_score="discarded"), "ttt-score-first"),
        (epochs(counted=1), "ttt-multi-epoch"),
        (passes("lowest"), "oracle-min"),
    ],
)
def test_a_second_look_fails(tmp_path: Path, events: tuple[Event, ...], rule: str) -> None:
    finding = judged(RULE, tmp_path, events)
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.message.endswith(f"the chain is at {rule}")


def test_choosing_the_lower_loss_of_two_proper_passes_fails_though_each_scored_first(tmp_path: Path) -> None:
    trace = Trace()
    trace.loop(3, 25, 2, advances=False)
    scores = []
    for turn in (0, 1):
        trace.loop(4 + turn)
        scores.append(trace.score(val((4 + turn, (0, 0))), loops=((3, turn), (4 + turn, 0))))
        step = trace.update(val((4 + turn, (0, 0))), loops=((3, turn), (4 + turn, 0)))
        last = val((4 + turn, (1, 1)))
        scores.append(trace.score(last, step, loops=((3, turn), (4 + turn, 1))))
        trace.reset(step)
    events = trace.printed(trace.selected(scores[0], scores[2]), trace.selected(scores[1], scores[3]))
    assert judged(RULE, tmp_path, events).verdict is RuleVerdict.FAIL
    assert judged("c3-score-before-update", tmp_path, events).verdict is RuleVerdict.NOT_CHECKED


def test_it_points_at_the_step_and_the_second_pass(tmp_path: Path) -> None:
    assert lines(judged(RULE, tmp_path, two_phases(first_score="reported"))) == [STEPPED, SCORE_CALL]


@pytest.mark.parametrize("events", [plain(), chunked(), passes("first"), two_phases(before=False)])
def test_one_pass_is_fine(tmp_path: Path, events: tuple[Event, ...]) -> None:
    assert judged(RULE, tmp_path, events).verdict is RuleVerdict.PASS


def test_a_breach_of_the_order_alone_leaves_it_open(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, two_phases()).verdict is RuleVerdict.NOT_CHECKED
