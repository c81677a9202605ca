from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.finding import RuleVerdict
from tests.harness.audit.audit_builder import val
from tests.rules.audited import judged
from tests.rules.order_events import Trace, chunked

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event

RULE = "ttt-multi-phase"


def _phases(*, global_step_on_next: bool = False) -> tuple[Event, ...]:
    """An adapter in each phase, and a step on the weights between two phases."""
    trace = Trace()
    trace.loop(1)
    first, second = val((1, (0, 0))), val((1, (1, 1)))
    one = trace.score(first, loops=((1, 0),))
    adapter = trace.update(first, StateKind.ADAPTER, line=35, loops=((1, 0),))
    step = trace.update(second if global_step_on_next else first, loops=((1, 0),))
    two = trace.score(second, adapter, step, loops=((1, 1),))
    return trace.printed(one, two)


def test_a_global_step_on_scored_documents_passes(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, _phases()).verdict is RuleVerdict.PASS


def test_a_global_step_on_the_next_documents_is_stated_elsewhere(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _phases(global_step_on_next=True))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
    assert "ttt-score-first" in finding.message


def test_chunks_alone_are_not_this_form(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, chunked()).verdict is RuleVerdict.NOT_APPLICABLE
