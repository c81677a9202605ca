from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.rules.log_builders import judge, scored_with

if TYPE_CHECKING:
    from pathlib import Path

RULE = "no-constant-bpt"
TOKENS = 55_000_000
README = "# Example\n\nThe tokenizer has 2.7523 bytes/token on average.\n"


def test_a_stated_constant_as_ratio_fails_and_points_at_the_statement(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, scored_with(2.7523, TOKENS), README__md=README)
    assert finding.verdict is RuleVerdict.FAIL
    assert "is 2.7523 bytes per token to the last digit" in finding.message
    assert (finding.places[1].file, finding.places[1].line) == ("README.md", 3)


def test_the_same_ratio_with_one_more_digit_passes(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, scored_with(2.7523417, TOKENS), README__md=README)
    assert finding.verdict is RuleVerdict.PASS


def test_a_constant_that_is_nowhere_stated_asks_a_person(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, scored_with(2.7523, TOKENS))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_a_known_tokenizer_may_state_its_mean(tmp_path: Path) -> None:
    readme = "# Example\n\nsp1024 has 2.43593 bytes per token.\n"
    finding = judge(RULE, tmp_path, scored_with(2.43593, 62_021_632), README__md=readme)
    assert finding.verdict is RuleVerdict.PASS


def test_four_decimals_are_not_enough_to_tell(tmp_path: Path) -> None:
    log = scored_with(2.7523, TOKENS, exact="")
    others = {f"train_seed{seed}__log": None for seed in (1337, 1111)}
    finding = judge(RULE, tmp_path, log, submission__json='{"val_bpb": 1.2}', **others)
    assert finding.verdict is RuleVerdict.NOT_CHECKED
