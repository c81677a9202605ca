"""Loops that repeat the same tokens, and losses that are revised by a later pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.audit.regions import Split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.events import Score, Selected, Update
    from harness.audit.score_order.event_index import EventIndex

MEMBERS_COMPARED = 50  # scores inside one choice that are compared with each other
_LEARNERS = {StateKind.WEIGHTS, StateKind.ADAPTER, StateKind.DELTA}


def repetitions(index: EventIndex, update: Update) -> int | None:
    """How often a loop around the update repeats the same tokens, as far as known."""
    trips = (index.loops[loop].trips for loop in repeating_loops(index, update))
    return next((known for known in trips if known is not None and known > 1), None)


def repeating_loops(index: EventIndex, update: Update) -> Iterator[int]:
    """The loops around an update whose passes take the same tokens, outermost first.

    Where nothing says so, a loop that the choice of tokens does not depend on repeats them, provided that
    another loop does choose: else the tokens may be drawn at random.
    """
    chosen = dict(update.region.loops)
    for loop, _ in update.loops:
        entered = index.loops.get(loop)
        if entered is None or loop in chosen or entered.advances:
            continue
        if entered.advances is False or (chosen and update.region.is_exact and entered.trips is not None):
            yield loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A choice of the lower loss: `later` scores tokens again after `update`. `members` are all inside."""

    selection: Selected
    members: tuple[int, ...]
    later: Score
    update: Update


def find_revisions(index: EventIndex) -> Iterator[Revision]:
    """Choices of the lower loss among passes over the same tokens, inside the claimed number.

    Passes differ by what their state had learned from validation; without that nothing was revised. Whether
    a pass had learned from the very token does not matter: the choice itself uses the answer.
    """
    for name, selection in index.selections.items():
        if name not in index.claim_names or selection.by != "loss":
            continue
        inside = [s for s in index.inside(selection.scores) if s.region.split is Split.VALIDATION]
        found = _revision(index, inside[:MEMBERS_COMPARED])
        if found is not None:
            later, update = found
            members = tuple(score.id for score in inside)
            yield Revision(selection=selection, members=members, later=later, update=update)


def _revision(index: EventIndex, members: list[Score]) -> tuple[Score, Update] | None:
    for later in members:
        for one in members:
            if one.id >= later.id or not one.region.overlaps(later.region):
                continue
            for name in sorted(set(later.updates) - set(one.updates)):
                update = index.updates.get(name)
                learned = update is not None and update.region.split is Split.VALIDATION
                if update is not None and learned and update.kind in _LEARNERS:
                    return later, update
    return None
