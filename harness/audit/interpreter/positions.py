"""Positions in a token stream as functions of loop iterations.

An `Index` maps a loop instance to the first and last iteration a position depends on; a loop it does not
name is one the position does not depend on. Where multipliers are known, a `Line` keeps them, so that
`tokens[ci * C : (ci + 1) * C]` is iteration ci alone and `tokens[(ci + 1) * C :]` begins one later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.audit.regions import Interval

Index = dict[int, "Interval"]
ONE = 0  # the unit of plain numbers; other units stand for unknown constants
NOWHERE: Index = {}


@dataclass(frozen=True, slots=True)
class Line:
    """The sum of `slopes[(loop, unit)] * iteration * unit` and `offsets[unit] * unit`.

    `is_vague` says that something unknown, taken as smaller than an iteration's step, was added.
    """

    slopes: Mapping[tuple[int, int], float]
    offsets: Mapping[int, float]
    is_vague: bool = False

    def plus(self, other: Line, sign: int = 1) -> Line:
        """The sum; the difference with sign -1."""
        slopes = dict(self.slopes)
        for key, slope in other.slopes.items():
            slopes[key] = slopes.get(key, 0) + sign * slope
        offsets = dict(self.offsets)
        for unit, offset in other.offsets.items():
            offsets[unit] = offsets.get(unit, 0) + sign * offset
        slopes = {key: slope for key, slope in slopes.items() if slope}
        return Line(slopes, offsets, self.is_vague or other.is_vague)

    def vague(self) -> Line:
        """This with something unknown added."""
        return Line(self.slopes, self.offsets, True)

    def times(self, factor: float) -> Line | None:
        """The product with a known number; None when it is not a line any more."""
        if not math.isfinite(factor):
            return None
        slopes = {key: slope * factor for key, slope in self.slopes.items() if slope * factor}
        return Line(slopes, {unit: offset * factor for unit, offset in self.offsets.items()}, self.is_vague)

    def in_units(self, unit: int) -> Line | None:
        """The product with the unknown constant `unit`; None when it already has a unit."""
        if any(own != ONE for _, own in self.slopes) or any(
            own != ONE and offset for own, offset in self.offsets.items()
        ):
            return None
        slopes = {(loop, unit): slope for (loop, _), slope in self.slopes.items()}
        return Line(slopes, {unit: self.offsets.get(ONE, 0)}, self.is_vague)

    def least(self, passes: Mapping[int, int]) -> float | None:
        """The least value, where it grows with every loop and all is known."""
        if self.is_vague or any(unit != ONE and offset for unit, offset in self.offsets.items()):
            return None
        if any(unit != ONE or slope < 0 for (_, unit), slope in self.slopes.items()):
            return None
        total = self.offsets.get(ONE, 0.0)
        return total + sum(slope * passes.get(loop, 0) for (loop, _), slope in self.slopes.items())

    def cells(self, loop: int, is_end: bool) -> tuple[int, float] | None:
        """How many iterations the position lies ahead of `loop`, and the size of its step; None if unclear.

        For the end of a slice it is the cell of the last token but one: inputs and targets share a token
        at the border, so an end may be one further.
        """
        steps = [(slope, unit) for (own, unit), slope in self.slopes.items() if own == loop]
        if len(steps) != 1 or steps[0][0] <= 0:
            return None
        slope, unit = steps[0]
        offset = self.offsets.get(unit, 0)
        rest = self.is_vague or len(self.slopes) > 1
        rest = rest or any(own not in (unit, ONE) and value for own, value in self.offsets.items())
        if unit != ONE:
            ahead = offset / slope
            return (math.ceil(ahead - 1e-9) - 1 if is_end and not rest else math.floor(ahead + 1e-9)), slope
        if is_end and len(self.slopes) > 1:
            return 0, slope  # ends with a part of an inner loop, which lies inside this iteration
        if is_end:
            ahead = math.floor((offset - 2) / slope)
            return (max(ahead, 0) if rest else ahead), slope
        return math.floor(offset / slope), slope


def constant_line(number: float) -> Line:
    """The position of a known number."""
    return Line({}, {ONE: number})


def shifted(interval: Interval, by: int) -> Interval:
    """The interval `by` iterations later."""
    first, last = interval
    return (None if first is None else first + by, None if last is None else last + by)


def hull(one: Interval, other: Interval) -> Interval:
    """The smallest interval that holds both."""
    first = None if one[0] is None or other[0] is None else min(one[0], other[0])
    last = None if one[1] is None or other[1] is None else max(one[1], other[1])
    return first, last


def meet(one: Interval, other: Interval) -> Interval:
    """What both hold; `one` where they hold nothing in common."""
    first = max((end for end in (one[0], other[0]) if end is not None), default=None)
    last = min((end for end in (one[1], other[1]) if end is not None), default=None)
    return one if first is not None and last is not None and first > last else (first, last)


def depend_on_both(one: Index, other: Index) -> Index:
    """The index of a value computed from both."""
    if not other or one is other:
        return one
    if not one:
        return other
    both = dict(one)
    for loop, interval in other.items():
        both[loop] = hull(both[loop], interval) if loop in both else interval
    return both


def either(one: Index, other: Index) -> Index:
    """The index of a value that is one or the other. A constant, which depends on nothing, is neutral."""
    if not one or one is other:
        return other
    if not other:
        return one
    found = {loop: hull(interval, other[loop]) for loop, interval in one.items() if loop in other}
    return {loop: span for loop, span in found.items() if span != (None, None)}


def narrowed(loops: Index, by: Index) -> Index:
    """The tokens `loops` names, of which `by` chooses some."""
    if not by:
        return loops
    both = dict(loops)
    for loop, interval in by.items():
        both[loop] = meet(both[loop], interval) if loop in both else interval
    return {loop: span for loop, span in both.items() if span != (None, None)}


def slice_index(
    start: tuple[Index, Line | None] | None, end: tuple[Index, Line | None] | None
) -> tuple[Index, bool]:
    """The iterations a slice `[start:end]` covers, and whether that is exact.

    None stands for an end that is left out or does not depend on any loop.
    """
    begins, first_line = start if start is not None else ({}, None)
    ends, last_line = end if end is not None else ({}, None)
    spans: Index = {}
    is_exact = True
    for loop in {*begins, *ends}:
        low: int | None = None
        high: int | None = None
        step = 0.0
        if loop in begins:
            low = begins[loop][0]
            ahead = first_line.cells(loop, False) if first_line is not None else None
            if ahead is not None and low is not None:
                low += ahead[0]
                step = ahead[1]
        if loop in ends:
            high = ends[loop][1]
            ahead = last_line.cells(loop, True) if last_line is not None else None
            if ahead is not None and high is not None:
                high += ahead[0]
        if low is not None and high is not None:
            low, high, sure = _settled(loop, low, high, step, begins, first_line)
            is_exact = is_exact and sure
        if (low, high) != (None, None):
            spans[loop] = (low, high)
    return spans, is_exact


def _settled(
    loop: int, low: int, high: int, step: float, begins: Index, line: Line | None
) -> tuple[int, int, bool]:
    """The interval where a slice begins a little before its own cell: that part is context."""
    if high < low:
        return low, low, False
    own = begins[loop][0]
    if low < high and own is not None and low < own <= high and line is not None and step:
        units = [unit for (of, unit) in line.slopes if of == loop]
        behind = -line.offsets.get(units[0], 0) / step if units else 0
        if 0 < behind < own - low + 1 and behind != int(behind):
            return low + 1, high, False
    return low, high, True
