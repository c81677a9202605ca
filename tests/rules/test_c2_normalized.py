from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Mixed
from harness.finding import RuleVerdict
from tests.rules.token_leak_events import C, T, judged, mixture

if TYPE_CHECKING:
    from pathlib import Path

RULE = "c2-normalized"


def test_a_breach_is_stated_at_the_rule_it_breaks(tmp_path: Path) -> None:
    finding = judged(tmp_path, RULE, mixture((T, C)))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
    assert "ngram-key-target" in finding.message


def test_a_key_of_context_alone_is_no_breach(tmp_path: Path) -> None:
    assert "breaches" not in judged(tmp_path, RULE, mixture((C,))).message


def test_a_table_whose_use_was_lost_is_not_called_clean(tmp_path: Path) -> None:
    lost = [event for event in mixture((C,)) if not isinstance(event, Mixed)]
    assert judged(tmp_path, RULE, lost).verdict is RuleVerdict.NOT_CHECKED
