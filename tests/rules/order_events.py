"""Event trees of evaluations that score and learn: each legal one has a twin that differs by one edit.

Lines are those of the default script of `tests.harness.audit.audit_builder`: tokens are read in line 10,
chunks are looped over in line 20, scored in line 30, the gradient is taken in line 39, the step in line 40,
and the number is printed in line 90. Phases of their own are called from lines 60 (learn) and 80 (score).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.audit.events import (
    Event,
    Exported,
    ForwardPass,
    LoopEntered,
    PhaseMark,
    Reloaded,
    Reset,
    Score,
    Selected,
    Sink,
    StateKind,
    TokensRead,
    Update,
)
from harness.audit.regions import Split
from tests.harness.audit.audit_builder import at, train, val

if TYPE_CHECKING:
    from harness.audit.regions import Region

READ, CHUNKS, SCORED, BACKWARD, STEPPED, LEARN_CALL, SCORE_CALL, PRINTED = 10, 20, 30, 39, 40, 60, 80, 90
FIRST, SECOND, WHOLE = val((1, (0, 0))), val((1, (1, 1))), val()
STATE = 1


class Trace:
    """Collects events; ids grow with time."""

    def __init__(self) -> None:
        """Begins with validation tokens coming in."""
        self.events: list[Event] = []
        self.read = self._add(TokensRead(id=1, at=at(READ), split=Split.VALIDATION))

    def _add(self, event: Event) -> int:
        self.events.append(dataclasses.replace(event, id=len(self.events) + 1))
        return len(self.events)

    def loop(
        self, loop: int = 1, line: int = CHUNKS, trips: int | None = None, *, advances: bool = True
    ) -> int:
        """A loop starts."""
        return self._add(LoopEntered(id=0, at=at(line), loop=loop, trips=trips, advances=advances))

    def score(
        self,
        region: Region = WHOLE,
        *updates: int,
        line: int = SCORED,
        loops: tuple[tuple[int, int], ...] = (),
        call: int | None = None,
        has_gradient: bool = False,
    ) -> int:
        """A forward pass whose loss is taken."""
        return self._add(
            Score(
                id=0,
                at=at(line),
                forward=at(line),
                region=region,
                states=(STATE,),
                updates=updates,
                loops=loops,
                calls=() if call is None else (at(call),),
                has_gradient=has_gradient,
            )
        )

    def update(
        self,
        region: Region = WHOLE,
        kind: StateKind = StateKind.WEIGHTS,
        *,
        line: int = STEPPED,
        loops: tuple[tuple[int, int], ...] = (),
        call: int | None = None,
    ) -> int:
        """A step on these tokens."""
        return self._add(
            Update(
                id=0,
                at=at(line),
                state=STATE,
                kind=kind,
                name="model",
                region=region,
                how="optimizer.step",
                backward=at(line - 1),
                reads=(self.read,) if region.split is Split.VALIDATION else (),
                loops=loops,
                calls=() if call is None else (at(call),),
            )
        )

    def reset(self, *updates: int, line: int = 45) -> int:
        """The state forgets updates."""
        return self._add(Reset(id=0, at=at(line), state=STATE, forgets=updates))

    def export(self, *updates: int, line: int = 70, reads: tuple[int, ...] = ()) -> int:
        """The state is written."""
        return self._add(Exported(id=0, at=at(line), state=STATE, updates=updates, reads=reads))

    def reload(self, *updates: int, line: int = 75) -> int:
        """The state is read back."""
        return self._add(Reloaded(id=0, at=at(line), state=STATE, updates=updates))

    def selected(self, *scores: int, by: str = "loss", line: int = 50, per_token: bool = True) -> int:
        """One of several scores is kept; the name of the result is the event's own id."""
        event = Selected(
            id=0, at=at(line), score=len(self.events) + 1, scores=scores, by=by, per_token=per_token
        )
        return self._add(event)

    def mark(self, phase: str, line: int = 15) -> int:
        """A boundary of time."""
        return self._add(PhaseMark(id=0, at=at(line), phase=phase))

    def add(self, event: Event) -> int:
        """Any other event."""
        return self._add(event)

    def printed(
        self, *scores: int, line: int = PRINTED, is_claim: bool = True, label: str = "final val_bpb:"
    ) -> tuple[Event, ...]:
        """The number is printed; all events so far."""
        self._add(Sink(id=0, at=at(line), label=label, scores=scores, is_claim=is_claim))
        return tuple(self.events)


