"""Where losses stand in the validation stream: their own targets say it, and values that equal them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.dynamic.events import LossEvent

UNKNOWN = -1


def positions_of(loss: LossEvent) -> np.ndarray:
    """Position in the validation stream of each target of `loss`, -1 where it is none of it: int64."""
    positions = np.full(loss.size, UNKNOWN, dtype=np.int64)
    for row in loss.rows:
        if row.split == "val":
            end = min(row.offset + row.length, loss.size)
            positions[row.offset : end] = np.arange(row.start, row.start + end - row.offset)
    return positions


def matched(array: np.ndarray, nll: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Which entries of `array` are kept and where in `nll` they stand: masked, a piece, or picked out."""
    if not array.size:
        return None
    for sign in (1.0, -1.0):
        known = sign * nll
        if array.size == known.size:
            kept = np.flatnonzero(array != 0.0)
            if kept.size and np.array_equal(array[kept], known[kept]):
                return kept, kept
        elif array.size < known.size:
            for first in np.flatnonzero(known == array[0])[:64]:
                if np.array_equal(known[first : first + array.size], array):
                    return np.arange(array.size), np.arange(first, first + array.size)
            places = _picked_out(array, known)
            if places is not None:
                return np.arange(array.size), places
    return None


def _picked_out(array: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Where the values of `array` stand in `known`, all of them in the same order; None where they do not."""
    if array.size < 2:
        return None
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known[order], array)
    if (at == known.size).any() or not np.array_equal(known[order][at], array):
        return None
    places = order[at]
    return places if bool((np.diff(places) > 0).all()) else None


def likely_offset(array: np.ndarray, nll: np.ndarray) -> int | None:
    """Where in `nll` most values of `array` that are equal to one of it stand; at least two must agree."""
    if array.size > nll.size:
        return None
    order = np.argsort(nll, kind="stable")
    at = np.searchsorted(nll[order], array)
    at[at == nll.size] = 0
    equal = np.flatnonzero(nll[order][at] == array)
    if equal.size < 2:
        return None
    offsets, counts = np.unique(order[at[equal]] - equal, return_counts=True)
    best = int(np.argmax(counts))
    first = int(offsets[best])
    return first if counts[best] >= 2 and 0 <= first <= nll.size - array.size else None
