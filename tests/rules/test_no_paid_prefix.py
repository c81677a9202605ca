from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.rules.audited import judged, lines
from tests.rules.order_events import READ, Trace

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event

RULE = "no-paid-prefix"


def _written(*, with_tokens: bool) -> tuple[Event, ...]:
    trace = Trace()
    trace.export(reads=(trace.read,) if with_tokens else ())
    return trace.printed(trace.score())


def test_validation_tokens_that_are_written_ask(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _written(with_tokens=True))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert lines(finding) == [READ, 70]


def test_a_file_without_them_is_still_no_pass(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, _written(with_tokens=False)).verdict is RuleVerdict.NOT_CHECKED
