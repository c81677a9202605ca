from __future__ import annotations

import numpy as np
import pytest

from harness.dynamic.child.capture.token_streams import Segment, TokenStreams
from tests.harness.dynamic.toy_runs import stream

VAL, TRAIN = stream(600, seed=1), stream(900, seed=3)
STREAMS = TokenStreams(VAL, TRAIN)


def test_rows_are_found_where_they_stand() -> None:
    rows = np.stack([VAL[64:128], VAL[100:164]])
    assert STREAMS.segments(rows, 64) == [Segment("val", 64, 64, 0), Segment("val", 100, 64, 64)]


def test_rows_of_both_streams_keep_their_split() -> None:
    rows = np.stack([VAL[:32], TRAIN[500:532]])
    assert STREAMS.segments(rows, 32) == [Segment("val", 0, 32, 0), Segment("train", 500, 32, 32)]


def test_a_packed_row_of_two_documents_is_two_segments() -> None:
    row = np.concatenate([VAL[300:340], VAL[10:50]])
    found = STREAMS.segments(row)
    assert [each.start for each in found] == [300, found[1].start]
    assert sum(each.length for each in found) == 80
    assert found[1].start + found[1].length == 50


def test_no_segment_crosses_the_edge_of_a_row() -> None:
    found = STREAMS.segments(VAL[0:128], 64)
    assert found == [Segment("val", 0, 64, 0), Segment("val", 64, 64, 64)]


def test_masked_targets_are_left_out() -> None:
    targets = VAL[100:164].copy()
    targets[:32] = -100
    assert STREAMS.segments(targets) == [Segment("val", 132, 32, 32)]


@pytest.mark.parametrize("none", [-1, -100])
def test_a_target_that_stands_for_none_does_not_go_on_beyond_the_last_token(none: int) -> None:
    targets = np.append(VAL[1:], none)
    assert STREAMS.segments(targets) == [Segment("val", 1, VAL.size - 1, 0)]


def test_tokens_of_neither_stream_are_unknown() -> None:
    assert STREAMS.segments(stream(64, seed=9)) == []
    assert STREAMS.segments(VAL[:5]) == []


def test_the_last_tokens_of_the_stream_do_not_run_into_the_other_one() -> None:
    row = np.concatenate([VAL[-20:], TRAIN[:20]])
    assert STREAMS.segments(row) == [Segment("val", 580, 20, 0), Segment("train", 0, 20, 20)]


def test_rows_of_what_stood_in_a_stream_that_was_changed_since_are_found_around_the_change() -> None:
    streams = TokenStreams(VAL.copy(), TRAIN)
    streams.tokens[130] += 1  # as in a fork
    assert streams.segments(VAL[130:170]) == [Segment("val", 131, 39, 1)]
