"""Finds the copies of the validation stream that a running script holds, to change tokens in all of them.

Tensors, arrays and lists of integers are matched by content: the tokens around the place, so a copy may be
whole, a piece, or rows of a batch that was put together already. What a script derived from the stream before
(hashes, counts) is not a copy; whoever changes tokens must check a result with a run from the start.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import FrameType

_AROUND = 32  # tokens compared on either side of a place
_LEAST_MATCHED = 24  # of them that must be there: 16 planted tokens alone stand in many places
_LEAST_LIST = 64
_MOST_ELEMENTS = 1 << 26
_INTEGER_TENSORS = {torch.int64, torch.int32, torch.int16, torch.uint16}


class StreamCopies:
    """Places of some tokens in the memory of this process. `stream` is (n,) int64, `positions` are theirs."""

    def __init__(self, stream: np.ndarray, positions: Iterable[int]) -> None:
        self._stream = stream.astype(np.int64).copy()
        self._positions = sorted(set(positions))
        self._in_arrays: list[tuple[np.ndarray, int, int]] = []
        self._in_lists: list[tuple[list[int], int, int]] = []
        seen: set[tuple[int, tuple[int, ...], tuple[int, ...]]] = set()
        for value in _values_alive():
            if type(value) is list:
                self._look_into_list(value)
                continue
            array = _as_array(value)
            if array is None or array is self._stream:
                continue
            key = (array.ctypes.data, array.shape, array.strides)
            if key not in seen:
                seen.add(key)
                self._look_into(array)

    @property
    def count(self) -> int:
        """How many places there are."""
        return len(self._in_arrays) + len(self._in_lists)

    def write(self, tokens: Mapping[int, int]) -> int:
        """Put `tokens` there, by position in the stream; the number of places that took one."""
        written = 0
        for row, place, position in self._in_arrays:
            if position in tokens and row.flags.writeable:
                row[place] = tokens[position]
                written += 1
        for values, place, position in self._in_lists:
            if position in tokens:
                values[place] = tokens[position]
                written += 1
        return written

    def _look_into(self, array: np.ndarray) -> None:
        rows = [array] if array.ndim == 1 else list(array.reshape(-1, array.shape[-1]))
        if array.ndim > 1 and rows and not np.shares_memory(rows[0], array):
            return  # an odd layout: reshaping copied it
        for row in rows:
            self._in_arrays.extend((row, *found) for found in self._places(row))

    def _look_into_list(self, values: list[Any]) -> None:
        if len(values) < _LEAST_LIST or any(type(each) is not int for each in values[:4]):
            return
        try:
            row = np.array(values, dtype=np.int64)
        except (OverflowError, TypeError, ValueError):
            return
        self._in_lists.extend((values, *found) for found in self._places(row))

    def _places(self, row: np.ndarray) -> Iterator[tuple[int, int]]:
        """Where in `row` one of the tokens stands, and its position in the stream."""
        stream = self._stream
        for position in self._positions:
            for found in np.flatnonzero(row == stream[position]):
                place = int(found)
                back = min(place, position, _AROUND)
                ahead = min(row.size - place, stream.size - position, _AROUND)
                if (
                    back + ahead >= _LEAST_MATCHED
                    and np.array_equal(row[place - back : place], stream[position - back : position])
                    and np.array_equal(row[place : place + ahead], stream[position : position + ahead])
                ):
                    yield place, position


def _values_alive() -> Iterator[Any]:
    """Every array, tensor and list that the garbage collector or a running function knows."""
    wanted = (np.ndarray, torch.Tensor)
    containers = gc.get_objects()
    for start in range(0, len(containers), 20_000):
        for value in gc.get_referents(*containers[start : start + 20_000]):
            if isinstance(value, wanted) or type(value) is list:
                yield value
    for innermost in sys._current_frames().values():
        frame: FrameType | None = innermost
        while frame is not None:
            for value in list(frame.f_locals.values()):
                if isinstance(value, wanted) or type(value) is list:
                    yield value
            frame = frame.f_back


def _as_array(value: Any) -> np.ndarray | None:
    """The memory of a tensor or an array of integers, without a copy; None for all others."""
    try:
        if isinstance(value, torch.Tensor):
            if (
                value.dtype not in _INTEGER_TENSORS
                or value.is_meta
                or not 8 <= value.numel() <= _MOST_ELEMENTS
            ):
                return None
            value = value.detach().numpy()
        if value.dtype.kind in "iu" and value.ndim >= 1 and 8 <= value.size <= _MOST_ELEMENTS:
            return value  # type: ignore[no-any-return]
    except Exception:  # tensors of a script may be anything; one that gives no memory is no copy
        return None
    return None
