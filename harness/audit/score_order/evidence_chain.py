"""The places of a breach or of a clean verdict, in the order in which they are executed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.audit.regions import Split
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.audit.events import Event, Score, Sink, Spot, TokensRead, Update
    from harness.audit.score_order.breach import Breach
    from harness.audit.score_order.clean_witness import Witness
    from harness.audit.score_order.event_index import EventIndex
    from harness.audit.submission_audit import SubmissionAudit
    from harness.finding import Place

CALLS_SHOWN = 3  # call lines of one event: more would bury the lines that decide
Step = tuple["Spot", str]


def at(spot: Spot) -> str:
    """The spot as a reviewer writes it."""
    return f"{spot.file}:{spot.line}"


def breach_places(audit: SubmissionAudit, index: EventIndex, breach: Breach) -> tuple[Place, ...]:
    """From where validation tokens enter to the printed line; the update is what to look at first."""
    steps: list[Step] = []
    steps += entrance(index, breach.update)
    steps += _around(breach.score, breach.update)
    if breach.first is not None:
        steps += _calls(own_calls(breach.first, breach.score), "call of the first pass")
        steps.append((breach.first.forward, "first score of the same tokens, before the update"))
    steps += _calls(own_calls(breach.update, breach.score), "call of the part that learns")
    if breach.unused is not None:
        note = "first pass over the same tokens, before the update: its result goes nowhere"
        steps.append((breach.unused.at, note))
    if breach.update.backward is not None:
        steps.append((breach.update.backward, "gradient of their loss"))
    decisive = breach.update.at
    steps.append((decisive, f"{breach.update.how} learns from them"))
    if breach.export is not None:
        steps.append((breach.export.at, "the state is written into the artifact"))
    if breach.reload is not None:
        steps.append((breach.reload.at, "and read back"))
    steps += _calls(own_calls(breach.score, breach.update), "call of the scored pass")
    steps.append((breach.score.forward, "the same tokens are scored with what was learned"))
    if breach.score.at != breach.score.forward:
        steps.append((breach.score.at, "the loss that is counted"))
    if breach.selected is not None:
        decisive = breach.selected.at
        steps.append((decisive, "the lowest of several losses is kept"))
    steps += _printed(breach.sink)
    return placed(audit, steps, decisive)


def witness_places(audit: SubmissionAudit, index: EventIndex, witness: Witness) -> tuple[Place, ...]:
    """The score, the update after it, who uses it, and the printed line."""
    score, update = witness.score, witness.update
    steps: list[Step] = []
    if update is not None:
        steps += entrance(index, update)
        steps += _around(score, update)
        steps += _calls(own_calls(score, update), "call of the scored pass")
    steps.append((score.forward, "scored first, with a state that had not learned from these tokens"))
    if score.at != score.forward:
        steps.append((score.at, "the loss that is counted"))
    if update is not None:
        steps += _calls(own_calls(update, score), "call of the part that learns")
        if update.backward is not None:
            steps.append((update.backward, "gradient of their loss"))
        again = witness.later is not None and witness.later.forward == score.forward
        then = f"; {at(score.forward)} scores later tokens with it" if again else ""
        steps.append((update.at, f"{update.how} learns from these tokens afterwards{then}"))
    if witness.later is not None and witness.later.forward != score.forward:
        steps.append((witness.later.forward, "later tokens are scored with what was learned"))
    steps += _printed(witness.sink)
    return placed(audit, steps, score.forward)


def placed(audit: SubmissionAudit, steps: Iterable[Step], decisive: Spot) -> tuple[Place, ...]:
    """Places without repetition: a line that does two things says both, the decisive one is primary."""
    notes: dict[Spot, list[str]] = {}
    for spot, note in steps:
        if spot.line >= 1 and note not in notes.setdefault(spot, []):
            notes[spot].append(note)
    places = [
        audit.place(spot, "; ".join(said), Role.PRIMARY if spot == decisive else Role.RELATED)
        for spot, said in notes.items()
    ]
    if places and not any(place.role is Role.PRIMARY for place in places):
        places[0] = dataclasses.replace(places[0], role=Role.PRIMARY)
    return tuple(places)


def entrance(index: EventIndex, update: Update) -> list[Step]:
    """Where the tokens an update learned from come in: the call of the script itself, and the file."""
    read = read_behind(index, update)
    if read is None:
        return []
    what = f"{read.split.value} tokens"
    called = own_calls(read, update)
    path = f" from {read.path}"[:80] if read.path else ""
    if not called:
        return [(read.at, f"{what} are read{path}")]
    return [(called[0], f"{what} come in"), (read.at, f"read{path}")]


def read_behind(index: EventIndex, update: Update) -> TokensRead | None:
    """Where the tokens an update learned from came in."""
    known = [index.reads[name] for name in update.reads if name in index.reads]
    wanted = [read for read in known if read.split is update.region.split]
    if wanted:
        return wanted[0]
    every = index.reads.values()
    return next((read for read in every if read.split is Split.VALIDATION and read.id < update.id), None)


def _calls(calls: tuple[Spot, ...], note: str) -> list[Step]:
    if len(calls) > CALLS_SHOWN:
        calls = (*calls[: CALLS_SHOWN - 1], calls[-1])
    return [(call, note) for call in calls]


def _printed(sink: Sink | None) -> list[Step]:
    if sink is None:
        return []
    said = f" ({sink.label.strip()[:60]})" if sink.label.strip() else ""
    return [(sink.at, f"the claimed number is printed{said}")]


def own_calls(event: Event, other: Event) -> tuple[Spot, ...]:
    """The call lines that lead to one event and not to the other: where their paths part."""
    shared = 0
    for one, two in zip(event.calls, other.calls, strict=False):
        if one != two:
            break
        shared += 1
    return event.calls[shared:]


def score_spot(breach: Breach) -> Spot:
    """The line a reader knows the scored pass by: the call that leads to it alone, else the forward."""
    calls = own_calls(breach.score, breach.update)
    return calls[0] if calls else breach.score.forward


def update_call(breach: Breach) -> Spot | None:
    """The call of the part that learns and not to the score, None when both lie in one function."""
    calls = own_calls(breach.update, breach.score)
    return calls[0] if calls else None


def _around(score: Score, update: Update) -> list[Step]:
    """The innermost call that leads to both, when they lie in one function."""
    apart = own_calls(update, score)
    both = update.calls[: len(update.calls) - len(apart)]
    return [(both[-1], "call of the pass that scores and learns")] if both and not apart else []
