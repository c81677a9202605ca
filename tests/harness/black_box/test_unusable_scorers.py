"""What a scorer does wrongly ends a probe with a reason, and is never clean."""

from __future__ import annotations

import numpy as np
import pytest

from harness.black_box import Outcome, Scorer, audit_scorer
from tests.harness.black_box import toy_scorers as toys
from tests.harness.black_box.toy_scorers import V


def _only(score) -> tuple[Outcome, str]:
    (result,) = audit_scorer(Scorer(score=score, vocab_size=V), tokens=128).results
    return result.outcome, result.sentence


def test_a_scorer_that_raises_is_not_run_with_its_own_words():
    def broken(tokens):
        raise KeyError("ttt")

    outcome, sentence = _only(broken)
    assert outcome == Outcome.NOT_RUN
    assert "KeyError: 'ttt'" in sentence


def test_losses_of_another_shape_are_told_with_the_shape_wanted():
    assert "must give one loss for each token but the first: (127,)" in _only(lambda tokens: np.ones(3))[1]


def test_an_infinite_loss_is_no_prediction():
    assert "infinite" in _only(lambda tokens: np.full(tokens.size - 1, np.inf))[1]


def test_a_negative_loss_is_no_loss():
    assert "at least zero" in _only(lambda tokens: np.full(tokens.size - 1, -0.5))[1]


def test_what_is_no_array_is_told():
    assert "no array of numbers" in _only(lambda tokens: {"nll": 1.08})[1]


def test_a_scorer_that_remembers_earlier_calls_is_not_reproducible():
    calls = []

    def drifting(tokens):
        calls.append(1)
        return toys.online(tokens) + 0.1 * len(calls)

    assert _only(drifting)[0] == Outcome.NOT_REPRODUCIBLE


def test_a_scorer_that_fails_in_the_middle_loses_that_probe_only():
    def short_only(tokens):
        if tokens.size > 130:
            raise MemoryError("too long")
        return toys.online(tokens)

    found = {
        result.probe: result
        for result in audit_scorer(Scorer(score=short_only, vocab_size=V), tokens=128).results
    }
    assert found["doubled-stream"].outcome == Outcome.NOT_RUN
    assert found["alternative-sum"].outcome == Outcome.CLEAN


def test_a_sample_of_a_large_vocabulary_proves_nothing_when_it_sums_to_less():
    def uniform(tokens):
        return np.full(tokens.size - 1, np.log(4096)) + (tokens[1:] == 5) * 1e-9

    found = {
        result.probe: result
        for result in audit_scorer(Scorer(score=uniform, vocab_size=4096), tokens=128).results
    }
    assert found["alternative-sum"].outcome == Outcome.NO_POWER


def test_a_vocabulary_of_special_tokens_is_refused():
    with pytest.raises(ValueError, match="too small"):
        Scorer(score=toys.online, vocab_size=8, special_ids=(0, 1))
