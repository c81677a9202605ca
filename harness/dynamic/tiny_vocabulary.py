"""Vocabularies of the tiny streams: SentencePiece of any size, the same with case marks, and plain bytes.

The tokenizers of submissions are never loaded: a file of a submission is hostile input, and the audit needs
only one of the same size and layout whose byte counts are known. Deterministic for one version of Python and
of sentencepiece.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import SetupError
from harness.tokens.byte_table import ByteTable, byte_table_of_processor

if TYPE_CHECKING:
    from collections.abc import Sequence

BOS_ID = 1  # of every tokenizer of the challenge (data/download_hf_docs_and_tokenize.py)
FIRST_BYTE_ID = 4  # of the byte tokenizer: pad, bos, eos, unk, then the 256 bytes
BYTE_VOCABULARY = FIRST_BYTE_ID + 256
# Private-use characters of the challenge's lossless-caps tokenizers: operators without bytes of their own.
TITLE_MARK, CAPITALS_MARK, CAPITAL_MARK, SPARE_MARK = "\ue001", "\ue002", "\ue003", "\ue004"
CASE_MARKS = (TITLE_MARK, CAPITALS_MARK, CAPITAL_MARK, SPARE_MARK)
SMALLEST_PIECES, LARGEST_PIECES = 300, 20_000  # 256 bytes and 4 marks must fit; the demo text has no more
_LONGEST_SENTENCE_BYTES = 4192  # SentencePiece leaves out longer training lines silently
NO_SENTENCEPIECE = "sentencepiece is not installed; run: pip install 'golf-harness[model]'"
_WORD = re.compile(r"[A-Za-z]+")


class Alphabet(StrEnum):
    """What a token id stands for."""

    PIECES = "pieces"
    CASE_PIECES = "case-pieces"  # lower-case pieces after operators; true byte counts lie in side files
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyKey:
    """What identifies a vocabulary. Raises `SetupError` for sizes no tokenizer of its kind can have."""

    alphabet: Alphabet = Alphabet.PIECES
    size: int = 1024

    def __post_init__(self) -> None:
        """Hold the size against the alphabet."""
        if self.alphabet is Alphabet.BYTES:
            if self.size != BYTE_VOCABULARY:
                raise SetupError(f"a byte vocabulary has {BYTE_VOCABULARY} ids, not {self.size:,}")
        elif not SMALLEST_PIECES <= self.size <= LARGEST_PIECES:
            raise SetupError(
                f"a vocabulary of {self.size:,} pieces; tiny data has {SMALLEST_PIECES} to {LARGEST_PIECES:,}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vocabulary:
    """A vocabulary with its tokenizer file and our own byte table (V entries)."""

    key: VocabularyKey
    model: bytes
    """The tokenizer file as it is written: a SentencePiece model, or JSON for bytes."""
    byte_table: ByteTable

    @property
    def file_suffix(self) -> str:
        """Of the tokenizer file."""
        return ".json" if self.key.alphabet is Alphabet.BYTES else ".model"

    def ordinary_ids(self) -> np.ndarray:
        """Ids that stand for text of their own: no control, unknown, byte-fallback or operator token."""
        if self.key.alphabet is Alphabet.BYTES:
            return np.arange(FIRST_BYTE_ID + ord("a"), FIRST_BYTE_ID + ord("z") + 1)
        processor = _opened(self.model)
        table = self.byte_table
        return np.array(
            [
                token
                for token in range(table.vocab_size)
                if table.base_bytes[token] and not table.is_boundary[token] and not processor.is_byte(token)
            ]
        )

    def drawable_ids(self) -> np.ndarray:
        """Ids that a stream drawn by chance may hold: all but control and unknown tokens.

        What a scorer gives to the others cannot be seen by draws, so nothing that text holds may be left out.
        """
        if self.key.alphabet is Alphabet.BYTES:
            return np.arange(FIRST_BYTE_ID + ord(" "), FIRST_BYTE_ID + ord("~") + 1)
        return np.flatnonzero(~self.byte_table.is_boundary)


def make_vocabulary(key: VocabularyKey, texts: Sequence[str]) -> Vocabulary:
    """The vocabulary of a key, trained on `texts` where it has pieces.

    Raises `SetupError` when sentencepiece is missing or cannot make so many pieces of this text.
    """
    if key.alphabet is Alphabet.BYTES:
        return vocabulary_of_model(key, _byte_tokenizer())
    lines = [marked_case(text) for text in texts] if key.alphabet is Alphabet.CASE_PIECES else texts
    return vocabulary_of_model(key, _trained_model(key, lines))


def vocabulary_of_model(key: VocabularyKey, model: bytes) -> Vocabulary:
    """The vocabulary of a tokenizer file that `make_vocabulary` made."""
    if key.alphabet is Alphabet.BYTES:
        base = np.zeros(BYTE_VOCABULARY, dtype=np.int64)
        base[FIRST_BYTE_ID:] = 1
        table = ByteTable(
            base_bytes=base,
            has_leading_space=np.zeros(BYTE_VOCABULARY, dtype=np.bool_),
            is_boundary=np.arange(BYTE_VOCABULARY) < FIRST_BYTE_ID,
        )
        return Vocabulary(key=key, model=model, byte_table=table)
    processor = _opened(model)
    table = byte_table_of_processor(processor)
    for mark in CASE_MARKS if key.alphabet is Alphabet.CASE_PIECES else ():
        table.base_bytes[processor.piece_to_id(mark)] = 0
    return Vocabulary(key=key, model=model, byte_table=table)


def encoded(vocabulary: Vocabulary, texts: Sequence[str]) -> list[np.ndarray]:
    """The ids of each text, as it follows other text after a space."""
    if vocabulary.key.alphabet is Alphabet.BYTES:
        return [
            np.frombuffer(f" {text}".encode(), dtype=np.uint8).astype(np.int64) + FIRST_BYTE_ID
            for text in texts
        ]
    if vocabulary.key.alphabet is Alphabet.CASE_PIECES:
        texts = [marked_case(text) for text in texts]
    processor = _opened(vocabulary.model)
    # Pieces never reach over a space, so the first piece of this is the full stop alone.
    together = processor.encode([f". {text}" for text in texts])
    return [np.array(ids[1:], dtype=np.int64) for ids in together]


def marked_case(text: str) -> str:
    """Lower case with an operator before each word that had capitals; nothing is lost."""
    return _WORD.sub(lambda match: _marked_word(match[0]), text)


def _marked_word(word: str) -> str:
    if word.islower():
        return word
    if word[1:].islower() or len(word) == 1:
        return TITLE_MARK + word.lower()
    if word.isupper():
        return CAPITALS_MARK + word.lower()
    return "".join(CAPITAL_MARK + mark.lower() if mark.isupper() else mark for mark in word)


def _trained_model(key: VocabularyKey, lines: Sequence[str]) -> bytes:
    """Settings of the challenge's tokenizers (see `harness.tokens.demo_corpus`); one thread: repeatable."""
    sentencepiece = _sentencepiece()
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(
                [line.encode()[:_LONGEST_SENTENCE_BYTES].decode(errors="ignore") for line in lines]
            ),
            model_writer=model,
            model_type="bpe",
            vocab_size=key.size,
            character_coverage=0.999,
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="nmt_nfkc",
            add_dummy_prefix=False,
            user_defined_symbols=list(CASE_MARKS) if key.alphabet is Alphabet.CASE_PIECES else [],
            pad_id=0,
            bos_id=BOS_ID,
            eos_id=2,
            unk_id=3,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise SetupError(
            f"no tokenizer of {key.size:,} pieces can be made of the demo text: {error}"
        ) from error
    return model.getvalue()


def _byte_tokenizer() -> bytes:
    described = {
        "tokenizer_type": "pure_byte",
        "config": {"pad_id": 0, "bos_id": BOS_ID, "eos_id": 2, "unk_id": 3, "byte_offset": FIRST_BYTE_ID},
        "vocab_size": BYTE_VOCABULARY,
    }
    return json.dumps(described, indent=2).encode()


def _opened(model: bytes) -> Any:
    return _sentencepiece().SentencePieceProcessor(model_proto=model)


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError as error:
        raise SetupError(NO_SENTENCEPIECE) from error
    return sentencepiece
