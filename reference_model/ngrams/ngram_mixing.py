"""Legal mixing of the model with n-gram counts of the tokens already scored: whole distributions, exact keys.

p_t(v) = (1 - a_t) p_model(v) + a_t c_t(context, v) / c_t(context), where the order (the highest whose context
the prefix holds at least `min_count` times) and a_t = low + (high - low) sigmoid(slope (H_t - centre)), H_t
the model's entropy in nats, depend on x_<t alone. Both parts sum to 1 over the vocabulary and the weight
ignores x_t, so evaluating it at the target is the same as writing the whole vector first. Constants and
backoff order as PR #940, whose hashed tables put the target into the key and are no distribution. Where no
context was seen often enough the model's own distribution stands, exactly.

Positions are indices of the target in the stream. N scored positions, V vocabulary, K columns, T stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from harness.errors import SetupError
from reference_model.config import NgramConfig, NgramKind
from reference_model.ngrams.causal_counts import (
    BATCH_POSITIONS,
    StreamingCounts,
    checked_stream,
    context_groups,
    followers_in_prefix,
    not_yet_higher,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

CPU_BLOCK_ELEMENTS = 1 << 17  # float64 temporaries of a block stay in the second-level cache
GPU_BLOCK_ELEMENTS = 1 << 25  # 256 MiB per temporary


class Mixer(Protocol):
    """Turns the model's logits into the distribution that is scored, from the tokens before each position."""

    def mix(self, positions: npt.NDArray[np.integer], logits_NV: Tensor, targets_N: Tensor) -> Tensor:
        """Negative log-likelihoods in nats, float64 on the device of the logits, of the targets.

        `positions` (N) are indices into the stream the mixer was built on; `targets_N` are its tokens there
        (compared where that costs no device synchronisation). Raises SetupError where they do not match.
        """

    def distribution(self, position: int, logits_V: Tensor) -> npt.NDArray[np.float64]:
        """The whole vector behind `mix` at one position, from the logits and the stream before it alone."""


def ngram_mixer(
    tokens: npt.NDArray[np.generic],
    vocab_size: int,
    config: NgramConfig,
    *,
    tell: Callable[[int, int], None] | None = None,
) -> Mixer | None:
    """The mixer that the configuration asks for, None for none; SetupError for ids outside the vocabulary.

    `tell` hears, while the stream is counted, how many of how many positions are done.
    """
    if config.kind is NgramKind.BACKOFF:
        return BackoffMixer(tokens, vocab_size, config, tell=tell)
    if config.kind is NgramKind.TILT:
        from reference_model.ngrams.token_tilt import TokenTilt

        return TokenTilt(tokens, vocab_size, config, tell=tell)
    return None


class BackoffMixer:
    """Highest-order-first backoff over a known stream; 9 bytes per token once built."""

    def __init__(
        self,
        tokens: npt.NDArray[np.generic],
        vocab_size: int,
        config: NgramConfig,
        *,
        batch_positions: int = BATCH_POSITIONS,
        tell: Callable[[int, int], None] | None = None,
    ) -> None:
        self._tokens_T = checked_stream(tokens, vocab_size)
        self._vocab_size = vocab_size
        self._config = config
        # zero: no order was seen often enough
        self._orders_T = np.zeros(len(tokens), dtype=np.min_scalar_type(config.max_order))
        self._shares_T = np.zeros(len(tokens), dtype=np.float64)  # c(context, target) / c(context)
        for groups in context_groups(
            self._tokens_T,
            min_order=config.min_order,
            max_order=config.max_order,
            min_count=config.min_count,
            batch_positions=batch_positions,
            tell=tell,
        ):
            hit_G = groups.context_counts >= config.min_count
            hits = groups.positions[hit_G]
            is_new = not_yet_higher(self._orders_T, groups.order, hits)
            shares = groups.target_counts[hit_G][is_new] / groups.context_counts[hit_G][is_new]
            self._shares_T[hits[is_new]] = shares

    def mix(self, positions: npt.NDArray[np.integer], logits_NV: Tensor, targets_N: Tensor) -> Tensor:
        """See Mixer."""
        check_targets(positions, logits_NV, targets_N, self._tokens_T, self._vocab_size)
        log_probs_N1, entropies_N = log_probs_and_entropies(logits_NV, targets_N[:, None])
        return self.mix_targets(positions, log_probs_N1[:, 0], entropies_N)

    def mix_targets(
        self, positions: npt.NDArray[np.integer], log_probs_N: Tensor, entropies_N: Tensor
    ) -> Tensor:
        """`mix` from the model's log-probability of each target and its entropy, both float64 and in nats."""
        device = log_probs_N.device
        hit_N = torch.from_numpy(self._orders_T[positions] > 0).to(device)
        shares_N = torch.from_numpy(self._shares_T[positions]).to(device)
        weights_N = count_weights(entropies_N, self._config) * hit_N
        counted_N = torch.log(weights_N) + torch.log(shares_N)
        return -torch.logaddexp(log_probs_N + torch.log1p(-weights_N), counted_N)

    def distribution(self, position: int, logits_V: Tensor) -> npt.NDArray[np.float64]:
        """See Mixer. Recounts by scanning tokens[:position]; takes none of the counts that `mix` uses."""
        check_position(position, self._tokens_T)
        counts_V = np.zeros(self._vocab_size, dtype=np.int64)
        orders = followers_in_prefix(
            self._tokens_T[:position], min_order=self._config.min_order, max_order=self._config.max_order
        )
        for _, followers_F in orders:
            if len(followers_F) >= self._config.min_count:
                counts_V = np.bincount(followers_F, minlength=self._vocab_size)
        return _mixed_distribution(logits_V, counts_V, self._config)


