from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.rules.token_leak_events import C, T, judged, mixture

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ngram-cache"


def test_a_target_cell_alone_is_a_question(tmp_path: Path) -> None:
    assert judged(tmp_path, RULE, mixture((T,), row=True)).verdict is RuleVerdict.NEEDS_HUMAN


def test_the_row_of_a_context_is_not_accused(tmp_path: Path) -> None:
    assert judged(tmp_path, RULE, mixture((C,))).verdict is not RuleVerdict.NEEDS_HUMAN
