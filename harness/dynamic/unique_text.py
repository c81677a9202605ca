"""Token streams whose windows occur once, cut from the demo text sentence by sentence.

The audit finds out which part of a stream a forward pass saw by its windows, so a sentence that would repeat
one is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.tiny_vocabulary import BOS_ID, Alphabet, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.dynamic.tiny_vocabulary import Vocabulary

WINDOW_TOKENS = 6
WINDOW_BYTES = 24  # of the byte vocabulary: six letters repeat in any text
_SHORTEST, _LONGEST = 24, 400  # characters of a sentence
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n")


def sentences_of(documents: Sequence[str]) -> list[str]:
    """Sentences of plain words in the order of the text, each once."""
    found: dict[str, None] = {}
    for document in documents:
        for part in _SENTENCE_END.split(document):
            sentence = " ".join(part.split())
            letters = sum(mark.isalpha() or mark == " " for mark in sentence)
            if _SHORTEST <= len(sentence) <= _LONGEST and letters >= 0.75 * len(sentence):
                found.setdefault(sentence)
    return list(found)


@dataclass(slots=True)
class StreamWriter:
    """Writes streams of documents; no window of one occurs in another, or twice, while text lasts.

    Once the text is used up, sentences come again in another order, but never those of streams that were
    written before `hold_back`.
    """

    vocabulary: Vocabulary
    sentences: Sequence[str]
    _seen: set[bytes] = field(default_factory=set)
    _held: frozenset[bytes] = frozenset()
    _inner: list[np.ndarray] = field(default_factory=list)
    _next: int = 0
    _rounds: int = 0

    def __post_init__(self) -> None:
        """Encode every sentence with the space before it.

        Documents begin with it too: the official count leaves out a space behind BOS; who counts it shows.
        """
        self._inner = encoded(self.vocabulary, self.sentences)

    def stream(self, lengths: Sequence[int]) -> np.ndarray:
        """Documents of these many tokens, BOS before each and counted: int64, one dimension."""
        return np.concatenate([self._document(length) for length in lengths])

    def hold_back(self) -> None:
        """Keep every window written so far out of all that is written from now on."""
        self._held = frozenset(self._seen)

    def _document(self, length: int) -> np.ndarray:
        parts = [np.array([BOS_ID], dtype=np.int64)]
        size = 1
        while size < length:
            ids = self._sentence(parts[-1])
            parts.append(ids)
            size += ids.size
        return np.concatenate(parts)[:length]

    def _sentence(self, before: np.ndarray) -> np.ndarray:
        """The next sentence that may stand here."""
        width = self._width
        while True:
            if self._next >= len(self.sentences):
                self._next = 0
                self._rounds += 1
            at = self._place(self._next)
            self._next += 1
            ids = self._inner[at]
            windows = list(_windows(np.concatenate([before[1 - width :], ids]), width))
            forbidden = self._seen if self._rounds == 0 else self._held
            repeats_itself = self._rounds == 0 and len(set(windows)) < len(windows)
            if repeats_itself or not forbidden.isdisjoint(windows):
                continue
            self._seen.update(windows)
            return ids

    def _place(self, number: int) -> int:
        """Which sentence comes `number`-th: in order, later scattered by a step that meets each once."""
        if self._rounds == 0:
            return number
        step = 2 * self._rounds + 5
        while np.gcd(step, len(self.sentences)) != 1:
            step += 1
        return (number * step) % len(self.sentences)

    @property
    def _width(self) -> int:
        return WINDOW_BYTES if self.vocabulary.key.alphabet is Alphabet.BYTES else WINDOW_TOKENS


def _windows(ids: np.ndarray, width: int) -> Iterator[bytes]:
    packed = ids.astype("<u2").tobytes()
    for start in range(ids.size - width + 1):
        yield packed[2 * start : 2 * (start + width)]
