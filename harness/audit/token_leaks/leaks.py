"""Finds leaks of the scored token in the events of one profile, and the printed numbers they reach."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from harness.audit.events import (
    Event,
    KeyPart,
    Lookup,
    Mixed,
    ProfileAudit,
    Score,
    Selected,
    Sink,
    Unresolved,
    Update,
)
from harness.audit.token_flow.flow_recorder import UNPLACED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.events import Spot

# A call over several lines is printed at one of them; the two passes may name different ones.
LINES_OF_A_CALL = 4
_IN_TURN_DOUBT = "whether what the table counts first is scored with it"
# Choices between losses, with what keeps them from being proven.
_CHOICES: dict[str, tuple[str, ...]] = {
    "loss": (),
    "order": ("which of the losses that are compared is counted",),
}

_E = TypeVar("_E", bound=Event)


class LeakKind(StrEnum):
    """What a reviewer would call it."""

    KEY_TARGET = "key-target"  # one key holds context and the scored token
    TARGET_GATE = "target-gate"  # whether or how much is mixed depends on the scored token
    ORACLE = "oracle"  # the lower of two losses of a token is kept
    PSEUDO_EXPERT = "pseudo-expert"  # something that is no log-probability is mixed like one
    SPREAD = "spread"  # a token's log-probability is divided over its bytes and mixed there
    COUNTED_FIRST = "counted-first"  # the table had counted the tokens before they were scored with it
    COUNTED_IN_TURN = "counted-in-turn"  # as above, chunk by chunk, as far as can be seen
    TARGET_ONLY = "target-only"  # one cell of a row is mixed into the scored token alone, nothing else wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One leak. `doubts` keep it from being proven; `at` is the line to look at first."""

    kind: LeakKind
    at: Event
    lookup: Lookup | None = None
    other: Lookup | None = None  # the count it is divided by
    update: Update | None = None
    score: Score | None = None
    sink: Sink | None = None
    doubts: tuple[str, ...] = ()

    @property
    def is_proven(self) -> bool:
        """Whether the chain from token to claimed number has no gap."""
        return not self.doubts


class TokenIndex:
    """The token events of a profile by kind and id."""

    def __init__(self, audit: ProfileAudit) -> None:
        self.audit = audit
        self.lookups = _of(audit, Lookup)
        self.updates = _of(audit, Update)
        self.scores = _of(audit, Score)
        self.mixed = _of(audit, Mixed)
        self.selected = _of(audit, Selected)
        self.sinks = list(_of(audit, Sink).values())
        self.unplaced = {one.at for one in _of(audit, Unresolved).values() if one.reason == UNPLACED}
        self.claims = [event for event in audit.events if isinstance(event, Sink) and event.is_claim]

    def is_claimed(self, sink: Sink) -> bool:
        """Whether the interpreter knows this printed number as the claimed one.

        It may have followed the number into a function that prints what it is given, where this pass stops at
        the call.
        """
        return any(
            spot.file == sink.at.file and abs(spot.line - sink.at.line) <= LINES_OF_A_CALL
            for claim in self.claims
            for spot in (claim.at, *claim.calls[-1:])
        )

    def sink_of(self, score: int) -> Sink | None:
        """A printed number that holds the score, the claimed one first."""
        reached = [sink for sink in self.sinks if score in sink.scores]
        return next((sink for sink in reached if self.is_claimed(sink)), reached[-1] if reached else None)

    def witness(self) -> Sink | None:
        """The claimed number, when a score of single tokens was followed into it."""
        return next((sink for sink in self.sinks if sink.scores and self.is_claimed(sink)), None)


def _of(audit: ProfileAudit, kind: type[_E]) -> dict[int, _E]:
    return {event.id: event for event in audit.token_events if isinstance(event, kind)}


def find_leaks(audit: ProfileAudit) -> tuple[Leak, ...]:
    """The leaks that reach a printed number, in order of their lines; one per kind and line."""
    index = TokenIndex(audit)
    found: dict[tuple[LeakKind, Spot], Leak] = {}
    for leak in _all(index):
        key = leak.kind, leak.at.at
        if key not in found or (leak.is_proven and not found[key].is_proven):
            found[key] = leak
    return tuple(found.values())


def _all(index: TokenIndex) -> Iterator[Leak]:
    chosen = {one for event in index.selected.values() if event.by == "loss" for one in event.scores}
    for event in index.selected.values():
        if event.by in _CHOICES:
            leak = Leak(kind=LeakKind.ORACLE, at=event, doubts=_CHOICES[event.by])
            yield from _reaching(index, event, event.score, leak)
    for mixed in index.mixed.values():
        for leak in _of_mixture(index, mixed, is_chosen=mixed.score in chosen):
            yield from _reaching(index, mixed, mixed.score, leak)


