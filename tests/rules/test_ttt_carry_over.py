from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.finding import RuleVerdict
from tests.rules.audited import judged
from tests.rules.order_events import chunked

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ttt-carry-over"


def test_an_adapter_kept_from_scored_documents_passes(tmp_path: Path) -> None:
    assert judged(RULE, tmp_path, chunked(StateKind.ADAPTER)).verdict is RuleVerdict.PASS


def test_an_adapter_that_is_reset_is_not_this_form(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, chunked(StateKind.ADAPTER, kept=False))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE


def test_an_adapter_kept_from_unscored_documents_is_stated_elsewhere(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, chunked(StateKind.ADAPTER, ahead=True))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
    assert "ttt-score-first" in finding.message
