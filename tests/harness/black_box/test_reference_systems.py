"""The reference model's evaluations and their ruled-out twins, seen from outside only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.black_box import Outcome, ProbeResult, Scorer, audit_scorer
from reference_model.config import NgramKind
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_sliding, evaluate_with_ttt
from reference_model.evaluation.score_ledger import ScoreLedger
from reference_model.evaluation.score_tally import ScoreTally
from reference_model.ngrams.ngram_mixing import ngram_mixer
from submissions.illegal_systems.adapt_then_score import train_on_all_then_score
from submissions.illegal_systems.discarded_scores import train_past_discarded_scores
from submissions.illegal_systems.target_key_ngrams import TargetKeyMixer
from tests.reference_model.evaluation_cases import VOCABULARY, byte_table, tiny_config, tiny_model

if TYPE_CHECKING:
    import numpy as np

CONFIG = tiny_config("pr461", evaluation={"stride": 16, "batch_seqs": 32}, ttt={"epochs": 1, "lr": 0.1})
NGRAMS = replace(CONFIG.ngram, kind=NgramKind.BACKOFF, min_count=1)


def _frozen(tokens: np.ndarray, mixer=None) -> np.ndarray:
    score = evaluate_sliding(
        tiny_model(CONFIG), tokens, byte_table(), CONFIG, World(), ledger=ScoreLedger(), mixer=mixer
    )
    return score.ledger.nats(tokens.size - 1)


def _adapted(tokens: np.ndarray) -> np.ndarray:
    score = evaluate_with_ttt(tiny_model(CONFIG), tokens, byte_table(), CONFIG, World())
    return score.ledger.nats(tokens.size - 1)


def _ruled_out(order):
    def score(tokens: np.ndarray) -> np.ndarray:
        tally = ScoreTally(
            tokens=tokens,
            table=byte_table(),
            world=World(),
            positions_to_score=tokens.size - 1,
            ledger=ScoreLedger(),
        )
        order(tiny_model(CONFIG), tally, CONFIG)
        return tally.ledger.nats(tokens.size - 1)

    return score


def _with_ngrams(tokens: np.ndarray) -> np.ndarray:
    return _frozen(tokens, ngram_mixer(tokens, VOCABULARY, NGRAMS))


def _with_target_keys(tokens: np.ndarray) -> np.ndarray:
    return _frozen(tokens, TargetKeyMixer(tokens, VOCABULARY, NGRAMS, buckets=64))


def _audited(score, *probes: str, **more) -> dict[str, ProbeResult]:
    scorer = Scorer(score=score, vocab_size=VOCABULARY, bos_id=1, special_ids=(0, 2), **more)
    return {result.probe: result for result in audit_scorer(scorer, tokens=128, only=probes).results}


def test_score_first_ttt_is_clean_and_was_seen_to_adapt():
    found = _audited(_adapted, "suffix-swap", "first-unit", without_adaptation=_frozen, first_unit=9)
    assert {result.outcome for result in found.values()} == {Outcome.CLEAN}


@pytest.mark.parametrize("order", [train_on_all_then_score, train_past_discarded_scores])
def test_weights_trained_on_what_they_score_are_seen(order):
    found = _audited(_ruled_out(order), "suffix-swap", "first-unit", without_adaptation=_frozen, first_unit=9)
    assert found["suffix-swap"].outcome == found["first-unit"].outcome == Outcome.BREACH


def test_causal_ngrams_are_a_distribution():
    found = _audited(_with_ngrams, "suffix-swap", "alternative-sum")
    assert {result.outcome for result in found.values()} == {Outcome.CLEAN}
    assert found["alternative-sum"].numbers["sum"] == pytest.approx(1, abs=1e-4)


def test_ngrams_with_the_target_in_their_key_are_none():
    found = _audited(_with_target_keys, "suffix-swap", "alternative-sum")
    assert found["suffix-swap"].outcome == Outcome.CLEAN
    assert found["alternative-sum"].outcome == Outcome.BREACH
