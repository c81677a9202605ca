"""Numbers that several ranks added up together, and what each of them had given."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.dynamic.events import ExchangeEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.dynamic.event_record import EventRecord

_ROUNDED = 2e-6  # a sum of float32


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPart:
    """What `rank` gave to an exchange, whose event number there is `number`."""

    rank: int
    number: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSum:
    """What a rank got out of an exchange by its event `number`: `parts` added up."""

    value: float
    number: int
    parts: tuple[GivenPart, ...]


class RankSums:
    """All sums over ranks in a record of several, as rank `rank` got them."""

    def __init__(self, record: EventRecord, rank: int) -> None:
        self.all = sorted(_sums(record, rank), key=lambda each: (abs(each.value), each.number))
        self._sizes = [abs(each.value) for each in self.all]

    def equal_to(self, value: float, number: int, tolerance: float) -> RankSum | None:
        """The latest before event `number` that is `value`, whatever its sign."""
        size = abs(value)
        if not math.isfinite(size) or size == 0.0:
            return None
        first = bisect_left(self._sizes, size * (1 - tolerance))
        end = bisect_left(self._sizes, math.nextafter(size * (1 + tolerance), math.inf))
        fitting = [each for each in self.all[first:end] if each.number < number]
        return max(fitting, key=lambda each: each.number, default=None)


def _sums(record: EventRecord, rank: int) -> Iterator[RankSum]:
    by_rank: list[list[ExchangeEvent]] = [[] for _ in range(record.ranks)]
    for event in record.of(ExchangeEvent):
        if event.is_all:
            by_rank[event.rank].append(event)
    for together in zip(*by_rank, strict=False):
        mine = together[rank]
        if any(each.reduction != "sum" or each.given is None for each in together):
            continue
        columns = zip(*(each.given or () for each in together), strict=False)
        for place, column in enumerate(columns):
            total = math.fsum(column) if all(map(math.isfinite, column)) else math.nan
            got = mine.got[place] if mine.got is not None and place < len(mine.got) else total
            if not abs(got - total) <= _ROUNDED * max(map(abs, column)):
                continue
            parts = tuple(
                GivenPart(rank=each.rank, number=each.number, value=value)
                for each, value in zip(together, column, strict=True)
            )
            yield RankSum(value=got, number=mine.number, parts=parts)