def plain() -> tuple[Event, ...]:
    """Training on training tokens, then one pass over validation."""
    trace = Trace()
    step = trace.update(train(), line=5)
    return trace.printed(trace.score(WHOLE, step))


def chunked(
    kind: StateKind = StateKind.WEIGHTS, *, swapped: bool = False, ahead: bool = False, kept: bool = True
) -> tuple[Event, ...]:
    """Score a chunk, then learn from it. `kept`: the next chunk is scored with what was learned."""
    trace = Trace()
    trace.loop()
    inner = ((1, 0),)
    if swapped:
        step = trace.update(FIRST, kind, loops=inner)
        return trace.printed(trace.score(FIRST, step, loops=inner))
    one = trace.score(FIRST, loops=inner)
    step = trace.update(SECOND if ahead else FIRST, kind, loops=inner)
    if not kept:
        trace.reset(step)
    two = trace.score(SECOND, *([step] if kept else []), loops=((1, 1),))
    trace.update(SECOND, kind, loops=((1, 1),))
    return trace.printed(one, two)


def two_phases(
    *, before: bool = True, first_score: str = "", through_file: bool = False, epochs: int = 10
) -> tuple[Event, ...]:
    """A phase that learns from all of validation, and one that scores it: `before` decides the order.

    `first_score`: "discarded" or "reported", a loss taken before each step inside the learning phase;
    "untaken": a forward pass there without any loss.
    """
    trace = Trace()
    trained = trace.update(train(), line=5)
    if not before:
        done = trace.score(WHOLE, trained, call=SCORE_CALL)
    trace.loop(3, 35, epochs, advances=False)
    trace.loop(4, 36)
    inner, part = ((3, 0), (4, 0)), val((4, (0, 0)))
    if first_score == "untaken":
        trace.add(
            ForwardPass(id=0, at=at(37), region=part, state=STATE, loops=inner, calls=(at(LEARN_CALL),))
        )
    elif first_score:
        first = trace.score(part, trained, line=37, loops=inner, call=LEARN_CALL)
        if first_score == "reported":
            trace.printed(first, line=62, is_claim=False, label="ttt val_bpb:")
    trace.score(part, trained, line=38, loops=inner, call=LEARN_CALL, has_gradient=True)
    step = trace.update(part, loops=inner, call=LEARN_CALL)
    if through_file:
        trace.export(trained, step)
        trace.reload(trained, step)
    if before:
        done = trace.score(WHOLE, trained, step, call=SCORE_CALL)
    return trace.printed(done)


def epochs(counted: int, trips: int | None = 3) -> tuple[Event, ...]:
    """The same document over and over: score, then learn; `counted` is the epoch whose loss is printed."""
    trace = Trace()
    trace.loop(2, 20)
    trace.loop(3, 25, trips, advances=False)
    document = val((2, (0, 0)))
    scores = [trace.score(document, loops=((2, 0), (3, 0)))]
    step = trace.update(document, StateKind.ADAPTER, loops=((2, 0), (3, 0)))
    scores.append(trace.score(document, step, loops=((2, 0), (3, 1))))
    last = trace.update(document, StateKind.ADAPTER, loops=((2, 0), (3, 1)))
    trace.reset(step, last)
    scores.append(trace.score(val((2, (1, 1))), loops=((2, 1), (5, 0))))
    return trace.printed(scores[counted], scores[2])


def passes(kept: str) -> tuple[Event, ...]:
    """Two passes over validation with a step between; `kept` is "lowest" or "first"."""
    trace = Trace()
    trace.loop(3, 25, 2, advances=False)
    one = trace.score(WHOLE, loops=((3, 0),))
    step = trace.update(WHOLE, loops=((3, 0),))
    two = trace.score(WHOLE, step, loops=((3, 1),))
    lowest = trace.selected(one, two)
    return trace.printed(lowest if kept == "lowest" else one)


def warm_up(*, kept: bool) -> tuple[Event, ...]:
    """A step on validation before the scored pass, kept or undone."""
    trace = Trace()
    step = trace.update(val((9, (0, 0))), StateKind.ADAPTER, line=18, loops=((9, 0),), call=17)
    if not kept:
        trace.reset(step, line=19)
    return trace.printed(trace.score(WHOLE, *([step] if kept else []), call=SCORE_CALL))
