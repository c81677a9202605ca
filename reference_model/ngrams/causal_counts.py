"""Exact counts of what followed a context in the tokens before a position, in three forms that agree.

An order-n count sees the n-1 tokens before position t as its context and x_t as the continuation. For every
t it counts positions before t only: c_t(context) and c_t(context, x_t). Positions with fewer than n-1 tokens
before them have no context of order n and count zero. Contexts run across documents, as in PR #940.

`context_groups` counts a whole stream at once. The continuation of order n at t is the newest token of the
order n+1 context at t+1, hence c_t(context_n, x_t) = c_{t+1}(context_{n+1}): one sort per order serves
both counts. Contexts that never become frequent enough stop being refined; their longer contexts are rarer
still. Contexts with different oldest tokens never meet, so they are followed in batches that fit the caches.
`StreamingCounts` counts as tokens arrive; `followers_in_prefix` reads tokens[:t]
alone. Nothing is hashed, so nothing collides: the hashed tables of PR #940 yield no distribution.

T stream length, G positions of one order still in play, grouped by context, F followers of one context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

BATCH_POSITIONS = 1 << 18  # 2^16 to 2^20 within a third of it; all at once takes 1.6 times as long
_NO_TOKEN = np.uint32(0xFFFF_FFFF)  # differs from every token, and from it every token


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContextGroups:
    """One order: positions sorted so that equal contexts stand together, in stream order among themselves.

    All arrays have length G.
    """

    order: int
    positions: npt.NDArray[np.uint32]
    next_tokens: npt.NDArray[np.generic]
    """Tokens at these positions."""
    context_counts: npt.NDArray[np.uint32]
    """Earlier positions with the same context; zero opens a group."""
    target_counts: npt.NDArray[np.uint32]
    """Earlier positions with the same context and the same token."""


def checked_stream(tokens: npt.NDArray[np.generic], vocab_size: int) -> npt.NDArray[np.generic]:
    """The stream in the narrowest unsigned type that the vocabulary fits.

    Raises SetupError for ids outside the vocabulary, other shapes and streams beyond 32-bit positions.
    """
    if tokens.ndim != 1 or tokens.dtype.kind not in "ui":
        raise SetupError(
            f"n-gram counts need a 1-D array of token ids; got shape {tokens.shape} of {tokens.dtype}"
        )
    if len(tokens) >= np.iinfo(np.uint32).max:
        raise SetupError(
            f"the stream has {len(tokens):,} tokens; positions are 32-bit, so at most "
            f"{np.iinfo(np.uint32).max - 1:,} can be counted: split the stream"
        )
    if len(tokens) and (int(tokens.min()) < 0 or int(tokens.max()) >= vocab_size):
        raise SetupError(
            f"the stream holds token ids {int(tokens.min())} to {int(tokens.max())}; the vocabulary has 0 to "
            f"{vocab_size - 1}: check that the shards were made with this run's tokenizer"
        )
    return tokens.astype(np.min_scalar_type(vocab_size - 1), copy=False)


def context_groups(
    tokens_T: npt.NDArray[np.generic],
    *,
    min_order: int,
    max_order: int,
    min_count: int = 1,
    batch_positions: int = BATCH_POSITIONS,
    tell: Callable[[int, int], None] | None = None,
) -> Iterator[ContextGroups]:
    """Groups of every order from `min_order` (>= 2) upwards, in batches of contexts with few oldest tokens.

    A batch is followed through all orders before the next one begins, so a position may meet a higher order
    before a lower one: see `not_yet_higher`. Left out are contexts too rare for any position to see them
    `min_count` times; with 1 these are the contexts that occur once, whose counts are zero. Working memory
    is some 14 bytes per token of the stream and 60 per position of a batch. `tell` hears after each batch how
    many of the positions are done.
    """
    by_token_T, sorted_tokens_T = _sorted_by_token(tokens_T)
    starts = np.flatnonzero(np.diff(sorted_tokens_T, prepend=_NO_TOKEN))
    del sorted_tokens_T
    ends = np.append(starts[1:], len(tokens_T))
    first = 0
    while first < len(starts):
        start = starts[first]
        last = max(int(np.searchsorted(ends, start + batch_positions, side="right")) - 1, first)
        sizes = ends[first : last + 1] - starts[first : last + 1]
        counts_G = _places_in_runs(starts[first : last + 1] - start, sizes)
        yield from _batch_groups(
            tokens_T, by_token_T[start : ends[last]] + np.uint32(1), counts_G, min_order, max_order, min_count
        )
        if tell is not None:
            tell(int(ends[last]), len(tokens_T))
        first = last + 1


def _batch_groups(
    tokens_T: npt.NDArray[np.generic],
    positions_G: npt.NDArray[np.uint32],
    context_counts_G: npt.NDArray[np.uint32],
    min_order: int,
    max_order: int,
    min_count: int,
) -> Iterator[ContextGroups]:
    """One batch of `context_groups`, from its groups of order 2 (one token of context) upwards."""
    for order in range(2, max_order + 1):
        if (past_end := np.flatnonzero(positions_G == len(tokens_T))).size:
            # after the last token nothing is predicted; it closes its group, so no other count changes
            positions_G = np.delete(positions_G, past_end)
            context_counts_G = np.delete(context_counts_G, past_end)
        next_tokens_G = tokens_T[positions_G]
        by_pair_G, sorted_tokens_G = _sorted_by_token(next_tokens_G)
        opens_G = (
            np.diff(np.cumsum(context_counts_G == 0, dtype=np.uint32)[by_pair_G], prepend=np.uint32(0)) != 0
        )
        opens_G |= np.diff(sorted_tokens_G, prepend=_NO_TOKEN) != 0
        starts = np.flatnonzero(opens_G)
        sizes = np.diff(starts, append=len(opens_G))
        pair_counts_G = _places_in_runs(starts, sizes)
        if order >= min_order:
            target_counts_G = np.empty_like(pair_counts_G)
            target_counts_G[by_pair_G] = pair_counts_G
            yield ContextGroups(
                order=order,
                positions=positions_G,
                next_tokens=next_tokens_G,
                context_counts=context_counts_G,
                target_counts=target_counts_G,
            )
        kept_G = np.repeat(sizes > min_count, sizes)
        positions_G = positions_G[by_pair_G[kept_G]] + np.uint32(1)
        context_counts_G = pair_counts_G[kept_G]


def _sorted_by_token(
    tokens_G: npt.NDArray[np.generic],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The indices, sorted by their token and then by themselves; and the tokens in that order.

    Sorts pairs (token, index) as 64-bit numbers, for which numpy has vector code.
    """
    pairs_G = tokens_G.astype(np.uint64)
    pairs_G <<= np.uint64(32)
    pairs_G |= np.arange(len(pairs_G), dtype=np.uint64)
    pairs_G.sort()
    by_token_G = pairs_G.astype(np.uint32)
    pairs_G >>= np.uint64(32)
    return by_token_G, pairs_G.astype(np.uint32)


