from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.finding import RuleVerdict
from tests.rules.audited import judged, lines
from tests.rules.order_events import BACKWARD, PRINTED, READ, SCORED, STEPPED, chunked, plain

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ttt-chunked"


def test_a_chunk_scored_before_its_update_passes_with_witnesses(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, chunked())
    assert finding.verdict is RuleVerdict.PASS
    assert lines(finding) == [READ, SCORED, BACKWARD, STEPPED, PRINTED]


def test_a_chunk_scored_after_its_update_is_stated_elsewhere(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, chunked(swapped=True))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
    assert "ttt-score-first" in finding.message


def test_it_does_not_apply_without_adaptation(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, plain()).verdict is RuleVerdict.NOT_APPLICABLE


def test_an_adapter_is_not_this_form(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, chunked(StateKind.ADAPTER)).verdict is RuleVerdict.NOT_APPLICABLE
