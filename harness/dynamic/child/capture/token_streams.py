"""Finds out which positions of the validation or training stream a batch of token ids holds.

The streams are known beforehand and their windows of six tokens are almost all unique, so any run of tokens
in a batch names its place by its hashes. Positions are those of the concatenated shards, validation first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HEADER_BYTES = 256 * 4  # official shards: 256 int32, then uint16 tokens
_GRAM = 6
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_GAP = -(1 << 40)  # between the streams: no token, and no target that stands for none (-1, -100)


class Segment(NamedTuple):
    """`length` tokens from position `start` of the `split` stream, at `offset` of the flattened batch."""

    split: str  # "val" | "train"
    start: int
    length: int
    offset: int


class TokenStreams:
    """Index of both streams. Made before any code of the submission runs."""

    def __init__(self, validation: np.ndarray, training: np.ndarray) -> None:
        self.validation_count = int(validation.size)
        self.tokens = np.concatenate(
            [validation.astype(np.int64), np.array([_GAP], dtype=np.int64), training.astype(np.int64)]
        )
        hashes = _grams(self.tokens)
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        alone = np.ones(hashes.size, dtype=bool)
        if hashes.size > 1:
            same = hashes[1:] == hashes[:-1]
            alone[1:] &= ~same
            alone[:-1] &= ~same
        self._hashes = hashes[alone]
        self._places = order[alone]

    @classmethod
    def of_files(cls, val_files: Sequence[Path], train_files: Sequence[Path]) -> TokenStreams:
        """Read the shards."""
        return cls(_tokens_of(val_files), _tokens_of(train_files))

    def segments(self, batch: np.ndarray, row_length: int | None = None) -> list[Segment]:
        """Where the tokens of `batch` (flattened, integers) come from; unknown runs are left out.

        No segment crosses a multiple of `row_length`.
        """
        flat = batch.reshape(-1).astype(np.int64)
        if flat.size < _GRAM or not self._hashes.size:
            return []
        row = row_length if row_length and row_length >= _GRAM else flat.size
        hashes = _grams(flat)
        found = np.searchsorted(self._hashes, hashes)
        found[found == self._hashes.size] = 0
        hits = np.flatnonzero(self._hashes[found] == hashes)
        hits = hits[hits % row <= row - _GRAM]  # a gram over the edge of two rows says nothing
        result: list[Segment] = []
        end = 0
        while hits.size:
            offset = int(hits[0])
            place = int(self._places[found[offset]])
            row_start = offset - offset % row
            result.append(
                self._grown(flat, offset, place, max(end, row_start), min(row_start + row, flat.size))
            )
            # A fork has other tokens in the stream than the index was made of: what was found may be short.
            end = max(result[-1].offset + result[-1].length, offset + 1)
            hits = hits[hits >= end]
        return [segment for segment in result if segment.length >= _GRAM]

    def _grown(self, flat: np.ndarray, offset: int, place: int, first: int, last: int) -> Segment:
        ahead = min(last - offset, self.tokens.size - place)
        differs = np.flatnonzero(flat[offset : offset + ahead] != self.tokens[place : place + ahead])
        right = int(differs[0]) if differs.size else ahead
        behind = min(offset - first, place)
        back = flat[offset - behind : offset] != self.tokens[place - behind : place]
        differs = np.flatnonzero(back)
        left = behind - 1 - int(differs[-1]) if differs.size else behind
        start = place - left
        if start > self.validation_count:
            return Segment("train", start - self.validation_count - 1, left + right, offset - left)
        return Segment("val", start, left + right, offset - left)


def _grams(tokens: np.ndarray) -> np.ndarray:
    if tokens.size < _GRAM:
        return np.zeros(0, dtype=np.uint64)
    ids = (tokens + 2).astype(np.uint64)
    windows = tokens.size - _GRAM + 1
    mixed = np.zeros(windows, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for step in range(_GRAM):
            mixed = (mixed ^ ids[step : step + windows]) * _FACTOR
            mixed ^= mixed >> np.uint64(29)
    return mixed


def _tokens_of(files: Sequence[Path]) -> np.ndarray:
    shards = [np.fromfile(path, dtype="<u2", offset=_HEADER_BYTES) for path in files]
    return np.concatenate(shards) if shards else np.zeros(0, dtype=np.uint16)
