from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SetupError
from reference_model.config import NgramConfig, NgramKind
from reference_model.ngrams.ngram_mixing import (
    BackoffMixer,
    StreamingBackoff,
    log_probs_and_entropies,
    ngram_mixer,
)
from reference_model.ngrams.token_tilt import TokenTilt
from tests.upstream_seeds import clone_path, load_original

VOCAB = 16
CONFIG = NgramConfig(kind=NgramKind.BACKOFF, entropy_centre_nats=2.0)


def repetitive_stream(length: int, seed: int = 0) -> np.ndarray:
    """Random copies of few phrases, so that all orders find repeats."""
    generator = np.random.default_rng(seed)
    phrases = generator.integers(0, VOCAB, (12, 9), dtype=np.uint16)
    return phrases[generator.integers(0, 12, length // 9 + 1)].ravel()[:length]


def some_logits(rows: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(seed))


def mixed_everywhere(tokens_T: np.ndarray, logits_TV: torch.Tensor, config: NgramConfig) -> torch.Tensor:
    targets_T = torch.from_numpy(tokens_T.astype(np.int64))
    return BackoffMixer(tokens_T, VOCAB, config).mix(np.arange(len(tokens_T)), logits_TV, targets_T)


def slowly_mixed(tokens: list[int], logits_TV: torch.Tensor, config: NgramConfig) -> list[float]:
    """The formula of PR #940 with exact counts in dictionaries, one position after another."""
    counts: dict[tuple[int, ...], dict[int, int]] = {}
    losses = []
    for t, token in enumerate(tokens):
        log_probs_V = logits_TV[t].double().log_softmax(-1)
        prob = float(log_probs_V[token].exp())
        entropy = -float((log_probs_V.exp() * log_probs_V).sum())
        gate = 1 / (1 + math.exp(-config.entropy_slope * (entropy - config.entropy_centre_nats)))
        alpha = config.alpha_low + (config.alpha_high - config.alpha_low) * gate
        orders = [n for n in range(config.min_order, config.max_order + 1) if t >= n - 1]
        contexts = [tuple(tokens[t - n + 1 : t]) for n in orders]
        often = [c for c in contexts if sum(counts.get(c, {}).values()) >= config.min_count]
        if often:
            followers = counts[often[-1]]
            prob = (1 - alpha) * prob + alpha * followers.get(token, 0) / sum(followers.values())
        losses.append(-math.log(prob))
        for context in contexts:
            followers = counts.setdefault(context, {})
            followers[token] = followers.get(token, 0) + 1
    return losses


@pytest.mark.parametrize(
    ("min_order", "max_order", "min_count"), [(2, 7, 2), (3, 5, 1), (2, 2, 4), (4, 4, 3)]
)
def test_mixing_equals_the_formula_evaluated_position_by_position(
    min_order: int, max_order: int, min_count: int
) -> None:
    config = NgramConfig(
        min_order=min_order, max_order=max_order, min_count=min_count, entropy_centre_nats=2.0
    )
    tokens_T, logits_TV = repetitive_stream(300), some_logits(300)
    expected = torch.tensor(slowly_mixed(tokens_T.tolist(), logits_TV, config), dtype=torch.float64)
    torch.testing.assert_close(mixed_everywhere(tokens_T, logits_TV, config), expected, rtol=0, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_the_mixed_loss_is_the_whole_distribution_read_at_the_target(seed: int, min_count: int) -> None:
    config = NgramConfig(kind=NgramKind.BACKOFF, min_count=min_count)
    tokens_T, logits_TV = repetitive_stream(150, seed), some_logits(150, seed)
    mixer = BackoffMixer(tokens_T, VOCAB, config)
    nll_T = mixed_everywhere(tokens_T, logits_TV, config)
    for position in range(0, 150, 7):
        probs_V = mixer.distribution(position, logits_TV[position])
        assert abs(-math.log(probs_V[tokens_T[position]]) - nll_T[position]) < 1e-12
        assert abs(probs_V.sum() - 1) < 1e-12
        assert probs_V.min() > 0


def test_losses_before_a_cut_ignore_the_tokens_from_it_onwards() -> None:
    ours_T, logits_TV = repetitive_stream(400), some_logits(400)
    other_T = np.concatenate([ours_T[:200], repetitive_stream(200, seed=9)])
    ours, theirs = (mixed_everywhere(tokens_T, logits_TV, CONFIG) for tokens_T in (ours_T, other_T))
    assert torch.equal(ours[:200], theirs[:200])


def test_a_distribution_ignores_its_own_token_and_all_later_ones() -> None:
    ours_T, logits_V = repetitive_stream(400), some_logits(1)[0]
    other_T = np.concatenate([ours_T[:200], (ours_T[200:] + 1) % VOCAB])
    ours, theirs = (BackoffMixer(tokens_T, VOCAB, CONFIG) for tokens_T in (ours_T, other_T))
    assert (ours.distribution(200, logits_V) == theirs.distribution(200, logits_V)).all()
    assert (ours.distribution(250, logits_V) != theirs.distribution(250, logits_V)).any()


def test_every_possible_target_together_has_probability_one() -> None:
    tokens_T, logits_TV = repetitive_stream(200), some_logits(200)
    total = 0.0
    for candidate in range(VOCAB):
        tokens_T[150] = candidate
        total += math.exp(-float(mixed_everywhere(tokens_T, logits_TV, CONFIG)[150]))
    assert abs(total - 1) < 1e-12


def test_uniform_noise_is_not_coded_in_fewer_nats_than_it_has() -> None:
    tokens_T = np.random.default_rng(3).integers(0, VOCAB, 4_000, dtype=np.uint16)
    saved_nats = 4_000 * math.log(VOCAB) - mixed_everywhere(tokens_T, torch.zeros(4_000, VOCAB), CONFIG).sum()
    assert saved_nats < math.log(1e9)


def test_the_streaming_mixer_hands_out_the_same_distributions() -> None:
    tokens_T, logits_TV = repetitive_stream(120), some_logits(120)
    whole, streaming = BackoffMixer(tokens_T, VOCAB, CONFIG), StreamingBackoff(VOCAB, CONFIG)
    for position in range(120):
        ours_V = streaming.distribution(logits_TV[position])
        assert (ours_V == whole.distribution(position, logits_TV[position])).all()
        streaming.observe(tokens_T[position : position + 1])


@pytest.mark.parametrize("batch_positions", [1, 7, 50])
def test_counting_in_batches_gives_the_same_losses(batch_positions: int) -> None:
    tokens_T, logits_TV = repetitive_stream(300), some_logits(300)
    targets_T = torch.from_numpy(tokens_T.astype(np.int64))
    mixer = BackoffMixer(tokens_T, VOCAB, CONFIG, batch_positions=batch_positions)
    nll_T = mixer.mix(np.arange(300), logits_TV, targets_T)
    assert torch.equal(nll_T, mixed_everywhere(tokens_T, logits_TV, CONFIG))


def test_without_a_repeated_context_the_model_stands_exactly() -> None:
    tokens_T, logits_TV = np.arange(VOCAB, dtype=np.uint16), some_logits(VOCAB)
    own_T1, _ = log_probs_and_entropies(logits_TV, torch.arange(VOCAB)[:, None])
    assert torch.equal(mixed_everywhere(tokens_T, logits_TV, CONFIG), -own_T1[:, 0])


def test_without_weight_the_model_stands_exactly() -> None:
    tokens_T, logits_TV = repetitive_stream(200), some_logits(200)
    own_T1, _ = log_probs_and_entropies(logits_TV, torch.from_numpy(tokens_T.astype(np.int64))[:, None])
    weightless = NgramConfig(alpha_low=0, alpha_high=0)
    assert torch.equal(mixed_everywhere(tokens_T, logits_TV, weightless), -own_T1[:, 0])


def test_counts_help_on_a_stream_that_repeats_itself() -> None:
    tokens_T = repetitive_stream(2_000)
    assert mixed_everywhere(tokens_T, torch.zeros(2_000, VOCAB), CONFIG).mean() < 0.5 * math.log(VOCAB)


def test_scoring_in_any_batches_and_order_gives_the_same_losses() -> None:
    tokens_T, logits_TV = repetitive_stream(300), some_logits(300)
    targets_T = torch.from_numpy(tokens_T.astype(np.int64))
    mixer, whole_T = BackoffMixer(tokens_T, VOCAB, CONFIG), mixed_everywhere(tokens_T, logits_TV, CONFIG)
    shuffled = np.random.default_rng(0).permutation(300)
    for part in np.array_split(shuffled, 7):
        assert torch.equal(mixer.mix(part, logits_TV[part], targets_T[part]), whole_T[part])


def test_no_positions_give_no_losses() -> None:
    mixer = BackoffMixer(repetitive_stream(50), VOCAB, CONFIG)
    nothing = torch.empty(0, dtype=torch.int64)
    assert mixer.mix(np.array([], dtype=np.int64), some_logits(0), nothing).shape == (0,)


def test_statistics_of_half_precision_logits_are_those_of_their_float64_values() -> None:
    logits_NV, columns_NK = some_logits(30_000 // VOCAB).bfloat16(), torch.zeros(30_000 // VOCAB, 2).long()
    log_probs_NK, entropies_N = log_probs_and_entropies(logits_NV, columns_NK)
    exact_NV = logits_NV.double().log_softmax(-1)
    torch.testing.assert_close(log_probs_NK, exact_NV[:, [0, 0]], rtol=0, atol=1e-13)
    torch.testing.assert_close(entropies_N, -(exact_NV.exp() * exact_NV).sum(-1), rtol=0, atol=1e-13)


def test_a_masked_logit_leaves_the_entropy_finite() -> None:
    logits_NV = torch.tensor([[0.0, 0.0, -math.inf]])
    log_probs_N1, entropies_N = log_probs_and_entropies(logits_NV, torch.tensor([[2]]))
    assert log_probs_N1.item() == -math.inf
    assert entropies_N.item() == pytest.approx(math.log(2))


def test_targets_that_are_not_the_tokens_of_the_stream_are_refused() -> None:
    mixer = BackoffMixer(np.array([1, 2, 3], dtype=np.uint16), VOCAB, CONFIG)
    with pytest.raises(SetupError, match=r"target 5 at position 2 is not the stream's token 3"):
        mixer.mix(np.array([1, 2]), some_logits(2), torch.tensor([2, 5]))


@pytest.mark.parametrize("position", [-1, 3])
def test_a_position_outside_the_stream_is_refused(position: int) -> None:
    mixer = BackoffMixer(np.array([1, 2, 3], dtype=np.uint16), VOCAB, CONFIG)
    with pytest.raises(SetupError, match=f"position {position} is outside the stream of 3 tokens"):
        mixer.mix(np.array([position]), some_logits(1), torch.tensor([3]))
    with pytest.raises(SetupError, match=f"position {position} is outside"):
        mixer.distribution(position, some_logits(1)[0])


def test_logits_of_another_vocabulary_are_refused() -> None:
    mixer = BackoffMixer(np.array([1, 2, 3], dtype=np.uint16), VOCAB, CONFIG)
    with pytest.raises(SetupError, match=r"logits of shape \(1, 3\).*it needs \(1, 16\)"):
        mixer.mix(np.array([1]), torch.zeros(1, 3), torch.tensor([2]))


@pytest.mark.parametrize(
    ("kind", "made"),
    [(NgramKind.NONE, type(None)), (NgramKind.BACKOFF, BackoffMixer), (NgramKind.TILT, TokenTilt)],
)
def test_the_configuration_chooses_the_mixer(kind: NgramKind, made: type) -> None:
    assert type(ngram_mixer(repetitive_stream(20), VOCAB, NgramConfig(kind=kind))) is made


@pytest.mark.clone
def test_without_collisions_and_at_one_token_a_segment_pr940_scores_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # below eight ids and up to order 4 its hashed keys are injective, so its tables hold exact counts
    monkeypatch.setenv("NGRAM_CACHE", "1")
    monkeypatch.setenv("NGRAM_ORDER", "4")
    module = load_original("pr940", clone_path())
    tokens_T = repetitive_stream(1_500).astype(np.int64) % 8
    table_VV = 2 * torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    model = torch.nn.Module()
    model.forward_logits = lambda inputs_BT: table_VV[inputs_BT]
    one_byte, never = torch.ones(8), torch.zeros(8, dtype=torch.bool)
    val_loss, _ = module.eval_val_sliding(
        None, model, 0, 1, torch.device("cpu"), torch.from_numpy(tokens_T), one_byte, never, never,
        stride=1, eval_seq_len=1,
    )  # fmt: skip
    mixer = BackoffMixer(tokens_T, 8, NgramConfig(max_order=4))
    nll_N = mixer.mix(np.arange(1, 1_500), table_VV[tokens_T[:-1]], torch.from_numpy(tokens_T[1:]))
    assert float(nll_N.mean()) == pytest.approx(val_loss, abs=1e-6)
