from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.finding import RuleVerdict
from tests.harness.audit.audit_builder import val
from tests.rules.audited import judged, lines
from tests.rules.order_events import BACKWARD, PRINTED, READ, SCORED, STEPPED, Trace, epochs, plain

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event

RULE = "ttt-per-document"


def _documents() -> tuple[Event, ...]:
    """Two parts of one document with an adapter that is reset for the next."""
    trace = Trace()
    trace.loop(1)
    trace.loop(2, 25)
    one = trace.score(val((1, (0, 0)), (2, (0, 0))), loops=((1, 0), (2, 0)))
    step = trace.update(val((1, (0, 0)), (2, (0, 0))), StateKind.ADAPTER, loops=((1, 0), (2, 0)))
    two = trace.score(val((1, (0, 0)), (2, (1, 1))), step, loops=((1, 0), (2, 1)))
    trace.reset(step)
    return trace.printed(one, two)


def test_an_adapter_that_scores_first_and_is_reset_passes(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _documents())
    assert finding.verdict is RuleVerdict.PASS
    assert lines(finding) == [READ, SCORED, BACKWARD, STEPPED, PRINTED]


def test_the_last_epoch_of_a_document_is_stated_elsewhere(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, epochs(counted=1))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
    assert "ttt-multi-epoch" in finding.message


def test_it_does_not_apply_without_adapters(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, plain()).verdict is RuleVerdict.NOT_APPLICABLE
