from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SetupError
from reference_model.ngrams.causal_counts import (
    BATCH_POSITIONS,
    StreamingCounts,
    checked_stream,
    context_groups,
    followers_in_prefix,
    not_yet_higher,
)

streams = st.lists(st.integers(0, 3), max_size=60).map(lambda ids: np.array(ids, dtype=np.uint8))


class CountsByPosition(NamedTuple):
    context_counts: np.ndarray
    target_counts: np.ndarray


def causal_counts(
    tokens_T: np.ndarray, *, min_order: int, max_order: int, batch_positions: int = BATCH_POSITIONS
) -> list[CountsByPosition]:
    """The counts of `context_groups` laid out by position, for each order."""
    laid_out = [
        CountsByPosition(*np.zeros((2, len(tokens_T)), dtype=np.uint32))
        for _ in range(min_order, max_order + 1)
    ]
    for groups in context_groups(
        tokens_T, min_order=min_order, max_order=max_order, batch_positions=batch_positions
    ):
        counts = laid_out[groups.order - min_order]
        counts.context_counts[groups.positions] = groups.context_counts
        counts.target_counts[groups.positions] = groups.target_counts
    return laid_out


def streamed_counts(tokens_T: np.ndarray, order: int) -> list[tuple[int, int]]:
    """(context count, target count) before each token of a stream that a streaming counter reads."""
    counter = StreamingCounts(min_order=order, max_order=order)
    pairs = []
    for token in tokens_T:
        seen = counter.distribution(counter.tail) if len(counter.tail) == order - 1 else None
        pairs.append((0, 0) if seen is None else (seen.total, int(seen.counts[seen.ids == token].sum())))
        counter.observe([token])
    return pairs


def counted_pairs(
    tokens_T: np.ndarray, order: int, batch_positions: int = BATCH_POSITIONS
) -> list[tuple[int, int]]:
    """The same by counting the whole stream."""
    (counts,) = causal_counts(tokens_T, min_order=order, max_order=order, batch_positions=batch_positions)
    return list(zip(counts.context_counts.tolist(), counts.target_counts.tolist(), strict=True))


@given(streams, st.integers(2, 5), st.sampled_from([1, 10, BATCH_POSITIONS]))
@settings(max_examples=150, deadline=None)
def test_counting_a_whole_stream_equals_counting_it_as_it_arrives(
    tokens_T: np.ndarray, order: int, batch_positions: int
) -> None:
    assert counted_pairs(tokens_T, order, batch_positions) == streamed_counts(tokens_T, order)


@given(streams, st.integers(2, 5))
@settings(max_examples=150, deadline=None)
def test_scanning_a_prefix_finds_the_continuations_that_streaming_counted(
    prefix_T: np.ndarray, order: int
) -> None:
    counter = StreamingCounts(min_order=2, max_order=order)
    counter.observe(prefix_T)
    scanned = dict(followers_in_prefix(prefix_T, min_order=2, max_order=order))
    for depth in range(1, min(order, len(prefix_T) + 1)):
        seen = counter.distribution(counter.tail[-depth:])
        ids, counts = np.unique(scanned.get(depth + 1, ()), return_counts=True)
        assert dict(zip(ids, counts, strict=True)) == dict(zip(seen.ids, seen.counts, strict=True))


@given(streams, st.lists(st.integers(1, 7), min_size=1), st.integers(2, 4))
@settings(max_examples=50, deadline=None)
def test_streaming_counts_ignore_where_chunks_end(tokens_T: np.ndarray, sizes: list[int], order: int) -> None:
    at_once, by_chunk = (StreamingCounts(min_order=2, max_order=order) for _ in range(2))
    at_once.observe(tokens_T)
    for chunk in np.split(tokens_T, np.cumsum(sizes)):
        by_chunk.observe(chunk)
    assert vars(at_once) == vars(by_chunk)


def test_counts_of_a_small_stream_by_hand() -> None:
    pairs = counted_pairs(np.array([1, 2, 1, 2, 1, 3, 1], dtype=np.uint16), 2)
    assert pairs == [(0, 0), (0, 0), (0, 0), (1, 1), (1, 1), (2, 0), (0, 0)]


