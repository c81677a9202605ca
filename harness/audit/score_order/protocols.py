"""Which accepted forms of test-time training the claimed number uses."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.audit.regions import Split
from harness.audit.score_order.repetition import repeating_loops

if TYPE_CHECKING:
    from harness.audit.events import Score, Update
    from harness.audit.score_order.event_index import EventIndex


class Protocol(StrEnum):
    """Forms by what learns, what forgets, and who uses it."""

    CHUNKED = "chunked"  # weights learn from a scored chunk, later chunks use them
    PER_DOCUMENT = "per-document"  # an adapter that starts afresh for other documents
    MULTI_EPOCH = "multi-epoch"  # several epochs over tokens already scored
    MULTI_PHASE = "multi-phase"  # weights learn between phases beside an adapter
    CARRY_OVER = "carry-over"  # an adapter kept for other documents
    CONTEXT_SHIFT = "context-shift"  # a shift optimised per batch


def used_protocols(index: EventIndex) -> dict[Protocol, tuple[Score, Update]]:
    """Each form the claim uses, with a score and the update inside the state that made it."""
    found: dict[Protocol, tuple[Score, Update]] = {}
    forgotten = {name for reset in index.resets for name in reset.forgets}
    kinds = {update.kind for _, update in _held(index)}
    for score, update in _held(index):
        for protocol in _protocols(index, score, update, kinds, forgotten):
            found.setdefault(protocol, (score, update))
    return found


def _held(index: EventIndex) -> list[tuple[Score, Update]]:
    """Updates on validation by the first score of the claim that has them inside."""
    first: dict[int, tuple[Score, Update]] = {}
    for score in index.validation_scores():
        for name in score.updates:
            update = index.updates.get(name)
            if update is not None and update.region.split is Split.VALIDATION:
                first.setdefault(name, (score, update))
    return list(first.values())


def _protocols(
    index: EventIndex, score: Score, update: Update, kinds: set[StateKind], forgotten: set[int]
) -> list[Protocol]:
    found = []
    if update.kind is StateKind.WEIGHTS:
        found.append(Protocol.MULTI_PHASE if StateKind.ADAPTER in kinds else Protocol.CHUNKED)
    elif update.kind is StateKind.ADAPTER:
        kept = update.id not in forgotten and _moved_on(score, update)
        found.append(Protocol.CARRY_OVER if kept else Protocol.PER_DOCUMENT)
    elif update.kind is StateKind.DELTA:
        found.append(Protocol.CONTEXT_SHIFT)
    if any(index.loops[loop].trips != 1 for loop in repeating_loops(index, update)):
        found.append(Protocol.MULTI_EPOCH)
    return found


def _moved_on(score: Score, update: Update) -> bool:
    """True when the score lies in another pass of the outermost loop over documents."""
    chosen = dict(update.region.loops)
    learned = dict(update.loops)
    for loop, turn in score.loops:
        if loop in learned and loop in chosen:
            return learned[loop] != turn
    return False
