"""How many bytes of text each token stands for: the denominator of bits per byte.

bytes(target) = bytes of its piece + 1 if the piece opens with the space mark and the previous token is no
boundary.
Control, unknown and unused tokens are boundaries of 0 bytes; a byte-fallback token is 1 byte.
Source: build_sentencepiece_luts of train_gpt.py on main of openai/parameter-golf; issue #1719 on the space
counted once.

Shapes: V vocabulary, N tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

SPACE_MARK = "\u2581"  # SentencePiece writes a leading space so
_BYTE_SUM_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ByteTable:
    """Bytes per token id; all arrays have V entries."""

    base_bytes: np.ndarray  # int64: UTF-8 bytes of the piece without its space mark
    has_leading_space: np.ndarray  # bool: the piece opens with the space mark
    is_boundary: np.ndarray  # bool: control, unknown or unused; a space after it is not counted

    @property
    def vocab_size(self) -> int:
        """V, the number of token ids."""
        return int(self.base_bytes.size)

    def byte_counts(self, previous_ids: np.ndarray, target_ids: np.ndarray) -> np.ndarray:
        """Bytes of each target after its previous token: int64, the shape of `target_ids`.

        Raises SetupError for shapes that differ and ids outside the vocabulary.
        """
        if previous_ids.shape != target_ids.shape:
            raise SetupError(
                f"{target_ids.size:,} targets but {previous_ids.size:,} previous tokens; bytes need one each"
            )
        for ids in (previous_ids, target_ids):
            if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= self.vocab_size):
                raise SetupError(
                    f"token ids {ids.min()}..{ids.max()} do not fit a tokenizer of {self.vocab_size:,} "
                    f"pieces; the data was written with another tokenizer"
                )
        counts: np.ndarray = self.base_bytes[target_ids]
        counts += self.has_leading_space[target_ids] & ~self.is_boundary[previous_ids]
        return counts

    def stream_bytes(self, tokens: np.ndarray) -> int:
        """Bytes of every token of a stream but the first, which nothing precedes; memory stays small."""
        total = 0
        for start in range(0, tokens.size - 1, _BYTE_SUM_CHUNK):
            chunk = tokens[start : start + _BYTE_SUM_CHUNK + 1]
            total += int(self.byte_counts(chunk[:-1], chunk[1:]).sum())
        return total


def open_sentencepiece(model_path: Path) -> Any:
    """The SentencePieceProcessor of a model file.

    Raises SetupError where the file is no such model or the package that reads it is not installed.
    """
    try:
        import sentencepiece
    except ImportError as error:
        raise SetupError("sentencepiece is not installed; run: pip install 'golf-harness[model]'") from error
    if not model_path.is_file():
        raise SetupError(f"{model_path}: no such tokenizer file; golf-data demo, prepare and fetch bring one")
    try:
        content = model_path.read_bytes()  # its own reader takes no names that are not UTF-8
        if not content:
            raise SetupError(f"{model_path}: is empty; fetch or make the tokenizer again")
        return sentencepiece.SentencePieceProcessor(model_proto=content)
    except (RuntimeError, OSError) as error:
        raise SetupError(f"{model_path}: is not a SentencePiece model: {error}") from error


def byte_table_of_processor(processor: Any) -> ByteTable:
    """The byte table of an open SentencePieceProcessor, over its whole vocabulary."""
    vocab_size = int(processor.vocab_size())
    base_bytes = np.zeros(vocab_size, dtype=np.int64)
    has_leading_space = np.zeros(vocab_size, dtype=np.bool_)
    is_boundary = np.zeros(vocab_size, dtype=np.bool_)
    for token in range(vocab_size):
        if processor.is_control(token) or processor.is_unknown(token) or processor.is_unused(token):
            is_boundary[token] = True
        elif processor.is_byte(token):
            base_bytes[token] = 1
        else:
            piece = processor.id_to_piece(token)
            has_leading_space[token] = piece.startswith(SPACE_MARK)
            base_bytes[token] = len(piece.removeprefix(SPACE_MARK).encode())
    return ByteTable(base_bytes=base_bytes, has_leading_space=has_leading_space, is_boundary=is_boundary)


def byte_table_of_sentencepiece(model_path: Path, vocab_size: int) -> ByteTable:
    """The byte table of a SentencePiece model file.

    Raises SetupError where the file is no such model, its vocabulary is not `vocab_size`, or the package
    that reads it is not installed.
    """
    table = byte_table_of_processor(open_sentencepiece(model_path))
    if table.vocab_size != vocab_size:
        raise SetupError(
            f"{model_path}: holds {table.vocab_size:,} pieces, but the configuration says {vocab_size:,}; "
            f"use the tokenizer that wrote the data"
        )
    return table
