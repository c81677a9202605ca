"""seed-bruteforce: signs that seeds were picked by their score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log
from tests.rules.scored_submission import case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "seed-bruteforce"


@pytest.mark.parametrize(("score", "verdict"), [(1.2100, RuleVerdict.WARN), (1.2005, RuleVerdict.PASS)])
def test_a_left_out_seed_that_scores_worse_is_a_sign(
    tmp_path: Path, score: float, verdict: RuleVerdict
) -> None:
    extra = {"train_seed99__log": good_log(99, val_bpb=score)}
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, **extra)))
    assert finding.verdict is verdict


def test_the_left_out_score_is_shown(tmp_path: Path) -> None:
    extra = {"train_seed99__log": good_log(99, val_bpb=1.21)}
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, **extra)))
    assert "(99: 1.21000)" in finding.message
    assert finding.places[0].file == "train_seed99.log"


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("We report the best 3 of 10 seeds.", RuleVerdict.WARN),
        ("We did no seed search.", RuleVerdict.PASS),
    ],
)
def test_words_about_choosing_seeds_are_a_sign(tmp_path: Path, sentence: str, verdict: RuleVerdict) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, README__md=f"# Example\n\n{sentence}\n")))
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ({48213: 1.2, 77031: 1.20001, 91846: 1.20002}, RuleVerdict.WARN),
        ({48213: 1.2, 77031: 1.2005, 91846: 1.201}, RuleVerdict.PASS),
        ({13: 1.2, 1337: 1.20001, 1111: 1.20002}, RuleVerdict.PASS),
    ],
)
def test_odd_seeds_without_spread_are_a_sign(
    tmp_path: Path, scores: dict[int, float], verdict: RuleVerdict
) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, scores)))
    assert finding.verdict is verdict
