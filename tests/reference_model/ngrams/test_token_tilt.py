from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SetupError
from reference_model.config import NgramConfig, NgramKind
from reference_model.ngrams.ngram_mixing import log_probs_and_entropies
from reference_model.ngrams.token_tilt import NO_HINT, TokenTilt, hinted_tokens

VOCAB = 8
CONFIG = NgramConfig(kind=NgramKind.TILT, max_order=4)


def some_logits(rows: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(seed))


def tilted_everywhere(tokens_T: np.ndarray, logits_TV: torch.Tensor, config: NgramConfig) -> torch.Tensor:
    targets_T = torch.from_numpy(tokens_T.astype(np.int64))
    return TokenTilt(tokens_T, VOCAB, config).mix(np.arange(len(tokens_T)), logits_TV, targets_T)


def slowly_hinted(tokens: list[int], config: NgramConfig) -> list[int]:
    """Hints from dictionaries that remember each context's leader, one position after another."""
    counts: dict[tuple[int, ...], dict[int, int]] = {}
    leaders: dict[tuple[int, ...], int] = {}
    hints = []
    for t, token in enumerate(tokens):
        orders = [n for n in range(config.min_order, config.max_order + 1) if t >= n - 1]
        contexts = [tuple(tokens[t - n + 1 : t]) for n in orders]
        hint = NO_HINT
        for context in contexts:
            followers = counts.get(context, {})
            total = sum(followers.values())
            if total >= config.min_count:
                sure = followers[leaders[context]] >= config.tilt_min_confidence * total
                hint = leaders[context] if sure else hint
        hints.append(hint)
        for context in contexts:
            followers = counts.setdefault(context, {})
            followers[token] = followers.get(token, 0) + 1
            if followers[token] > followers.get(leaders.get(context, -1), 0):
                leaders[context] = token
    return hints


@given(
    st.lists(st.integers(0, 3), max_size=80),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5, 0.6, 1.0]),
    st.sampled_from([1, 10, 1000]),
)
@settings(max_examples=150, deadline=None)
def test_hints_of_a_whole_stream_equal_those_found_one_position_after_another(
    tokens: list[int], min_count: int, confidence: float, batch_positions: int
) -> None:
    config = NgramConfig(max_order=4, min_count=min_count, tilt_min_confidence=confidence)
    hints_T = hinted_tokens(np.array(tokens, dtype=np.uint8), config, batch_positions=batch_positions)
    assert hints_T.tolist() == slowly_hinted(tokens, config)


def test_of_equally_frequent_continuations_the_first_to_get_there_is_hinted() -> None:
    tokens_T = np.array([0, 5, 0, 4, 0, 4, 0, 5, 0], dtype=np.uint8)
    hints_T = hinted_tokens(tokens_T, NgramConfig(min_order=2, max_order=2))
    assert hints_T.tolist() == [-1, -1, -1, -1, -1, 5, -1, 4, -1]


def test_a_doubtful_long_context_leaves_the_hint_of_a_sure_shorter_one() -> None:
    # after (2, 1) came 3, 4, 5, 6 once each; after 1 alone 3 came five times of eight
    tokens = [1, 3, 1, 3, 1, 3, 1, 3, 2, 1, 3, 2, 1, 4, 2, 1, 5, 2, 1, 6, 2, 1, 0]
    hints_T = hinted_tokens(np.array(tokens, dtype=np.uint8), NgramConfig(min_order=2, max_order=3))
    assert hints_T[-1] == 3


@given(st.integers(0, 10_000), st.sampled_from([-1.0, 0.0, 2.0, 5.0]))
@settings(max_examples=30, deadline=None)
def test_the_tilted_loss_is_the_whole_distribution_read_at_the_target(seed: int, beta: float) -> None:
    config = NgramConfig(max_order=4, tilt_beta=beta)
    tokens_T = np.random.default_rng(seed).integers(0, 3, 150, dtype=np.uint16)
    logits_TV, mixer = some_logits(150, seed), TokenTilt(tokens_T, VOCAB, config)
    nll_T = tilted_everywhere(tokens_T, logits_TV, config)
    for position in range(0, 150, 7):
        probs_V = mixer.distribution(position, logits_TV[position])
        assert abs(-math.log(probs_V[tokens_T[position]]) - nll_T[position]) < 1e-12
        assert abs(probs_V.sum() - 1) < 1e-12


