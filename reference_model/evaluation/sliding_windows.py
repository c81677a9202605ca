"""Which windows score which positions, each position of the stream exactly once.

A *position* is the index of the token that is predicted: 1 to N-1 in a stream of N tokens. A window reads
tokens start .. start+length-1 and may predict positions start+1 .. start+length; it scores the last `scored`
of them, the ones that no earlier window scored. A stride of one window length gives windows side by side; a
shorter one slides (README "FAQ", long-context evaluation; stride 64 since record 2026-03-19
SlidingWindowEval).

The originals differ at the end of the stream: side by side they drop the tail that fills no window, sliding
they also run windows clipped by the end, which score the last `stride` positions over and over (1,984
duplicates in the logs of PR #461). Here one last window ends with the stream and scores only what is left.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt


class Tail(Enum):
    """What becomes of the last positions when they do not fill a window."""

    SCORED = "scored"  # every position exactly once
    DROPPED = "dropped"  # whole windows of the stream only, as the originals' plain evaluation counts them


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """Windows in the order of the positions they score; position p belongs to exactly one of them.

    `starts` (first token read) and `scored` (last positions scored) have one entry per window; `length`
    tokens are read by each of them.
    """

    starts: npt.NDArray[np.int64]
    scored: npt.NDArray[np.int64]
    length: int

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.starts)

    @property
    def positions(self) -> int:
        """Positions scored by all windows: 1 to this number."""
        return int(self.scored.sum())

    def chunks(self, chunk_tokens: int) -> npt.NDArray[np.int64]:
        """The chunk each window belongs to: the one that holds the token before its first scored position.

        That token's index is where the original counts from (PR #461), so chunk c is complete, and position
        (c+1) * chunk_tokens scored, once the windows of chunks 0..c are.
        """
        return (self.starts + self.length - self.scored) // chunk_tokens

    def part(self, first: int, end: int) -> WindowPlan:
        """Windows first .. end-1."""
        return WindowPlan(starts=self.starts[first:end], scored=self.scored[first:end], length=self.length)

    def of_rank(self, rank: int, size: int) -> WindowPlan:
        """This rank's contiguous share; the shares of all ranks together are the plan."""
        return self.part(len(self) * rank // size, len(self) * (rank + 1) // size)

    def batches(self, rows: int) -> Iterator[WindowPlan]:
        """At most `rows` windows at a time, all of which score the same number of positions."""
        changes = np.flatnonzero(np.diff(self.scored)) + 1
        edges = [0, *changes.tolist(), len(self)]
        for first, end in itertools.pairwise(edges):
            for at in range(first, end, rows):
                yield self.part(at, min(at + rows, end))


def planned_windows(
    token_count: int, *, seq_len: int, stride: int = 0, tail: Tail = Tail.SCORED
) -> WindowPlan:
    """Windows over a stream of `token_count` tokens; stride 0 puts them side by side.

    The first scores all it predicts, later ones the last `stride`, a last one what is then left. A stream
    shorter than a window is one shorter window. Raises SetupError for a stream in which nothing can be
    predicted, and with Tail.DROPPED for one that fills no window.
    """
    predicted = token_count - 1
    if predicted < 1:
        raise SetupError(
            f"the validation stream has {token_count} tokens; at least 2 are needed to predict one of them"
        )
    if tail is Tail.DROPPED:
        predicted = predicted // seq_len * seq_len
        if not predicted:
            raise SetupError(
                f"the validation stream has {token_count:,} tokens; without its tail at least "
                f"{seq_len + 1:,} are needed for one window"
            )
    length, step = min(seq_len, predicted), stride or seq_len
    starts = np.arange(0, predicted - length + 1, step, dtype=np.int64)
    scored = np.full(len(starts), step, dtype=np.int64)
    scored[0] = length
    left = predicted - int(scored.sum())
    if left:
        starts = np.append(starts, np.int64(predicted - length))
        scored = np.append(scored, np.int64(left))
    return WindowPlan(starts=starts, scored=scored, length=length)
