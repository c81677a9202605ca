"""Puts the records of several ranks together as one, in an order that what they exchanged allows.

Ranks run side by side and meet in their exchanges: what a rank did before one comes before all that any rank
did after it. Between two exchanges nothing is known, and the events of one rank come after those of another
as if they had taken turns; `EventRecord.is_before` says which order is real.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.event_record import EventRecord
from harness.dynamic.events import CutEvent, Event, ExchangeEvent

if TYPE_CHECKING:
    from collections.abc import Sequence


def united(records: Sequence[EventRecord]) -> EventRecord:
    """One record of all ranks; `records` are theirs in order. Events get numbers of their own."""
    rounds = [_rounds(record) for record in records]
    events: list[Event] = []
    round_at: list[int] = []
    numbers: list[dict[int, int]] = [{} for _ in records]
    for number, turn in enumerate(zip_longest(*rounds, fillvalue=())):
        # The exchange that ends a round comes last on every rank: none got anything before all had given.
        bodies = [(rank, part[:-1] if _ends(part) else part) for rank, part in enumerate(turn)]
        ends = [(rank, part[-1:] if _ends(part) else ()) for rank, part in enumerate(turn)]
        for rank, part in (*bodies, *ends):
            for event in part:
                numbers[rank][event.number] = len(events)
                events.append(_renumbered(event, len(events), rank, numbers[rank]))
                round_at.append(number)
    return EventRecord(
        events=tuple(events),
        problems=tuple(f"rank {record.rank}: {problem}" for record in records for problem in record.problems)
        or _mismatch(records),
        dropped=dict(sum((Counter(record.dropped) for record in records), Counter())),
        sealed=None if any(record.sealed is None for record in records) else all(r.sealed for r in records),
        reached=tuple(each for record in records for each in record.reached),
        unseen=tuple(each for record in records for each in record.unseen),
        ranks=len(records),
        rounds=np.array(round_at, dtype=np.int64),
        unordered=_unordered(records),
    )


def _rounds(record: EventRecord) -> list[tuple[Event, ...]]:
    """Its events, cut behind every exchange that all ranks take part in."""
    found: list[tuple[Event, ...]] = []
    part: list[Event] = []
    for event in record.events:
        part.append(event)
        if isinstance(event, ExchangeEvent) and event.is_all:
            found.append(tuple(part))
            part = []
    return [*found, tuple(part)]


def _ends(part: Sequence[Event]) -> bool:
    return bool(part) and isinstance(part[-1], ExchangeEvent) and part[-1].is_all


def _renumbered(event: Event, number: int, rank: int, known: dict[int, int]) -> Event:
    if isinstance(event, CutEvent):
        return replace(event, number=number, rank=rank, loss=known.get(event.loss, -1))
    return replace(event, number=number, rank=rank)


def _mismatch(records: Sequence[EventRecord]) -> tuple[str, ...]:
    exchanged = [
        [(event.op, event.reduction, event.size) for event in record.of(ExchangeEvent) if event.is_all]
        for record in records
    ]
    if all(each == exchanged[0] for each in exchanged):
        return ()
    return ("the ranks did not take part in the same exchanges",)


def _unordered(records: Sequence[EventRecord]) -> str:
    """Why the order of events of different ranks is unknown, "" where the exchanges of all give it."""
    for record in records:
        for event in record.of(ExchangeEvent):
            if not event.is_all:
                return f"ranks exchanged data in pairs or groups ({event.op})"
    return ""