def test_counts_before_a_position_ignore_what_comes_at_it_and_later() -> None:
    generator = np.random.default_rng(0)
    tokens_T = generator.integers(0, 8, 400, dtype=np.uint16)
    other_T = np.concatenate([tokens_T[:250], generator.integers(0, 8, 150, dtype=np.uint16)])
    for ours, theirs in zip(
        causal_counts(tokens_T, min_order=2, max_order=5),
        causal_counts(other_T, min_order=2, max_order=5),
        strict=True,
    ):
        assert (ours.context_counts[:251] == theirs.context_counts[:251]).all()
        assert (ours.target_counts[:250] == theirs.target_counts[:250]).all()


@pytest.mark.parametrize("min_count", [1, 2, 3])
def test_leaving_out_rare_contexts_leaves_every_frequent_count(min_count: int) -> None:
    tokens_T = np.random.default_rng(1).integers(0, 6, 2_000, dtype=np.uint16)
    everything = causal_counts(tokens_T, min_order=2, max_order=6)
    pruned = context_groups(tokens_T, min_order=2, max_order=6, min_count=min_count)
    for full, groups in zip(everything, pruned, strict=True):
        often_T = np.flatnonzero(full.context_counts >= min_count)
        kept_G = groups.context_counts >= min_count
        order_G = np.argsort(groups.positions[kept_G])
        assert (groups.positions[kept_G][order_G] == often_T).all()
        assert (groups.target_counts[kept_G][order_G] == full.target_counts[often_T]).all()


def test_groups_hold_equal_contexts_in_stream_order() -> None:
    tokens_T = np.array([1, 2, 1, 2, 1, 2, 3], dtype=np.uint8)
    (groups,) = context_groups(tokens_T, min_order=3, max_order=3)
    assert groups.positions.tolist() == [3, 5, 2, 4, 6]
    assert (groups.next_tokens == tokens_T[groups.positions]).all()


def test_a_batch_ends_where_another_oldest_token_begins() -> None:
    tokens_T = np.array([1, 2, 1, 2, 3, 1], dtype=np.uint8)
    batches = context_groups(tokens_T, min_order=2, max_order=2, batch_positions=3)
    assert [groups.positions.tolist() for groups in batches] == [[1, 3], [2, 4, 5]]


def test_a_higher_order_met_first_is_not_displaced_by_a_lower_one() -> None:
    orders_T = np.array([0, 3, 5], dtype=np.uint8)
    assert not_yet_higher(orders_T, 4, np.array([0, 1, 2], dtype=np.uint32)).tolist() == [True, True, False]
    assert orders_T.tolist() == [4, 4, 5]


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_stream_shorter_than_the_context_counts_nothing(length: int) -> None:
    for counts in causal_counts(np.zeros(length, dtype=np.uint16), min_order=5, max_order=7):
        assert counts.context_counts.tolist() == [0] * length
        assert counts.target_counts.tolist() == [0] * length


def test_a_token_outside_the_vocabulary_is_refused_with_both_numbers() -> None:
    with pytest.raises(SetupError, match=r"ids 3 to 1024; the vocabulary has 0 to 1023"):
        checked_stream(np.array([3, 1024], dtype=np.uint16), 1024)


def test_a_stream_that_is_no_line_of_integers_is_refused() -> None:
    with pytest.raises(SetupError, match=r"shape \(2, 2\)"):
        checked_stream(np.zeros((2, 2), dtype=np.uint16), 4)
    with pytest.raises(SetupError, match="float64"):
        checked_stream(np.zeros(4), 4)


def test_progress_grows_batch_by_batch_to_the_whole_stream() -> None:
    told: list[tuple[int, int]] = []
    tokens_T = np.arange(60, dtype=np.uint8) % 4
    groups = context_groups(
        tokens_T, min_order=2, max_order=3, batch_positions=20, tell=lambda *done: told.append(done)
    )
    assert sum(1 for _ in groups)
    assert told == [(15, 60), (30, 60), (45, 60), (60, 60)]
