"""Token tilt: raise one hinted token by a constant, in closed form, and renormalise (PR #1514).

p'(v) = p(v) exp(beta [v = hint]) / (1 + p(hint) (exp(beta) - 1)). The hint comes from the tokens before the
position: of the highest order whose context the prefix holds at least `min_count` times and whose most
frequent continuation makes up at least `tilt_min_confidence` of them, that continuation. Of several equally
frequent ones, the one that reached this count first. Without a hint the model's distribution stands, exactly.

N scored positions, V vocabulary, T stream, G positions of one order grouped by context, F followers of one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from reference_model.ngrams.causal_counts import (
    BATCH_POSITIONS,
    ContextGroups,
    checked_stream,
    context_groups,
    followers_in_prefix,
    not_yet_higher,
)
from reference_model.ngrams.ngram_mixing import (
    check_position,
    check_targets,
    log_probs_and_entropies,
    model_distribution,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

    from reference_model.config import NgramConfig

NO_HINT = -1


class TokenTilt:
    """Mixer that tilts towards hints from a known stream; 4 bytes per token once built."""

    def __init__(
        self,
        tokens: npt.NDArray[np.generic],
        vocab_size: int,
        config: NgramConfig,
        *,
        tell: Callable[[int, int], None] | None = None,
    ) -> None:
        self._tokens_T = checked_stream(tokens, vocab_size)
        self._vocab_size = vocab_size
        self._config = config
        self._hints_T = hinted_tokens(self._tokens_T, config, tell=tell)

    @property
    def hint_rate(self) -> float:
        """Share of positions with a hint."""
        return float(np.count_nonzero(self._hints_T != NO_HINT)) / max(len(self._hints_T), 1)

    def mix(self, positions: npt.NDArray[np.integer], logits_NV: Tensor, targets_N: Tensor) -> Tensor:
        """See Mixer."""
        check_targets(positions, logits_NV, targets_N, self._tokens_T, self._vocab_size)
        targets_N = targets_N.to(logits_NV.device, torch.int64)
        hints_N = torch.from_numpy(self._hints_T[positions].astype(np.int64)).to(logits_NV.device)
        columns_N2 = torch.stack((targets_N, hints_N.clamp(min=0)), dim=1)
        log_probs_N2, _ = log_probs_and_entropies(logits_NV, columns_N2)
        beta = self._config.tilt_beta
        tilted_N = log_probs_N2[:, 0] + beta * (targets_N == hints_N)
        tilted_N = tilted_N - torch.log1p(log_probs_N2[:, 1].exp() * math.expm1(beta))
        return -torch.where(hints_N == NO_HINT, log_probs_N2[:, 0], tilted_N)

    def distribution(self, position: int, logits_V: Tensor) -> npt.NDArray[np.float64]:
        """See Mixer. Finds the hint by scanning tokens[:position]; takes none of those that `mix` uses."""
        check_position(position, self._tokens_T)
        model_V, _ = model_distribution(logits_V)
        hint = _hint_after(self._tokens_T[:position], self._config)
        if hint == NO_HINT:
            return model_V
        normaliser = 1 + model_V[hint] * math.expm1(self._config.tilt_beta)
        model_V[hint] *= math.exp(self._config.tilt_beta)
        tilted_V: npt.NDArray[np.float64] = model_V / normaliser
        return tilted_V


def hinted_tokens(
    tokens_T: npt.NDArray[np.generic],
    config: NgramConfig,
    *,
    batch_positions: int = BATCH_POSITIONS,
    tell: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.int32]:
    """The hint before every position of the stream, NO_HINT where there is none."""
    hints_T = np.full(len(tokens_T), NO_HINT, dtype=np.int32)
    orders_T = np.zeros(len(tokens_T), dtype=np.min_scalar_type(config.max_order))
    for groups in context_groups(
        tokens_T,
        min_order=config.min_order,
        max_order=config.max_order,
        min_count=config.min_count,
        batch_positions=batch_positions,
        tell=tell,
    ):
        if not groups.positions.size:
            continue
        leaders_G, leader_counts_G = _running_leaders(groups)
        sure_G = groups.context_counts >= config.min_count
        sure_G &= leader_counts_G >= config.tilt_min_confidence * groups.context_counts
        sure = groups.positions[sure_G]
        is_new = not_yet_higher(orders_T, groups.order, sure)
        hints_T[sure[is_new]] = leaders_G[sure_G][is_new]
    return hints_T


def _running_leaders(
    groups: ContextGroups,
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.int64]]:
    """Most frequent continuation of each position's context so far, and its count; void at a group's start.

    A count grows by one at a time, so the leader changes exactly where a token's new count exceeds every
    earlier one of its group: a running maximum, kept apart between groups by their number in the key's upper
    half.
    """
    opens_G = groups.context_counts == 0
    keys_G = np.cumsum(opens_G, dtype=np.int64)
    keys_G <<= 32
    keys_G |= groups.target_counts
    best_G = np.maximum.accumulate(keys_G)
    leads_G = opens_G
    leads_G[1:] |= keys_G[1:] > best_G[:-1]
    last_lead_G = np.maximum.accumulate(np.where(leads_G, np.arange(len(leads_G), dtype=np.uint32), 0))
    before_G = np.empty_like(last_lead_G)
    before_G[0], before_G[1:] = 0, last_lead_G[:-1]
    return groups.next_tokens[before_G], groups.target_counts[before_G].astype(np.int64) + 1


def _hint_after(prefix_T: npt.NDArray[np.generic], config: NgramConfig) -> int:
    hint = NO_HINT
    for _, followers_F in followers_in_prefix(
        prefix_T, min_order=config.min_order, max_order=config.max_order
    ):
        if len(followers_F) < config.min_count:
            break
        leader, count = _first_to_lead(followers_F)
        if count >= config.tilt_min_confidence * len(followers_F):
            hint = leader
    return hint


def _first_to_lead(followers_F: npt.NDArray[np.generic]) -> tuple[int, int]:
    """Most frequent follower and its count; of equals, the one whose last occurrence is earliest."""
    tokens, last_from_end, counts = np.unique(followers_F[::-1], return_index=True, return_counts=True)
    top = int(counts.max())
    is_top = counts == top
    return int(tokens[is_top][np.argmax(last_from_end[is_top])]), top
