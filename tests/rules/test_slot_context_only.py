from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.audit.regions import Region, Split
from harness.finding import RuleVerdict
from tests.rules.audited import judged
from tests.rules.order_events import FIRST, Trace, chunked, plain

if TYPE_CHECKING:
    from pathlib import Path

RULE = "slot-context-only"


def test_a_shift_optimised_on_other_positions_asks(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, chunked(StateKind.DELTA))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.ask is not None
    assert finding.ask.startswith("Is the shift optimised only on positions whose score is already counted")


def test_a_masked_region_asks_here_and_fails_nowhere(tmp_path: Path) -> None:
    trace = Trace()
    masked = Region(split=Split.VALIDATION, loops=FIRST.loops, is_exact=False)
    step = trace.update(masked, StateKind.DELTA, loops=((1, 0),))
    events = trace.printed(trace.score(FIRST, step, loops=((1, 0),)))
    assert judged(RULE, tmp_path, events).verdict is RuleVerdict.NEEDS_HUMAN
    assert judged("slot-scored-region", tmp_path, events).verdict is RuleVerdict.NOT_CHECKED


def test_it_does_not_apply_without_a_shift(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, plain()).verdict is RuleVerdict.NOT_APPLICABLE
