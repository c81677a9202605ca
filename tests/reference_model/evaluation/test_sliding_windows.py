"""Windows that score every position exactly once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SetupError
from reference_model.evaluation.sliding_windows import Tail, WindowPlan, planned_windows


def positions_of(plan: WindowPlan) -> list[int]:
    ends = plan.starts + plan.length
    return [
        position
        for end, scored in zip(ends.tolist(), plan.scored.tolist(), strict=True)
        for position in range(end - scored + 1, end + 1)
    ]


@given(tokens=st.integers(2, 300), seq_len=st.integers(1, 40), stride=st.integers(0, 40))
def test_every_position_is_scored_once_and_in_order(tokens: int, seq_len: int, stride: int) -> None:
    plan = planned_windows(tokens, seq_len=seq_len, stride=min(stride, seq_len))
    assert positions_of(plan) == list(range(1, tokens))


@given(tokens=st.integers(2, 300), seq_len=st.integers(1, 40), stride=st.integers(1, 40))
def test_no_window_reaches_beyond_the_stream(tokens: int, seq_len: int, stride: int) -> None:
    plan = planned_windows(tokens, seq_len=seq_len, stride=min(stride, seq_len))
    assert plan.starts.min() >= 0
    assert int(plan.starts.max()) + plan.length <= tokens - 1


def test_the_first_window_scores_all_and_later_ones_the_stride() -> None:
    plan = planned_windows(101, seq_len=40, stride=20)
    assert plan.starts.tolist() == [0, 20, 40, 60]
    assert plan.scored.tolist() == [40, 20, 20, 20]


def test_a_last_window_ends_with_the_stream_and_scores_only_what_is_left() -> None:
    plan = planned_windows(108, seq_len=40, stride=20)
    assert plan.starts.tolist()[-1] == 107 - 40
    assert plan.scored.tolist()[-1] == 7


def test_side_by_side_windows_may_drop_the_tail_as_the_originals_do() -> None:
    plan = planned_windows(108, seq_len=40, tail=Tail.DROPPED)
    assert plan.positions == 107 // 40 * 40
    assert plan.starts.tolist() == [0, 40]


def test_a_stream_shorter_than_a_window_is_one_shorter_window() -> None:
    plan = planned_windows(11, seq_len=40, stride=20)
    assert (plan.starts.tolist(), plan.scored.tolist(), plan.length) == ([0], [10], 10)


def test_a_stream_of_one_token_is_refused() -> None:
    with pytest.raises(SetupError, match="has 1 tokens; at least 2"):
        planned_windows(1, seq_len=40)


def test_dropping_the_tail_of_a_stream_that_fills_no_window_is_refused() -> None:
    with pytest.raises(SetupError, match="at least 41 are needed"):
        planned_windows(40, seq_len=40, tail=Tail.DROPPED)


@given(size=st.integers(1, 9), tokens=st.integers(2, 300))
def test_the_shares_of_all_ranks_are_the_plan(size: int, tokens: int) -> None:
    plan = planned_windows(tokens, seq_len=16, stride=4)
    shares = [plan.of_rank(rank, size).starts for rank in range(size)]
    assert np.concatenate(shares).tolist() == plan.starts.tolist()


def test_windows_of_a_batch_score_equally_many_positions() -> None:
    batches = list(planned_windows(107, seq_len=40, stride=20).batches(2))
    assert [batch.scored.tolist() for batch in batches] == [[40], [20, 20], [20], [6]]


@given(tokens=st.integers(100, 400), chunk=st.integers(32, 64), stride=st.integers(1, 32))
def test_after_the_windows_of_a_chunk_everything_it_trains_on_is_scored(
    tokens: int, chunk: int, stride: int
) -> None:
    plan = planned_windows(tokens, seq_len=32, stride=stride)
    scored = np.cumsum(plan.scored)
    through_chunk_0 = int(np.searchsorted(plan.chunks(chunk), 1))
    assert scored[through_chunk_0 - 1] >= min(chunk, tokens - 1)
