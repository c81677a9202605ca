from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.finding import RuleVerdict
from tests.rules.audited import judged, primary_line
from tests.rules.order_events import STEPPED, chunked, plain

if TYPE_CHECKING:
    from pathlib import Path

RULE = "slot-scored-region"


def test_a_shift_optimised_on_the_positions_it_scores_fails(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, chunked(StateKind.DELTA, swapped=True))
    assert finding.verdict is RuleVerdict.FAIL
    assert primary_line(finding) == STEPPED


def test_a_shift_thrown_away_before_the_next_batch_does_not(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, chunked(StateKind.DELTA, kept=False)).verdict is not RuleVerdict.FAIL


def test_it_does_not_apply_without_a_shift(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, plain()).verdict is RuleVerdict.NOT_APPLICABLE
