from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SetupError
from harness.tokens.byte_table import (
    ByteTable,
    byte_table_of_processor,
    byte_table_of_sentencepiece,
    open_sentencepiece,
)
from tests.harness.tokens.real_data import shared_data
from tests.harness.tokens.tiny_tokenizer import TINY_DOCUMENTS, TINY_VOCAB_SIZE, tiny_tokenizer

if TYPE_CHECKING:
    from pathlib import Path


def hand_made() -> ByteTable:
    """Ids: 0 a boundary, 1 "ab", 2 "▁cd"."""
    return ByteTable(
        base_bytes=np.array([0, 2, 2]),
        has_leading_space=np.array([False, False, True]),
        is_boundary=np.array([True, False, False]),
    )


def normalised_bytes(processor: object, text: str) -> int:
    return len(processor.normalize(text).replace("\u2581", " ").encode())  # type: ignore[attr-defined]


def stream_of(processor: object, text: str) -> np.ndarray:
    return np.array([processor.bos_id(), *processor.encode(text)])  # type: ignore[attr-defined]


def test_a_leading_space_counts_after_a_piece_only() -> None:
    counts = hand_made().byte_counts(np.array([1, 2, 0, 0]), np.array([2, 2, 2, 1]))
    assert counts.tolist() == [3, 3, 2, 2]


def test_a_boundary_token_has_no_bytes() -> None:
    assert hand_made().byte_counts(np.array([1]), np.array([0])).tolist() == [0]


def test_ids_outside_the_vocabulary_are_refused_rather_than_wrapped() -> None:
    with pytest.raises(SetupError, match=r"-1\.\.-1 do not fit a tokenizer of 3"):
        hand_made().byte_counts(np.array([0]), np.array([-1]))


def test_the_sum_over_a_stream_is_that_of_its_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tokens.byte_table._BYTE_SUM_CHUNK", 3)
    tokens = np.array([0, 1, 2, 2, 0, 2, 1, 1], dtype=np.uint16)
    assert hand_made().stream_bytes(tokens) == hand_made().byte_counts(tokens[:-1], tokens[1:]).sum() == 14


def test_an_empty_stream_has_no_bytes() -> None:
    assert hand_made().stream_bytes(np.array([], dtype=np.uint16)) == 0


def test_control_and_unknown_pieces_are_boundaries_and_byte_pieces_one_byte() -> None:
    table = byte_table_of_sentencepiece(tiny_tokenizer(), TINY_VOCAB_SIZE)
    assert table.is_boundary[:4].all()
    assert not table.is_boundary[4:].any()
    assert table.base_bytes[4:260].tolist() == [1] * 256


@pytest.mark.parametrize("text", TINY_DOCUMENTS)
def test_the_bytes_of_a_document_are_those_of_its_normalised_text(text: str) -> None:
    processor = open_sentencepiece(tiny_tokenizer())
    counted = byte_table_of_processor(processor).stream_bytes(stream_of(processor, text))
    assert counted == normalised_bytes(processor, text)


@settings(deadline=None, max_examples=100)
@given(text=st.text(max_size=80))
def test_the_identity_holds_for_any_text(text: str) -> None:
    """The normaliser removes spaces at the ends: no document opens with one that BOS would swallow."""
    processor = open_sentencepiece(tiny_tokenizer())
    counted = byte_table_of_processor(processor).stream_bytes(stream_of(processor, text))
    assert counted == normalised_bytes(processor, text)


def test_a_tokenizer_of_another_size_is_refused() -> None:
    with pytest.raises(SetupError, match="300 pieces, but the configuration says 1,024"):
        byte_table_of_sentencepiece(tiny_tokenizer(), 1024)


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.model").write_bytes(b"not a model")
    with pytest.raises(SetupError, match="is not a SentencePiece model"):
        open_sentencepiece(tmp_path / "t.model")


@pytest.mark.shared
@pytest.mark.parametrize("vocab_size", [1024, 8192])
def test_real_documents_have_the_bytes_of_their_normalised_text(vocab_size: int) -> None:
    data = shared_data()
    processor = open_sentencepiece(data / "tokenizers" / f"fineweb_{vocab_size}_bpe.model")
    table = byte_table_of_processor(processor)
    lines = (data / "fineweb_docs.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    counted = [table.stream_bytes(stream_of(processor, text)) for text in texts]
    assert counted == [normalised_bytes(processor, text) for text in texts]
    assert sum(counted) == 1_489_418


@pytest.mark.shared
@pytest.mark.clone
@pytest.mark.parametrize("vocab_size", [1024, 8192])
def test_the_table_equals_the_one_of_the_original_script(vocab_size: int) -> None:
    from tests.upstream_seeds import clone_path, load_original

    model = shared_data() / "tokenizers" / f"fineweb_{vocab_size}_bpe.model"
    original = load_original("baseline", clone_path()).build_sentencepiece_luts(
        open_sentencepiece(model), vocab_size, "cpu"
    )
    ours = byte_table_of_sentencepiece(model, vocab_size)
    assert np.array_equal(original[0].numpy(), ours.base_bytes)
    assert np.array_equal(original[1].numpy(), ours.has_leading_space)
    assert np.array_equal(original[2].numpy(), ours.is_boundary)
