from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.harness.audit.audit_builder import at
from tests.rules.token_leak_events import C, T, judged, mixture

if TYPE_CHECKING:
    from pathlib import Path

RULE = "ngram-key-target"


def test_a_key_with_the_target_fails_at_the_mixture(tmp_path: Path) -> None:
    finding = judged(tmp_path, RULE, mixture((T, C)))
    assert (finding.rule, finding.verdict) == (RULE, RuleVerdict.FAIL)
    primary = next(place for place in finding.places if place.role.value == "primary")
    assert (primary.file, primary.line) == ("train_gpt.py", 40)


def test_a_key_of_context_alone_is_not_accused(tmp_path: Path) -> None:
    verdict = judged(tmp_path, RULE, mixture((C,))).verdict
    assert verdict not in {RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN}


def test_a_leak_into_another_number_is_a_question(tmp_path: Path) -> None:
    finding = judged(tmp_path, RULE, mixture((T, C)), claimed=False)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_a_leak_into_the_number_that_a_function_of_the_script_prints_fails(tmp_path: Path) -> None:
    finding = judged(tmp_path, RULE, mixture((T, C)), claimed=False, printed_by=(at(200), at(90)))
    assert finding.verdict is RuleVerdict.FAIL


def test_a_leak_into_another_number_of_the_function_that_prints_the_claim_is_a_question(
    tmp_path: Path,
) -> None:
    finding = judged(tmp_path, RULE, mixture((T, C)), claimed=False, printed_by=(at(90), at(60)))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
