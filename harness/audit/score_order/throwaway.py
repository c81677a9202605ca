"""Updates on validation tokens of which nothing reaches the claimed score: compile warm-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import StateKind

if TYPE_CHECKING:
    from harness.audit.events import Reset, Update
    from harness.audit.score_order.event_index import EventIndex

_LEARNERS = {StateKind.WEIGHTS, StateKind.ADAPTER, StateKind.DELTA}


def throwaway_updates(index: EventIndex) -> tuple[Update, ...]:
    """Steps on validation before the claimed pass that neither it nor any printed number depends on.

    An earlier evaluation that is printed is no warm-up: its scores share a loop or a call with its updates.
    """
    scores = index.validation_scores()
    if not scores:
        return ()
    begins = scores[0].id
    held = {name for score in index.claim_scores for name in score.updates}
    reported = [index.scores[name] for name in index.reported if name in index.scores]
    turns = {turn for score in reported for turn in score.loops}
    calls = {score.calls for score in reported}
    return tuple(
        update
        for update in index.validation_updates()
        if update.id < begins
        and update.id not in held
        and update.kind in _LEARNERS
        and not turns & set(update.loops)
        and update.calls not in calls
    )


def reset_of(index: EventIndex, update: Update) -> Reset | None:
    """Where the state forgot the update, None when it was simply not used again."""
    return next((reset for reset in index.resets if update.id in reset.forgets), None)
