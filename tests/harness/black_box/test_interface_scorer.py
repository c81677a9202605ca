"""What speaks golf-run's scoring interface is audited as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.black_box import Outcome, audit_scorer, interface_scorer
from tests.harness.black_box.toy_scorers import V

if TYPE_CHECKING:
    from harness.scoring.client import Scoring

STEP = 40


def _log_p(counts: np.ndarray, previous: int) -> np.ndarray:
    return np.log((counts[previous] + 1) / (counts[previous].sum() + V))


def _evaluation(scoring: Scoring, *, adapt_first: bool = False, is_honest_when_asked: bool = True) -> None:
    """Chunks of `STEP` tokens: score and count, or count and score."""
    counts = np.zeros((V, V))

    def predict(known: np.ndarray) -> np.ndarray:
        return _log_p(counts if is_honest_when_asked else counts + 1, int(known[-1]))

    while scoring.released < scoring.total:
        first = max(scoring.released, 1)
        end = min(scoring.released + STEP, scoring.total)
        tokens = scoring.tokens_until(end, predict).astype(int)
        pairs = [(tokens[place - 1], tokens[place]) for place in range(first, end)]
        for adapts in (adapt_first, not adapt_first):
            if adapts:
                for pair in pairs:
                    counts[pair] += 1
            elif pairs:
                scoring.seal(first, np.array([_log_p(counts, a)[b] for a, b in pairs]))


def _audited(**how) -> dict[str, Outcome]:
    scorer = interface_scorer(
        lambda scoring: _evaluation(scoring, **how), vocab_size=V, longest_step=STEP, first_unit=STEP
    )
    return {result.probe: result.outcome for result in audit_scorer(scorer, tokens=200).results}


def test_score_then_adapt_through_the_interface_is_clean_and_its_distributions_are_asked_for():
    found = _audited()
    assert found["suffix-swap"] == found["distribution"] == found["alternative-sum"] == Outcome.CLEAN
    assert Outcome.BREACH not in found.values()


def test_adapt_then_score_through_the_interface_is_seen_inside_the_steps():
    found = _audited(adapt_first=True)
    assert found["suffix-swap"] == found["alternative-sum"] == Outcome.BREACH


def test_a_blind_answer_that_is_not_what_is_sealed_is_seen():
    assert _audited(is_honest_when_asked=False)["distribution"] == Outcome.BREACH


def test_a_token_that_is_sealed_twice_is_refused_by_the_evaluator():
    def twice(scoring: Scoring) -> None:
        scoring.tokens_until(STEP, lambda known: np.full(V, -np.log(V)))
        scoring.seal(1, np.full(STEP - 1, -np.log(V)))
        scoring.seal(1, np.full(STEP - 1, -np.log(V)))

    (result,) = audit_scorer(interface_scorer(twice, vocab_size=V, longest_step=STEP), tokens=100).results
    assert result.outcome == Outcome.NOT_RUN
    assert "scored before" in result.sentence


def test_an_evaluation_that_scores_nothing_is_told():
    (result,) = audit_scorer(interface_scorer(lambda scoring: None, vocab_size=V), tokens=100).results
    assert "never scored" in result.sentence