def _reaching(index: TokenIndex, event: Mixed | Selected, score: int, leak: Leak) -> Iterator[Leak]:
    sink = index.sink_of(score)
    if isinstance(event, Selected) and event.by == "loss" and sink is None:
        sink = next((found for one in event.scores if (found := index.sink_of(one)) is not None), None)
    if sink is None:
        return
    doubts = list(leak.doubts)
    if index.claims and not index.is_claimed(sink):
        doubts.append(f"whether the number printed at {sink.at.file}:{sink.at.line} is the claimed one")
    elif not index.claims:
        doubts.append("which printed number is the claimed one")
    first = next((index.scores[one] for one in event.scores if one in index.scores), None)
    yield Leak(
        kind=leak.kind,
        at=leak.at,
        lookup=leak.lookup,
        other=leak.other,
        update=leak.update,
        score=first,
        sink=sink,
        doubts=tuple(doubts),
    )


def _of_mixture(index: TokenIndex, mixed: Mixed, *, is_chosen: bool) -> Iterator[Leak]:
    read = [index.lookups[one] for one in mixed.lookups if one in index.lookups]
    target = [one for one in read if KeyPart.TARGET in one.key]
    joint = [one for one in target if KeyPart.CONTEXT in one.key and not one.row_target]
    yield from _counted_first(index, mixed, read)
    if mixed.spread:
        yield Leak(kind=LeakKind.SPREAD, at=mixed, lookup=next(iter(read), None))
    if joint:
        own = joint[0]
        # Exact keys keep counts apart: then the ratio is a probability, and its use a question of policy.
        doubts = () if own.is_hashed else ("whether keys that are kept apart may hold the scored token",)
        if own.at in index.unplaced and not mixed.ratio:
            doubts = (*doubts, "which token the longer key holds beside those of the shorter")
        rest = next((one for one in read if KeyPart.TARGET not in one.key), None)
        yield Leak(kind=LeakKind.KEY_TARGET, at=mixed, lookup=own, other=rest, doubts=doubts)
    elif mixed.normalised and (alone := next((one for one in target if not one.row_target), None)):
        # A whole row, chosen by the token that is then looked for in it.
        yield Leak(kind=LeakKind.KEY_TARGET, at=mixed, lookup=alone)
        yield Leak(kind=LeakKind.TARGET_GATE, at=mixed, lookup=alone)
    elif mixed.pseudo:
        yield Leak(kind=LeakKind.PSEUDO_EXPERT, at=mixed, lookup=next(iter(target), None))
    elif KeyPart.TARGET in mixed.weight_parts and not is_chosen:
        row = next(iter(target), None)
        doubts = () if row is not None else ("whether the weight depends on the token being scored",)
        yield Leak(kind=LeakKind.TARGET_GATE, at=mixed, lookup=row, doubts=doubts)
    elif mixed.normalised and target:
        yield Leak(kind=LeakKind.TARGET_GATE, at=mixed, lookup=target[0])
    elif target and not is_chosen and not mixed.spread:
        yield Leak(kind=LeakKind.TARGET_ONLY, at=mixed, lookup=target[0], doubts=("policy",))


def _counted_first(index: TokenIndex, mixed: Mixed, read: list[Lookup]) -> Iterator[Leak]:
    for lookup in read:
        update = next((index.updates[one] for one in lookup.already if one in index.updates), None)
        in_turn = lookup.in_turn if update is not None else True
        update = update or _counted_in_the_same_pass(index, lookup)
        if update is not None:
            doubts = (_IN_TURN_DOUBT,) if in_turn else ()
            yield Leak(
                kind=LeakKind.COUNTED_IN_TURN if in_turn else LeakKind.COUNTED_FIRST,
                at=mixed,
                lookup=lookup,
                update=update,
                doubts=doubts,
            )
            return


def _counted_in_the_same_pass(index: TokenIndex, lookup: Lookup) -> Update | None:
    """A count in the same passes of the same loops, whose line comes before that of the lookup.

    Of the passes of an inner loop the events keep the last lookup; in which order the lines come shows in
    the first pass, and both have been seen there in that order.
    """
    for name in lookup.updates:
        update = index.updates.get(name)
        if update is None or lookup.region is None or update.id > lookup.id or not lookup.loops:
            continue
        outer = update.loops[:1] == lookup.loops[:1]
        if outer and [loop for loop, _ in update.loops] == [loop for loop, _ in lookup.loops]:
            return update
    return None