def _places_in_runs(
    starts: npt.NDArray[np.integer], sizes: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint32]:
    """0, 1, 2, ... within every run."""
    places_G = np.arange(int(sizes.sum()), dtype=np.uint32)
    places_G -= np.repeat(starts.astype(np.uint32), sizes)
    return places_G


def not_yet_higher(
    orders_T: npt.NDArray[np.unsignedinteger], order: int, positions: npt.NDArray[np.uint32]
) -> npt.NDArray[np.bool_]:
    """Which of these positions hold a lower order in `orders_T` so far; notes `order` for them."""
    is_new = orders_T[positions] < order
    orders_T[positions[is_new]] = order
    return is_new


def followers_in_prefix(
    prefix_T: npt.NDArray[np.generic], *, min_order: int, max_order: int
) -> Iterator[tuple[int, npt.NDArray[np.generic]]]:
    """Pairs (order, followers_F): what followed earlier occurrences of the prefix's last order-1 tokens.

    Ascending orders, followers in stream order; stops at the first order that was never seen. Reads nothing
    but the prefix, in time proportional to it: meant for audits of sampled positions.
    """
    end = len(prefix_T)
    starts_F = np.arange(end)
    for depth in range(1, min(max_order - 1, end) + 1):
        # a follower at s has its depth-th newest context token at s - depth
        starts_F = starts_F[starts_F >= depth]
        starts_F = starts_F[prefix_T[starts_F - depth] == prefix_T[end - depth]]
        if not starts_F.size:
            return
        if depth + 1 >= min_order:
            yield depth + 1, prefix_T[starts_F]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Continuations:
    """What followed one context so far: ids in order of first appearance, their counts, the sum of these."""

    ids: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    total: int


class StreamingCounts:
    """Counts that grow as tokens arrive, in chunks of any size.

    For protocols that reveal a token only after its distribution was handed over. Dictionaries: a whole known
    stream is counted by `context_groups` in a fraction of the time and memory.
    """

    def __init__(self, *, min_order: int, max_order: int) -> None:
        self._orders = range(min_order, max_order + 1)
        self._followers: dict[tuple[int, ...], dict[int, int]] = {}
        self._tail: tuple[int, ...] = ()

    @property
    def tail(self) -> tuple[int, ...]:
        """The newest tokens, at most max_order - 1 of them: the longest context of what comes next."""
        return self._tail

    def observe(self, tokens: Sequence[int] | npt.NDArray[np.generic]) -> None:
        """Count `tokens` as what comes next in the stream."""
        longest = self._orders[-1] - 1
        for token in np.asarray(tokens).tolist():
            for order in self._orders:
                if len(self._tail) >= order - 1:
                    followers = self._followers.setdefault(self._tail[-(order - 1) :], {})
                    followers[token] = followers.get(token, 0) + 1
            self._tail = (*self._tail, token)[-longest:]

    def distribution(self, context: Sequence[int]) -> Continuations:
        """What followed `context` (order - 1 tokens) so far; empty with total 0 where it was never seen."""
        followers = self._followers.get(tuple(context), {})
        counts = np.fromiter(followers.values(), dtype=np.int64, count=len(followers))
        ids = np.fromiter(followers, dtype=np.int64, count=len(followers))
        return Continuations(ids=ids, counts=counts, total=int(counts.sum()))
