from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.rules.token_leak_events import C, judged, mixture

if TYPE_CHECKING:
    from pathlib import Path

RULE = "mixer-hedge"


def test_an_expert_that_is_no_probability_fails_at_the_mixture(tmp_path: Path) -> None:
    finding = judged(tmp_path, RULE, mixture((C,), pseudo=True))
    assert (finding.rule, finding.verdict) == (RULE, RuleVerdict.FAIL)
    primary = next(place for place in finding.places if place.role.value == "primary")
    assert (primary.file, primary.line) == ("train_gpt.py", 40)


def test_an_expert_that_is_one_is_not_accused(tmp_path: Path) -> None:
    verdict = judged(tmp_path, RULE, mixture((C,))).verdict
    assert verdict not in {RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN}
