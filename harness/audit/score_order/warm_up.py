"""Steps made only to warm up: whether their state is kept, undone, or simply never used again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.audit.score_order.throwaway import reset_of

if TYPE_CHECKING:
    from harness.audit.events import Reset, Update
    from harness.audit.score_order.breach import Breach
    from harness.audit.score_order.event_index import EventIndex
    from harness.audit.score_order.reading import OrderReading

_LEARNERS = {StateKind.WEIGHTS, StateKind.ADAPTER, StateKind.DELTA}


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """A step that the claimed score does not depend on. `optimizer` is where the optimiser forgot it too.

    `reset` is where the state forgot it; None for an adapter that nothing uses again.
    """

    update: Update
    reset: Reset | None
    optimizer: Reset | None

    @property
    def leaves_nothing(self) -> bool:
        """Whether weights and optimiser are both as before, or are never used again."""
        return self.reset is None or self.optimizer is not None


def kept_warm_up(reading: OrderReading) -> Breach | None:
    """A proven breach by a step on a piece of validation that no loop moves on: no evaluation, a warm-up."""
    for breach in reading.breaches:
        update = breach.update
        fixed = not update.region.loops and update.region.is_exact and update.kind in _LEARNERS
        if fixed and breach.is_proven and update.id < breach.score.id and breach.first is None:
            return breach
    return None


def undone_warm_up(reading: OrderReading) -> WarmUp | None:
    """The first warm-up that left no trace in the claimed score: on validation, else before training."""
    index = reading.index
    if reading.throwaway:
        update = reading.throwaway[0]
        reset = reset_of(index, update)
        return WarmUp(update=update, reset=reset, optimizer=_optimizer_reset(index, update, reset))
    scores = index.claim_scores
    if not scores:
        return None
    held = {name for score in scores for name in score.updates}
    for reset in index.resets:
        if reset.id > scores[0].id:
            return None
        undone = [index.updates[name] for name in reset.forgets if name in index.updates]
        again = [u for u in index.updates.values() if u.id > reset.id and u.state == reset.state]
        if undone and again and not held & set(reset.forgets):
            update = undone[0]
            return WarmUp(update=update, reset=reset, optimizer=_optimizer_reset(index, update, reset))
    return None


def _optimizer_reset(index: EventIndex, update: Update, reset: Reset | None) -> Reset | None:
    """Where an optimiser took back its state after the step and before the state learns again."""
    if reset is None:
        return None
    later = (u.id for u in index.updates.values() if u.id > reset.id and u.state == reset.state)
    end = min(later, default=None)
    for one in index.resets:
        if one.of_optimizer and one.id > update.id and (end is None or one.id < end):
            return one
    return None
