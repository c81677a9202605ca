"""Documents and the windows of their chunks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reference_model.evaluation.document_batches import Documents, document_chunk, documents_in_stream


def documents_with(*predicted: int) -> Documents:
    starts = np.cumsum([0, *predicted[:-1]])
    return Documents(starts=starts, predicted=np.array(predicted))


def test_a_document_ends_with_the_next_ones_bos() -> None:
    documents = documents_in_stream(np.array([1, 5, 6, 1, 7, 1, 8, 9]), bos_id=1)
    assert documents.starts.tolist() == [0, 3, 5]
    assert documents.predicted.tolist() == [3, 2, 2]


def test_tokens_before_the_first_bos_are_a_document() -> None:
    documents = documents_in_stream(np.array([5, 6, 1, 7]), bos_id=1)
    assert documents.starts.tolist() == [0, 2]
    assert documents.predicted.tolist() == [2, 1]


def test_a_stream_without_bos_is_one_document() -> None:
    assert documents_in_stream(np.array([5, 6, 7]), bos_id=1).predicted.tolist() == [2]


def test_a_bos_at_the_very_end_opens_no_document() -> None:
    assert documents_in_stream(np.array([1, 5, 1]), bos_id=1).predicted.tolist() == [2]


@given(st.lists(st.integers(1, 4), min_size=2, max_size=60))
def test_documents_predict_every_position_once(tokens: list[int]) -> None:
    documents = documents_in_stream(np.array(tokens), bos_id=1)
    spans = zip(documents.starts.tolist(), documents.predicted.tolist(), strict=True)
    predicted = [p for start, count in spans for p in range(start + 1, start + count + 1)]
    assert predicted == list(range(1, len(tokens)))


def test_batches_take_the_longest_documents_first() -> None:
    batches = documents_with(3, 9, 4, 20).batches(2, 4)
    assert [batch.predicted.tolist() for batch in batches] == [[20, 9], [3, 4]]


@given(
    predicted=st.lists(st.integers(1, 50), min_size=1, max_size=6),
    chunk=st.integers(1, 12),
    extra=st.integers(0, 20),
)
def test_the_chunks_of_a_batch_score_each_position_once(predicted: list[int], chunk: int, extra: int) -> None:
    (batch,) = documents_with(*predicted).batches(len(predicted), chunk)
    scored: list[int] = []
    for k in range(int(batch.chunks(chunk)[0])):
        part = document_chunk(batch, k, chunk_tokens=chunk, seq_len=chunk + extra)
        scored += part.positions[part.in_chunk].tolist()
    assert sorted(scored) == list(range(1, sum(predicted) + 1))


def test_windows_reach_back_to_the_window_length_but_not_beyond_the_document() -> None:
    part = document_chunk(documents_with(40, 22), 2, chunk_tokens=8, seq_len=16)
    assert part.indices[0, [0, -1]].tolist() == [8, 24]
    assert part.indices[1, [0, -1]].tolist() == [40 + 6, 40 + 22]
    assert part.continuing == 1


def test_continuing_documents_train_on_every_column() -> None:
    part = document_chunk(documents_with(40, 22), 2, chunk_tokens=8, seq_len=16)
    assert part.in_chunk[: part.continuing].all()
