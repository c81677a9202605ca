"""Hashed counts with the target in the key against exact ones: what tells them apart when they run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reference_model.config import ConfigError, NgramConfig, NgramKind
from reference_model.ngrams.ngram_mixing import BackoffMixer, Mixer
from submissions.illegal_systems.target_key_ngrams import TargetKeyMixer, target_key_mixer

VOCABULARY = 64
CONFIG = NgramConfig(kind=NgramKind.BACKOFF, entropy_centre_nats=2.0)
NOISE = np.random.default_rng(5).integers(0, VOCABULARY, 6000).astype(np.uint16)


def mean_nats(mixer: Mixer, tokens: np.ndarray = NOISE) -> float:
    """With a model that knows nothing: every token equally likely."""
    positions = np.arange(1, len(tokens))
    logits = torch.zeros(len(positions), VOCABULARY)
    return float(mixer.mix(positions, logits, torch.from_numpy(tokens[1:].astype(np.int64))).mean())


def hashed(buckets: int, tokens: np.ndarray = NOISE) -> TargetKeyMixer:
    return TargetKeyMixer(tokens, VOCABULARY, CONFIG, buckets=buckets)


def exact(tokens: np.ndarray = NOISE) -> BackoffMixer:
    return BackoffMixer(tokens, VOCABULARY, CONFIG)


def test_smaller_tables_improve_the_score_of_noise() -> None:
    scores = [mean_nats(hashed(buckets)) for buckets in (1 << 16, 1 << 12, 1 << 8)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 1.0


def test_small_tables_score_noise_below_its_entropy_and_exact_counts_do_not() -> None:
    entropy = math.log(VOCABULARY)
    assert mean_nats(hashed(1 << 8)) < entropy - 1.0
    assert mean_nats(exact()) > entropy


def test_the_claims_of_hashed_counts_add_up_to_more_than_one() -> None:
    mixer = hashed(1 << 10)
    mean_nats(mixer)
    assert mixer.distribution(len(NOISE) - 1, torch.zeros(VOCABULARY)).sum() > 5


def test_the_claims_of_exact_counts_add_up_to_one() -> None:
    claims = exact().distribution(len(NOISE) - 1, torch.zeros(VOCABULARY))
    assert claims.sum() == pytest.approx(1.0, abs=1e-12)


def test_without_collisions_both_score_the_same() -> None:
    text = np.tile(NOISE[:40], 30)
    positions = np.arange(1, len(text))
    logits, targets = torch.zeros(len(positions), VOCABULARY), torch.from_numpy(text[1:].astype(np.int64))
    own = hashed(1 << 20, text).mix(positions, logits, targets)
    settled = slice(200, None)  # hashed counts come a segment of 64 late
    torch.testing.assert_close(own[settled], exact(text).mix(positions, logits, targets)[settled])


def test_the_load_of_the_original_decides_the_size_of_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NGRAM_BUCKETS", raising=False)
    mixer = target_key_mixer(NOISE, VOCABULARY, CONFIG)
    assert mixer._contexts.shape == (6, 1 << 12)  # 6,000 positions, 1.46 per bucket; 2^11 would give 2.93


def test_a_table_size_that_is_no_power_of_two_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGRAM_BUCKETS", "1000")
    with pytest.raises(ConfigError, match="NGRAM_BUCKETS='1000' is no power of two"):
        target_key_mixer(NOISE, VOCABULARY, CONFIG)
