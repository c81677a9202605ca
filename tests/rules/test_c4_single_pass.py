from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.rules.audited import judged, lines
from tests.rules.order_events import SCORE_CALL, STEPPED, chunked, epochs, passes, plain, two_phases

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


def test_it_points_at_the_step_and_the_second_pass(tmp_path: Path) -> None:
    assert lines(judged(RULE, tmp_path, two_phases(first_score="reported"))) == [STEPPED, SCORE_CALL]


@pytest.mark.parametrize("events", [plain(), chunked(), passes("first"), two_phases(before=False)])
def test_one_pass_is_fine(tmp_path: Path, events: tuple[Event, ...]) -> None:
    assert judged(RULE, tmp_path, events).verdict is RuleVerdict.PASS


def test_a_breach_of_the_order_alone_leaves_it_open(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, two_phases()).verdict is RuleVerdict.NOT_CHECKED
