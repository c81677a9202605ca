"""The events of one profile by what they are, and which scores are inside a printed number."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from harness.audit.events import (
    BranchSilent,
    Event,
    Exported,
    ForwardPass,
    LoopEntered,
    Mixed,
    PhaseMark,
    Reloaded,
    Reset,
    Score,
    Selected,
    Sink,
    TokensRead,
    Unresolved,
    Update,
)
from harness.audit.regions import Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.audit.events import ProfileAudit

T = TypeVar("T", bound=Event)


class EventIndex:
    """The events of a profile, and the scores that the claimed number is made of.

    A mixture or a choice has a name of its own; `inside` follows such names down to the forward passes.
    """

    def __init__(self, audit: ProfileAudit) -> None:
        """Sort the events once; every list stays in the order of time."""
        self.audit = audit
        self.updates = {event.id: event for event in self.all_of(Update)}
        self.scores = {event.id: event for event in self.all_of(Score)}
        self.reads = {event.id: event for event in self.all_of(TokensRead)}
        self.loops = {event.loop: event for event in self.all_of(LoopEntered)}
        self.exports = self.all_of(Exported)
        self.reloads = self.all_of(Reloaded)
        self.resets = self.all_of(Reset)
        self.marks = self.all_of(PhaseMark)
        self.unresolved = self.all_of(Unresolved)
        self.sinks = self.all_of(Sink)
        self.silent = self.all_of(BranchSilent)
        self.forwards = self.all_of(ForwardPass)
        self.selections = {event.score: event for event in self.all_of(Selected)}
        self._on_validation = frozenset(update.id for update in self.validation_updates())
        self._parts: dict[int, tuple[int, ...]] = {
            event.score: event.scores for event in audit.events if isinstance(event, (Mixed, Selected))
        }
        self.claim_sinks = tuple(sink for sink in self.sinks if sink.is_claim)
        names = self.names_inside(name for sink in self.claim_sinks for name in sink.scores)
        self.claim_names = frozenset(names)
        self.claim_scores = self._scores_of(names)
        self.reported = frozenset(self.names_inside(name for sink in self.sinks for name in sink.scores))

    def all_of(self, kind: type[T]) -> tuple[T, ...]:
        """The events of one kind, in order of time."""
        return tuple(event for event in self.audit.events if isinstance(event, kind))

    def names_inside(self, names: Iterable[int]) -> set[int]:
        """These score names and all that went into them."""
        found: set[int] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self._parts.get(name, ()))
        return found

    def inside(self, names: Iterable[int]) -> tuple[Score, ...]:
        """The forward passes behind these score names, in order of time."""
        return self._scores_of(self.names_inside(names))

    def _scores_of(self, names: Iterable[int]) -> tuple[Score, ...]:
        return tuple(self.scores[name] for name in sorted(names) if name in self.scores)

    def validation_scores(self) -> tuple[Score, ...]:
        """The scores of validation tokens inside the claimed number."""
        return tuple(s for s in self.claim_scores if s.region.split is Split.VALIDATION)

    def validation_updates(self) -> tuple[Update, ...]:
        """Everything that learned from validation tokens, whether or not it reaches the claim."""
        return tuple(u for u in self.updates.values() if u.region.split is Split.VALIDATION)

    def learned_from_validation(self, score: Score) -> Iterator[Update]:
        """The updates on validation tokens inside the state that made a score, in order of time."""
        for name in sorted(self._on_validation.intersection(score.updates)):
            yield self.updates[name]

    def sink_of(self, score: Score) -> Sink | None:
        """The claimed number that this score is inside of."""
        for sink in self.claim_sinks:
            if score.id in self.names_inside(sink.scores):
                return sink
        return None
