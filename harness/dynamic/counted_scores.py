"""The losses behind a printed number, and the pieces they are put together from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.loss_places import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountedScore:
    """The losses behind a printed number, M of them, in the order in which they were counted.

    `values` are in the unit of the script, as it added them up. `positions` are those of the scored tokens in
    the validation stream, -1 where unknown; `placed` says how each was found: 2 by equal losses, 1 by some
    equal ones or the size of the batch, 0 not at all. `counted_at` and `scored_at` are numbers of events;
    `tokens` is how many tokens a value stands for (more than 1: coarse). `network_share` is the share of
    values that are losses of a softmax as torch computed them. `has_guessed_tokens` says that nothing tells
    how many tokens some values stand for: all as many.
    """

    values: np.ndarray  # float64 [M]
    positions: np.ndarray  # int64 [M]
    placed: np.ndarray  # int8 [M]
    counted_at: np.ndarray  # int64 [M]
    scored_at: np.ndarray  # int64 [M]
    tokens: np.ndarray  # float64 [M]
    network_share: float
    sites: tuple[str, ...]
    has_guessed_tokens: bool = False

    @property
    def resolution(self) -> float:
        """The most tokens one value stands for."""
        return float(self.tokens.max()) if self.tokens.size else 0.0

    @property
    def has_positions(self) -> bool:
        """True when every value has the position of its token, by equal losses."""
        return bool(self.values.size) and bool((self.placed == 2).all())


@dataclass(slots=True)
class Piece:
    """Losses of one origin, before they are counted; fields as those of `CountedScore`."""

    values: np.ndarray
    positions: np.ndarray
    placed: np.ndarray
    scored_at: np.ndarray
    tokens: np.ndarray
    is_network: bool
    sites: tuple[str, ...]


def single(value: float, number: int, tokens: float) -> Piece:
    """One value that cannot be taken apart; `tokens` it stands for, not a number where that is unknown."""
    return Piece(
        np.array([value]),
        np.array([UNKNOWN]),
        np.zeros(1, dtype=np.int8),
        np.array([number]),
        np.array([tokens]),
        is_network=False,
        sites=(),
    )


def chained(pieces: Sequence[Piece]) -> Piece:
    """All of them as one, in their order."""
    return Piece(
        np.concatenate([each.values for each in pieces]),
        np.concatenate([each.positions for each in pieces]),
        np.concatenate([each.placed for each in pieces]),
        np.concatenate([each.scored_at for each in pieces]),
        np.concatenate([each.tokens for each in pieces]),
        all(each.is_network for each in pieces),
        tuple(dict.fromkeys(site for each in pieces for site in each.sites)),
    )


def joined(pieces: Sequence[Piece], numbers: Sequence[int], sites: tuple[str, ...]) -> CountedScore:
    """The score whose pieces were counted at the events `numbers`."""
    if not pieces:
        empty = np.zeros(0)
        return CountedScore(
            values=empty, positions=empty.astype(np.int64), placed=empty.astype(np.int8),
            counted_at=empty.astype(np.int64), scored_at=empty.astype(np.int64), tokens=empty,
            network_share=0.0, sites=sites,
        )  # fmt: skip
    whole = chained(pieces)
    sizes = np.array([each.values.size for each in pieces])
    in_network = sum(each.values.size for each in pieces if each.is_network)
    return CountedScore(
        values=whole.values,
        positions=whole.positions,
        placed=whole.placed,
        counted_at=np.repeat(np.asarray(numbers), sizes),
        scored_at=whole.scored_at,
        tokens=whole.tokens,
        network_share=in_network / max(whole.values.size, 1),
        sites=tuple(dict.fromkeys((*sites, *whole.sites))),
    )
