"""Which tokens a value was computed from, in the coordinates of the loops that chose them.

A region is a box: for every loop instance that the choice of tokens depends on, the first and last iteration
whose tokens are inside. A loop that the choice does not depend on is absent: tokens of all its iterations are
meant. `tokens[i * c : (i + 1) * c]` in iteration 1 of loop 7 is {7: (1, 1)}, `tokens[: (i + 1) * c]` is
{7: (None, 1)}, all of validation is {}.

Where no loop moves the border of a slice, the region keeps the border as a `Cut`. Cuts never keep two
regions apart, as what they count from is not known; they say that a person has to look.
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


CUTS_AT_MOST = 6  # of one region; a loop over slices of slices would make ever more
Interval = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """A border of a slice: the tokens lie before it, or from it on.

    `border` is a known number, or the name of a value of the script that is not known.
    """

    border: str
    is_before: bool

    def is_opposite(self, other: Cut) -> bool:
        """Whether one side ends where, or before, the other begins."""
        if self.is_before is other.is_before:
            return False
        before, after = (self, other) if self.is_before else (other, self)
        if before.border == after.border:
            return True
        return before.border.isdigit() and after.border.isdigit() and int(before.border) <= int(after.border)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Tokens of one split. `loops` is sorted by loop instance; `is_exact` is False once widened.

    `cuts` are the borders, of the few kept, that the tokens lie before or behind.
    """

    split: Split
    loops: tuple[tuple[int, Interval], ...] = ()
    is_exact: bool = True
    cuts: frozenset[Cut] = frozenset()

    def overlaps(self, other: Region) -> bool:
        """Whether a token may be in both: no loop that both depend on keeps them apart."""
        if self.split is not other.split:
            return False
        mine = dict(self.loops)
        return all(_meet(mine[loop], span) for loop, span in other.loops if loop in mine)

    def with_loops(self, loops: tuple[tuple[int, Interval], ...]) -> Region:
        """These tokens as other loops choose them; `loops` is sorted."""
        return Region(split=self.split, loops=loops, is_exact=self.is_exact, cuts=self.cuts)

    def widened(self) -> Region:
        """These tokens with more that may be among them."""
        return Region(split=self.split, loops=self.loops, is_exact=False, cuts=self.cuts)

    def cut_at(self, cuts: frozenset[Cut]) -> Region:
        """The part of these tokens on one side of borders."""
        kept = frozenset(sorted(self.cuts | cuts)[:CUTS_AT_MOST])
        return Region(split=self.split, loops=self.loops, is_exact=self.is_exact, cuts=kept)

    def uncut(self) -> Region:
        """These tokens, and those on the other side of all borders."""
        return Region(split=self.split, loops=self.loops, is_exact=self.is_exact)

    def is_cut_from(self, other: Region) -> bool:
        """Whether slices with a common border took the one before it and the other behind it."""
        return any(one.is_opposite(its) for one in self.cuts for its in other.cuts)

    def ends_before(self, other: Region) -> bool:
        """Whether it takes only what lies before a border that the other may reach beyond."""
        return any(one.is_before and one not in other.cuts for one in self.cuts) or self.is_cut_from(other)

    def as_json(self) -> dict[str, Any]:
        """Plain data for the border of the guarded process."""
        return {
            "split": self.split.value,
            "loops": [[loop, list(span)] for loop, span in self.loops],
            "is_exact": self.is_exact,
            "cuts": [[cut.border, cut.is_before] for cut in sorted(self.cuts)],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Region:
        """The region that `as_json` wrote."""
        loops = tuple((loop, (span[0], span[1])) for loop, span in data["loops"])
        cuts = frozenset(Cut(str(border), bool(is_before)) for border, is_before in data["cuts"])
        return cls(split=Split(data["split"]), loops=loops, is_exact=data["is_exact"], cuts=cuts)


def _meet(one: Interval, other: Interval) -> bool:
    first = max((end for end in (one[0], other[0]) if end is not None), default=None)
    last = min((end for end in (one[1], other[1]) if end is not None), default=None)
    return first is None or last is None or first <= last
