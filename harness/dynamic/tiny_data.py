"""The tiny streams an audited script trains and is evaluated on, and their alterations.

Everything is made from the text every Python brings along, so the harness knows each token, its bytes and
what replaces it. Shapes: n tokens of the validation stream, BOS included.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.dynamic.tiny_vocabulary import (
    BOS_ID,
    NO_SENTENCEPIECE,
    Alphabet,
    Vocabulary,
    VocabularyKey,
    make_vocabulary,
    vocabulary_of_model,
)
from harness.errors import SetupError
from harness.result_cache import default_cache_dir
from harness.whole_file import whole_file

if TYPE_CHECKING:
    from pathlib import Path

SINGLE_TOKENS = 2048 + 1  # eight windows of 256 and the token that is only ever a target
# Ten documents of different lengths, the longest neither first nor last: schedules by length show themselves.
DOCUMENT_TOKENS = (410, 310, 520, 130, 700, 610, 260, 380, 480, 297)
TRAIN_TOKENS = 150_000
PASSAGE_TOKENS = 16
PASSAGE_TIMES = 14
_PASSAGE_GAP = 3  # tokens of text between two passages: each is entered from other text
_TRAIN_DOCUMENTS = (700, 180, 1500, 420, 950, 260, 1900, 560)
_RECIPE = "tiny streams 2"
_STREAMS = ("train", "single", "single_other", "several", "several_other")
_PLANT_SEED = 20_240_520
_HALF_WEIGHT = 5_000_000
_NOISE_SEED = 20_260_412
_REPEAT_MARK = 6  # one token of so many is another: no window of a repetition is one of its first time


class Layout(StrEnum):
    """How many documents the validation stream has."""

    SINGLE = "single"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TinyData:
    """A training and a validation stream (int64 ids) with the stream that replaces parts of it.

    `other` has the length and the BOS places of `validation` and differs from it everywhere else.
    """

    vocabulary: Vocabulary
    layout: Layout
    train: np.ndarray
    validation: np.ndarray
    other: np.ndarray

    def with_suffix_replaced(self, first: int) -> TinyData:
        """Tokens from position `first` (1 to n - 1) on replaced; BOS and length stay."""
        self._check(first)
        return self.with_replaced(np.arange(self.validation.size) >= first)

    def with_replaced(self, where: np.ndarray) -> TinyData:
        """Tokens replaced where the mask (bool, n entries) says; BOS stays."""
        if where.shape != self.validation.shape or where.dtype != np.bool_:
            raise ValueError(f"a mask of {self.validation.size} truth values is needed, not {where.shape}")
        return replace(self, validation=np.where(where, self.other, self.validation))

    def with_even(self, where: np.ndarray) -> TinyData:
        """As `with_replaced`, by tokens drawn evenly: further from text than `other` and `with_noise`.

        What is chosen by how text is scored (one of a few scales) often stays for other text.
        """
        draw = np.random.default_rng(_NOISE_SEED)
        drawn = draw.choice(self.vocabulary.ordinary_ids(), self.validation.size).astype(np.int64)
        drawn = np.where(self.validation == BOS_ID, BOS_ID, drawn)
        return replace(self, other=_differing(self.validation, drawn)).with_replaced(where)

    def with_token(self, position: int, token: int) -> TinyData:
        """One token of the validation stream set to another id."""
        self._check(position)
        if not 0 <= token < self.vocabulary.key.size:
            raise ValueError(f"token {token} is none of {self.vocabulary.key.size}")
        changed = self.validation.copy()
        changed[position] = token
        return replace(self, validation=changed)

    def with_planted(self, last: int) -> TinyData:
        """A made-up passage at 14 places before, and once more ending with position `last`.

        A counting predictor knows by then how the passage goes on. Raises ValueError where the stream before
        has no room.
        """
        self._check(last)
        passage = self.passage()
        ends = [last, *self._places_before(last)]
        changed = self.validation.copy()
        for end in ends:
            changed[end - passage.size + 1 : end + 1] = passage
        return replace(self, validation=changed)

    def with_noise(self) -> TinyData:
        """Every token but BOS drawn by chance, with `noise_weights`: nobody can know anything of it."""
        draw = np.random.default_rng(_NOISE_SEED)
        weights = self.noise_weights()
        chances, ids = weights / weights.sum(), np.arange(weights.size)
        is_bos = self.validation == BOS_ID
        drawn, other = (
            np.where(is_bos, BOS_ID, draw.choice(ids, self.validation.size, p=chances)).astype(np.int64)
            for _ in range(2)
        )
        return replace(self, validation=drawn, other=_differing(drawn, other))

    def noise_weights(self) -> np.ndarray:
        """What `with_noise` draws each id with: int64 [V].

        Half evenly over all ids that can be drawn, half as often as they are trained on. A trained network
        gives common tokens most of its probability; drawn evenly they would be too rare to tell what they
        are given, and so what all are given together.
        """
        ids = self.vocabulary.drawable_ids()
        counts = np.bincount(self.train, minlength=self.vocabulary.key.size)[ids]
        weights = np.zeros(self.vocabulary.key.size, dtype=np.int64)
        weights[ids] = _HALF_WEIGHT // ids.size + _HALF_WEIGHT * counts // max(int(counts.sum()), 1)
        return weights

    def chances(self) -> np.ndarray:
        """-ln of how likely `with_noise` was to draw each validation token: float64 [n], 0 for BOS."""
        weights = self.noise_weights()
        with np.errstate(divide="ignore"):
            nats = np.log(weights.sum()) - np.log(weights)
        return np.where(self.validation == BOS_ID, 0.0, nats[self.validation])

    def with_repetition(self, half: int) -> TinyData:
        """From position `half` on the tokens from position 1 on once more; BOS and length stay.

        One in six of them is another, since a window that stands in two places names none.
        """
        self._check(half)
        places = np.arange(half, self.validation.size)
        again = self.validation[1 + (places - half) % (half - 1)] if half > 1 else self.other[places]
        one, two = self.vocabulary.ordinary_ids()[:2]
        marks = np.where(self.other[places] != again, self.other[places], np.where(again != one, one, two))
        again = np.where(places % _REPEAT_MARK == 0, marks, again)
        changed = self.validation.copy()
        is_text = (self.validation[places] != BOS_ID) & (again != BOS_ID)
        changed[places[is_text]] = again[is_text]
        return replace(self, validation=changed)

    def documents(self) -> list[range]:
        """Positions of the documents, BOS included."""
        starts = [int(start) for start in np.flatnonzero(self.validation == BOS_ID)]
        return [range(*pair) for pair in zip(starts, [*starts[1:], self.validation.size], strict=True)]

    def passage(self) -> np.ndarray:
        """16 different ordinary ids that stand nowhere side by side in the text: int64."""
        ids = self.vocabulary.ordinary_ids()
        return np.random.default_rng(_PLANT_SEED).permutation(ids)[:PASSAGE_TOKENS].astype(np.int64)

    def _places_before(self, last: int) -> list[int]:
        """Where the 14 passages end: spread evenly, clear of BOS and of each other."""
        size, step = PASSAGE_TOKENS, PASSAGE_TOKENS + _PASSAGE_GAP
        is_bos = self.validation == BOS_ID
        if is_bos[last - size + 1 : last + 1].any() or last < size:
            raise ValueError(f"the passage does not fit before position {last}")
        free = [end for end in range(size, last - step) if not is_bos[end - size + 1 : end + 1].any()]
        ends: list[int] = []
        for wanted in np.linspace(0, len(free) - 1, PASSAGE_TIMES) if free else ():
            earliest = max(free[int(wanted)], ends[-1] + step if ends else 0)
            ends += [end for end in free if end >= earliest][:1]
        if len(ends) < PASSAGE_TIMES:
            raise ValueError(f"only {len(ends)} of {PASSAGE_TIMES} passages fit before position {last}")
        return ends

    def token_bytes(self) -> np.ndarray:
        """UTF-8 bytes of each validation token after the one before it: int64, n entries, 0 for BOS."""
        counts = self.vocabulary.byte_table.byte_counts(self.validation[:-1], self.validation[1:])
        return np.concatenate([np.zeros(1, dtype=np.int64), counts])

    def _check(self, position: int) -> None:
        if not 1 <= position < self.validation.size:
            raise ValueError(f"position {position} is none of 1 to {self.validation.size - 1}")


def tiny_data(key: VocabularyKey, layout: Layout) -> TinyData:
    """The streams of a vocabulary, from the cache of this user or made now (about 5 s).

    Raises `SetupError` when sentencepiece or the documentation of this Python is missing.
    """
    vocabulary, streams = _streams(key)
    return TinyData(
        vocabulary=vocabulary,
        layout=layout,
        train=streams["train"],
        validation=streams[layout.value],
        other=streams[f"{layout.value}_other"],
    )


@cache
def _streams(key: VocabularyKey) -> tuple[Vocabulary, dict[str, np.ndarray]]:
    path = default_cache_dir() / f"tiny-{_digest(key)[:16]}.npz"
    kept = _kept(path)
    if kept is not None:
        return vocabulary_of_model(key, kept["model"].tobytes()), {name: kept[name] for name in _STREAMS}
    vocabulary, streams = _made(key)
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"model": np.frombuffer(vocabulary.model, dtype=np.uint8), **streams}
    np.savez_compressed(buffer, **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(buffer.getvalue())
    except OSError:
        pass  # a cache that cannot be written only costs time
    return vocabulary, streams


def _made(key: VocabularyKey) -> tuple[Vocabulary, dict[str, np.ndarray]]:
    from harness.dynamic.unique_text import StreamWriter, sentences_of
    from harness.tokens.demo_text import demo_documents

    sentences = sentences_of(demo_documents())
    vocabulary = make_vocabulary(key, sentences)
    writer = StreamWriter(vocabulary, sentences)
    streams: dict[str, np.ndarray] = {}
    for name, lengths in (("single", (SINGLE_TOKENS,)), ("several", DOCUMENT_TOKENS)):
        streams[name] = writer.stream(lengths)
        streams[f"{name}_other"] = _differing(streams[name], writer.stream(lengths))
    writer.hold_back()  # nothing of the validation streams is trained on
    streams["train"] = writer.stream(_train_lengths())
    return vocabulary, streams


def _train_lengths() -> list[int]:
    lengths: list[int] = []
    while sum(lengths) < TRAIN_TOKENS:
        lengths.append(_TRAIN_DOCUMENTS[len(lengths) % len(_TRAIN_DOCUMENTS)])
    return lengths


def _differing(stream: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`other` with the ids of the next tokens where it happens to agree with `stream` (BOS apart)."""
    changed = other.copy()
    candidates = other[other != BOS_ID]
    for at in np.flatnonzero((stream == other) & (stream != BOS_ID)):
        changed[at] = candidates[candidates != stream[at]][int(at) % 64]
    return changed


def _kept(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a cached file; None where there is none or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("model", *_STREAMS)}
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _digest(key: VocabularyKey) -> str:
    from harness.tokens.demo_text import demo_text_digest

    try:
        trainer = importlib.metadata.version("sentencepiece")
    except importlib.metadata.PackageNotFoundError as error:
        if key.alphabet is not Alphabet.BYTES:
            raise SetupError(NO_SENTENCEPIECE) from error
        trainer = "none"
    words = f"{_RECIPE}\n{key.alphabet} {key.size}\n{trainer}\n{demo_text_digest()}"
    return hashlib.sha256(words.encode()).hexdigest()