class StreamingBackoff:
    """The same mixture where tokens are revealed only after their distributions were handed over."""

    def __init__(self, vocab_size: int, config: NgramConfig) -> None:
        self._vocab_size = vocab_size
        self._config = config
        self._counts = StreamingCounts(min_order=config.min_order, max_order=config.max_order)

    def observe(self, tokens: npt.NDArray[np.generic]) -> None:
        """Take in tokens that were scored."""
        self._counts.observe(checked_stream(tokens, self._vocab_size))

    def distribution(self, logits_V: Tensor) -> npt.NDArray[np.float64]:
        """Distribution of the token after all that was observed."""
        counts_V = np.zeros(self._vocab_size, dtype=np.int64)
        tail = self._counts.tail
        for order in range(min(self._config.max_order, len(tail) + 1), self._config.min_order - 1, -1):
            seen = self._counts.distribution(tail[len(tail) - order + 1 :])
            if seen.total >= self._config.min_count:
                counts_V[seen.ids] = seen.counts
                break
        return _mixed_distribution(logits_V, counts_V, self._config)


def count_weights(entropies_N: Tensor, config: NgramConfig) -> Tensor:
    """Weight of the counts where there are any: grows with the model's own doubt (PR #940)."""
    gate_N = torch.sigmoid(config.entropy_slope * (entropies_N - config.entropy_centre_nats))
    return config.alpha_low + (config.alpha_high - config.alpha_low) * gate_N


def _mixed_distribution(
    logits_V: Tensor, counts_V: npt.NDArray[np.integer], config: NgramConfig
) -> npt.NDArray[np.float64]:
    model_V, entropy = model_distribution(logits_V)
    total = int(counts_V.sum())
    if not total:
        return model_V
    weight = float(count_weights(torch.tensor(entropy, dtype=torch.float64), config))
    mixed_V: npt.NDArray[np.float64] = (1 - weight) * model_V + weight * (counts_V / total)
    return mixed_V


def model_distribution(logits_V: Tensor) -> tuple[npt.NDArray[np.float64], float]:
    """The model's own distribution in float64 and its entropy in nats."""
    log_probs_V = torch.log_softmax(logits_V.detach().to("cpu", torch.float64), dim=-1)
    probs_V = log_probs_V.exp()
    return probs_V.numpy(), float(-torch.special.xlogy(probs_V, probs_V).sum())


def log_probs_and_entropies(logits_NV: Tensor, columns_NK: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the chosen columns (N x K) and entropies (N), float64, in nats.

    Softmax is taken in float64 over blocks of rows, so that no float64 copy of all logits exists at once.
    """
    block_elements = CPU_BLOCK_ELEMENTS if logits_NV.device.type == "cpu" else GPU_BLOCK_ELEMENTS
    block_rows = max(1, block_elements // logits_NV.shape[1])
    columns_NK = columns_NK.to(logits_NV.device, torch.int64)
    log_probs_NK = torch.empty(columns_NK.shape, dtype=torch.float64, device=logits_NV.device)
    entropies_N = torch.empty(len(logits_NV), dtype=torch.float64, device=logits_NV.device)
    for start in range(0, len(logits_NV), block_rows):
        block = slice(start, start + block_rows)
        shifted_BV = logits_NV[block].to(torch.float64, copy=True)
        shifted_BV -= shifted_BV.amax(dim=1, keepdim=True)
        chosen_BK = shifted_BV.gather(1, columns_NK[block])
        exponentials_BV = shifted_BV.exp()
        sums_B = exponentials_BV.sum(dim=1)
        log_sums_B = sums_B.log()
        shifted_BV.clamp_(min=torch.finfo(torch.float64).min)  # a masked logit is -inf and weighs 0
        entropies_N[block] = log_sums_B - exponentials_BV.mul_(shifted_BV).sum(dim=1) / sums_B
        log_probs_NK[block] = chosen_BK - log_sums_B[:, None]
    return log_probs_NK, entropies_N


def check_position(position: int, tokens_T: npt.NDArray[np.generic]) -> None:
    """Refuse an index outside the stream; raises SetupError."""
    if not 0 <= position < len(tokens_T):
        raise SetupError(
            f"position {position:,} is outside the stream of {len(tokens_T):,} tokens that the n-gram counts "
            "were built on; positions are indices of the targets in it"
        )


def check_targets(
    positions: npt.NDArray[np.integer],
    logits_NV: Tensor,
    targets_N: Tensor,
    tokens_T: npt.NDArray[np.generic],
    vocab_size: int,
) -> None:
    """Refuse logits, positions and targets that do not belong together; raises SetupError."""
    if logits_NV.shape != (len(positions), vocab_size) or targets_N.shape != (len(positions),):
        raise SetupError(
            f"n-gram mixing got {len(positions):,} positions, logits of shape {tuple(logits_NV.shape)} and "
            f"targets of shape {tuple(targets_N.shape)}; it needs ({len(positions)}, {vocab_size}) and "
            f"({len(positions)},)"
        )
    if not len(positions):
        return
    check_position(int(positions.min()), tokens_T)
    check_position(int(positions.max()), tokens_T)
    if targets_N.device.type == "cpu":
        differ_N = tokens_T[positions] != targets_N.numpy()
        if differ_N.any():
            first = int(np.argmax(differ_N))
            raise SetupError(
                f"target {int(targets_N[first])} at position {int(positions[first]):,} is not the stream's "
                f"token {int(tokens_T[positions[first]])}: positions must be indices of the targets, in the "
                "stream that the mixer was built on"
            )
