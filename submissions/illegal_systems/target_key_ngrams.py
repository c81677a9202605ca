"""ILLEGAL, kept to test audits: hashed n-gram counts whose key holds the token that is to be predicted.

The mixture of PR #940. Per order n two tables of B buckets: of contexts, h = XOR_k x_{t-w+k} P_k (w = n-1)
modulo B, and of contexts with their target, h XOR x_t P_w modulo B. The highest order whose context bucket
holds at least `min_count` wins; share = min(pair, context) / context; the share is mixed into the model's
probability of the *target alone*. Counts grow after each segment of 64 tokens.

Why it is no probability: numerator and denominator sit in unrelated buckets that many contexts share, so any
token asked for finds counts that others left there. The shares of all V tokens add up to hundreds, and the
score "improves" as tables shrink. Only the looked-up token gets its share; nothing is ever normalised.

Rule broken: a score must be the negative log-probability of a full normalised distribution that is fixed
before the target is looked at (issue #1017). valerio-oai refused PR #779 for it on 2026-03-25 and closed the
hashed n-gram caches with #727, #814, #913 and #945 on 2026-03-27.

The legal mixture with the same constants is `reference_model.ngrams.ngram_mixing`. N positions, V vocabulary,
B buckets.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from reference_model.config import ConfigError
from reference_model.ngrams.causal_counts import checked_stream
from reference_model.ngrams.ngram_mixing import check_targets, count_weights, log_probs_and_entropies

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

    from reference_model.config import NgramConfig
    from reference_model.ngrams.ngram_mixing import Mixer

PRIMES = (36313, 27191, 51647, 81929, 131071, 175447, 209591)
SEGMENT_TOKENS = 64
POSITIONS_PER_BUCKET = 1.85  # 62.02 M tokens on 8 ranks with 2^22 buckets each


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderKeys:
    """Buckets of one order, for the positions (indices into N) that have enough tokens before them."""

    at: npt.NDArray[np.int64]
    context: npt.NDArray[np.int64]
    pair: npt.NDArray[np.int64]


class TargetKeyMixer:
    """Two tables per order, filled as positions are scored; each rank has its own and sees its share only."""

    def __init__(
        self, tokens: npt.NDArray[np.generic], vocab_size: int, config: NgramConfig, *, buckets: int
    ) -> None:
        self._tokens = checked_stream(tokens, vocab_size).astype(np.uint64)
        self._vocab_size = vocab_size
        self._config = config
        self._mask = np.uint64(buckets - 1)
        orders = config.max_order - config.min_order + 1
        self._contexts = np.zeros((orders, buckets), dtype=np.uint32)
        self._pairs = np.zeros((orders, buckets), dtype=np.uint32)

    def mix(self, positions: npt.NDArray[np.integer], logits_NV: Tensor, targets_N: Tensor) -> Tensor:
        """Nats of the targets (N, float64): see Mixer, whose promise of a distribution this one breaks."""
        check_targets(positions, logits_NV, targets_N, self._tokens, self._vocab_size)
        log_probs_N1, entropies_N = log_probs_and_entropies(logits_NV, targets_N[:, None])
        model_N = log_probs_N1[:, 0].exp().cpu().numpy()
        weights_N = count_weights(entropies_N, self._config).cpu().numpy()
        mixed_N = np.empty_like(model_N)
        for first in range(0, len(positions), SEGMENT_TOKENS):
            segment = slice(first, first + SEGMENT_TOKENS)
            keys = self._keys(positions[segment], self._tokens[positions[segment]])
            mixed_N[segment] = self._mixed(keys, model_N[segment], weights_N[segment])
            for order, each in enumerate(keys):
                np.add.at(self._contexts[order], each.context, 1)
                np.add.at(self._pairs[order], each.pair, 1)
        return torch.from_numpy(-np.log(mixed_N)).to(logits_NV.device)

    def distribution(self, position: int, logits_V: Tensor) -> npt.NDArray[np.float64]:
        """What the mixture would claim for each token at `position`, from the tables as they stand now.

        The claims do not add up to 1: each is made as if that token were the target.
        """
        every_V = np.arange(self._vocab_size)
        log_probs_1V, entropies_1 = log_probs_and_entropies(logits_V[None], torch.from_numpy(every_V)[None])
        keys = self._keys(np.full(self._vocab_size, position), every_V.astype(np.uint64))
        weights_V = np.full(self._vocab_size, float(count_weights(entropies_1, self._config)))
        return self._mixed(keys, log_probs_1V[0].exp().cpu().numpy(), weights_V)

    def _keys(self, positions: npt.NDArray[np.integer], targets: npt.NDArray[np.uint64]) -> list[OrderKeys]:
        """Buckets of every order, lowest first: of what precedes each position, and of that with a target."""
        keys = []
        for order in range(self._config.min_order, self._config.max_order + 1):
            width = order - 1
            at = np.flatnonzero(positions >= width)
            hashed = np.zeros(len(at), dtype=np.uint64)
            for k in range(width):
                hashed ^= self._tokens[positions[at] - width + k] * np.uint64(PRIMES[k % len(PRIMES)])
            with_target = hashed ^ targets[at] * np.uint64(PRIMES[width % len(PRIMES)])
            keys.append(
                OrderKeys(
                    at=at,
                    context=(hashed & self._mask).astype(np.int64),
                    pair=(with_target & self._mask).astype(np.int64),
                )
            )
        return keys

    def _mixed(
        self,
        keys: list[OrderKeys],
        model_N: npt.NDArray[np.float64],
        weights_N: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Model and share of the highest order that was seen often enough; the model alone where none was."""
        shares_N = np.full(len(model_N), -1.0)
        for order in reversed(range(len(keys))):
            each = keys[order]
            contexts = self._contexts[order, each.context].astype(np.float64)
            pairs = self._pairs[order, each.pair].astype(np.float64)
            fills = (contexts >= self._config.min_count) & (shares_N[each.at] < 0)
            shares_N[each.at[fills]] = np.minimum(pairs[fills], contexts[fills]) / contexts[fills]
        mixed_N = np.where(shares_N < 0, model_N, (1 - weights_N) * model_N + weights_N * shares_N)
        return np.clip(mixed_N, 1e-12, 1.0)


def target_key_mixer(
    tokens: npt.NDArray[np.generic],
    vocab_size: int,
    config: NgramConfig,
    *,
    tell: Callable[[int, int], None] | None = None,
) -> Mixer:
    """The mixer of this rank; NGRAM_BUCKETS sets the buckets of a table, which must be a power of two.

    Otherwise as many as keep the load of PR #940 on this stream. Nothing is counted beforehand, so `tell`
    hears at once that all is done. Raises ConfigError.
    """
    if tell is not None:
        tell(len(tokens), len(tokens))
    wanted = os.environ.get("NGRAM_BUCKETS", "")
    if wanted:
        if not wanted.isdigit() or int(wanted).bit_count() != 1:
            raise ConfigError(f"NGRAM_BUCKETS={wanted!r} is no power of two; write one such as 32768")
        return TargetKeyMixer(tokens, vocab_size, config, buckets=int(wanted))
    own_positions = len(tokens) / int(os.environ.get("WORLD_SIZE", "1"))
    exponent = max(0, round(math.log2(own_positions / POSITIONS_PER_BUCKET)))
    return TargetKeyMixer(tokens, vocab_size, config, buckets=1 << exponent)
