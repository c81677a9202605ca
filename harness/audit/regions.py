"""Which tokens a value was computed from, in the coordinates of the loops that chose them.

A region is a box: for every loop instance that the choice of tokens depends on, the first and last iteration
whose tokens are inside. A loop that the choice does not depend on is absent: tokens of all its iterations are
meant. `tokens[i * c : (i + 1) * c]` in iteration 1 of loop 7 is {7: (1, 1)}, `tokens[: (i + 1) * c]` is
{7: (None, 1)}, all of validation is {}.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Split(StrEnum):
    """Where tokens come from."""

    VALIDATION = "validation"
    TRAINING = "training"
    GENERATED = "generated"  # sampled from the model, or random numbers
    UNKNOWN = "unknown"


Interval = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Tokens of one split. `loops` is sorted by loop instance; `is_exact` is False once widened."""

    split: Split
    loops: tuple[tuple[int, Interval], ...] = ()
    is_exact: bool = True

    def overlaps(self, other: Region) -> bool:
        """Whether a token may be in both: no loop that both depend on keeps them apart."""
        if self.split is not other.split:
            return False
        mine = dict(self.loops)
        return all(_meet(mine[loop], span) for loop, span in other.loops if loop in mine)

    def as_json(self) -> dict[str, Any]:
        """Plain data for the border of the guarded process."""
        return {
            "split": self.split.value,
            "loops": [[loop, list(span)] for loop, span in self.loops],
            "is_exact": self.is_exact,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Region:
        """The region that `as_json` wrote."""
        loops = tuple((loop, (span[0], span[1])) for loop, span in data["loops"])
        return cls(split=Split(data["split"]), loops=loops, is_exact=data["is_exact"])


def _meet(one: Interval, other: Interval) -> bool:
    first = max((end for end in (one[0], other[0]) if end is not None), default=None)
    last = min((end for end in (one[1], other[1]) if end is not None), default=None)
    return first is None or last is None or first <= last