def test_losses_before_a_cut_ignore_the_tokens_from_it_onwards() -> None:
    generator, logits_TV = np.random.default_rng(0), some_logits(400)
    ours_T = generator.integers(0, 4, 400, dtype=np.uint16)
    other_T = np.concatenate([ours_T[:200], generator.integers(0, 4, 200, dtype=np.uint16)])
    ours, theirs = (tilted_everywhere(tokens_T, logits_TV, CONFIG) for tokens_T in (ours_T, other_T))
    assert torch.equal(ours[:200], theirs[:200])


def test_a_distribution_ignores_its_own_token_and_all_later_ones() -> None:
    ours_T = np.random.default_rng(0).integers(0, 4, 400, dtype=np.uint16)
    other_T = np.concatenate([ours_T[:200], (ours_T[200:] + 1) % 4])
    ours, theirs = (TokenTilt(tokens_T, VOCAB, CONFIG) for tokens_T in (ours_T, other_T))
    logits_V = some_logits(1)[0]
    assert (ours.distribution(200, logits_V) == theirs.distribution(200, logits_V)).all()


def test_the_hinted_token_gains_and_every_other_loses_by_one_factor() -> None:
    tokens_T, logits_V = np.array([1, 2, 1, 2, 1, 2], dtype=np.uint8), some_logits(1)[0]
    mixer = TokenTilt(tokens_T, VOCAB, NgramConfig(min_order=2, max_order=2, tilt_beta=math.log(3)))
    ratios_V = mixer.distribution(5, logits_V) / logits_V.double().softmax(-1).numpy()
    others_V = np.delete(ratios_V, 2)
    assert others_V == pytest.approx(np.full(VOCAB - 1, others_V[0]))
    assert ratios_V[2] == pytest.approx(3 * others_V[0])


def test_uniform_noise_is_not_coded_in_fewer_nats_than_it_has() -> None:
    tokens_T = np.random.default_rng(3).integers(0, VOCAB, 4_000, dtype=np.uint16)
    saved_nats = (
        4_000 * math.log(VOCAB) - tilted_everywhere(tokens_T, torch.zeros(4_000, VOCAB), CONFIG).sum()
    )
    assert saved_nats < math.log(1e9)


def test_without_a_hint_the_model_stands_exactly() -> None:
    tokens_T, logits_TV = np.arange(VOCAB, dtype=np.uint16), some_logits(VOCAB)
    own_T1, _ = log_probs_and_entropies(logits_TV, torch.arange(VOCAB)[:, None])
    assert torch.equal(tilted_everywhere(tokens_T, logits_TV, CONFIG), -own_T1[:, 0])
    assert TokenTilt(tokens_T, VOCAB, CONFIG).hint_rate == 0


def test_a_tilt_towards_the_truth_lowers_the_loss() -> None:
    tokens_T = np.tile(np.arange(VOCAB, dtype=np.uint16), 20)
    assert tilted_everywhere(tokens_T, torch.zeros(len(tokens_T), VOCAB), CONFIG).mean() < math.log(VOCAB) - 1


def test_an_empty_stream_has_no_hints() -> None:
    assert hinted_tokens(np.array([], dtype=np.uint16), CONFIG).tolist() == []


def test_targets_that_are_not_the_tokens_of_the_stream_are_refused() -> None:
    mixer = TokenTilt(np.array([1, 2, 3], dtype=np.uint16), VOCAB, CONFIG)
    with pytest.raises(SetupError, match="target 5 at position 2"):
        mixer.mix(np.array([2]), some_logits(1), torch.tensor([5]))
