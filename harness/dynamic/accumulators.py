"""What a script added up: increments of one place, cut where the sum was set back.

An increment tells what its target held before. One that finds the sum of a chain goes on with it; one that
finds something else (mostly zero) begins a new chain. So evaluations that reuse a line come apart exactly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.dynamic.events import IncrementEvent, PrintEvent

if TYPE_CHECKING:
    from harness.dynamic.event_record import EventRecord

_SAME = 2e-6
"""Relative; sums of float32 tensors are rounded when they are read."""
_MOST_OPEN = 64
"""Chains of one place that may go on at the same time: `sums[rank] += v` adds to several."""


@dataclass(slots=True, kw_only=True, eq=False)
class Chain:
    """Increments of one sum in order. `start` is what it held before the first."""

    site: str
    start: float
    increments: list[IncrementEvent] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    """The sum after each increment."""

    def add(self, event: IncrementEvent) -> None:
        """Go on with `event`."""
        held = event.before if event.before is not None else self.total
        self.increments.append(event)
        self.totals.append(held + event.signed)

    @property
    def total(self) -> float:
        """The sum after the last increment."""
        return self.totals[-1] if self.totals else self.start

    @property
    def rank(self) -> int:
        """The rank that added up."""
        return self.increments[0].rank

    @property
    def first(self) -> int:
        """Number of the first increment's event."""
        return self.increments[0].number

    @property
    def last(self) -> int:
        """Number of the last increment's event."""
        return self.increments[-1].number

    @property
    def is_whole(self) -> bool:
        """True when only whole numbers were added: a count."""
        return all(event.whole or event.value.is_integer() for event in self.increments)

    def count_before(self, number: int) -> int:
        """How many increments came before event `number`."""
        if self.last < number:
            return len(self.increments)
        return bisect_left(self.increments, number, key=lambda event: event.number)


def chains_of(record: EventRecord) -> list[Chain]:
    """All sums of a run, by their first increment; those of several ranks come apart."""
    chains: list[Chain] = []
    going: dict[tuple[int, str], list[Chain]] = defaultdict(list)
    for event in record.events:
        if isinstance(event, PrintEvent):
            # Where a target cannot be asked, a printed line may end its sum; a chain of its own is safer.
            unasked = [at for at, held in going.items() if held[-1].increments[-1].before is None]
            for at in unasked:
                if at[0] == event.rank:
                    del going[at]
        if not isinstance(event, IncrementEvent):
            continue
        at = (event.rank, event.site)
        chain = _continued(going[at], event)
        if chain is None:
            chain = Chain(site=event.site, start=event.before or 0.0)
            chains.append(chain)
            going[at] = [*going[at][-_MOST_OPEN:], chain]
        chain.add(event)
    return chains


def _continued(going: list[Chain], event: IncrementEvent) -> Chain | None:
    if event.before is None:
        return going[-1] if going else None
    if event.before == 0.0:
        return next((each for each in reversed(going[-1:]) if each.total == 0.0), None)
    for chain in reversed(going):
        if abs(chain.total - event.before) <= _SAME * max(abs(event.before), abs(chain.total)):
            return chain
    return None
