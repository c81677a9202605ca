"""Rows of scores in a record, and places of the stream at which all tokens may be replaced at once.

The first replaced target of a row has nothing but unchanged tokens before it in its row: the scores of all
tokens there may not change, whatever stands behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.loss_places import positions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.dynamic.events import LossEvent


def rows_of(loss: LossEvent, length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of the targets of each row, int64 [L], and the log-sum-exps of its scores, [L].

    `length` is that of the rows that went through the model.
    """
    if loss.grad or loss.norm is None or loss.norm.size != loss.size:
        return
    positions = positions_of(loss)
    step = length if length and loss.size % length == 0 else loss.size
    for first in range(0, loss.size, max(step, 1)):
        if (positions[first : first + step] >= 0).any():
            yield positions[first : first + step], loss.norm[first : first + step]


def one_in_each(starts: np.ndarray, length: int, end: int, draw: np.random.Generator) -> list[int]:
    """Positions, one in the part of each row that no later row has.

    `starts` are those of the rows' first targets, ascending, and `end` the size of the stream. The token
    before a row's first target is its context, so the place before a row stays as it is.
    """
    room = np.minimum(np.diff(starts, append=end), length) - 1
    return [int(start + draw.integers(free)) for start, free in zip(starts, room, strict=True) if free > 0]
