"""The course of a run in a few lines: what went through a model, what was counted, what learned, in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.dynamic.events import (
    Event,
    ForwardEvent,
    NetworkEvent,
    OpenEvent,
    PrintEvent,
    ProgramEvent,
    StepEvent,
    WriteEvent,
)
from harness.dynamic.probes.model_files import model_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.dynamic.probes.probe import ScoredRun

_LONGEST_CYCLE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Events of one kind in a row. `times` is how often the phase, or the cycle it is part of, came again.

    `lowest` and `highest` are the positions of validation tokens it touched, None where there are none;
    `counted` is how many scores it gave to the claimed number.
    """

    kind: str  # "train pass" | "look" | "learn" | "score" | "train step" | "step" | "write" | "open" | ...
    what: str
    first: int
    last: int
    count: int
    lowest: int | None = None
    highest: int | None = None
    counted: int = 0
    times: int = 1
    cycle: int = 1


def phases(run: ScoredRun) -> list[Phase]:
    """The phases of a run in order; cycles that repeat are told once, with how often."""
    return _cycles_joined(_joined(_single(run)))


def _single(run: ScoredRun) -> Iterator[Phase]:
    counted: dict[int, int] = {}
    scored = run.score.scored_at.tolist() if run.metric is not None else []
    for number in scored:
        counted[number] = counted.get(number, 0) + 1
    starts = sorted(counted)
    artifacts = {PurePosixPath(path).name for path in model_files(run)}
    claimed = run.metric.metric.number if run.metric is not None else -1
    forwards = [event for event in run.record.of(ForwardEvent) if event.source == "val"]
    scores_of = _scores_by_pass(forwards, starts, counted)
    for event in run.record.events:
        if isinstance(event, ForwardEvent):
            yield _of_pass(event, scores_of.get(event.number, 0))
        elif isinstance(event, StepEvent):
            kind = "step" if event.source == "val" else "train step"
            yield _phase(event, kind, event.optimizer)
        elif isinstance(event, WriteEvent) and PurePosixPath(event.path).name in artifacts:
            yield _phase(event, "write", PurePosixPath(event.path).name)
        elif isinstance(event, OpenEvent):
            yield _phase(event, "open", event.split)
        elif isinstance(event, ProgramEvent) and not event.answered:
            yield _phase(event, "program", event.command)
        elif isinstance(event, NetworkEvent):
            yield _phase(event, "network", event.address)
        elif isinstance(event, PrintEvent) and event.number == claimed and run.metric is not None:
            metric = run.metric.metric
            yield _phase(event, "claim", f"{metric.label} {metric.printed:.{metric.digits}f}".strip())


def _scores_by_pass(
    forwards: Sequence[ForwardEvent], starts: Sequence[int], counted: dict[int, int]
) -> dict[int, int]:
    """How many counted scores each pass over validation tokens gave: those up to the next pass."""
    result: dict[int, int] = {}
    at = -1
    for start in starts:
        while at + 1 < len(forwards) and forwards[at + 1].number < start:
            at += 1
        if at >= 0:
            number = forwards[at].number
            result[number] = result.get(number, 0) + counted[start]
    return result


def _of_pass(event: ForwardEvent, counted: int) -> Phase:
    if event.source == "train":
        return _phase(event, "train pass", "with gradient" if event.grad else "without gradient")
    rows = [row for row in event.rows if row.split == "val"]
    return Phase(
        kind="score" if counted else ("learn" if event.grad else "look"),
        what="with gradient" if event.grad else "without gradient",
        first=event.number,
        last=event.number,
        count=1,
        lowest=min((row.start for row in rows), default=None),
        highest=max((row.start + row.length for row in rows), default=None),
        counted=counted,
    )


def _phase(event: Event, kind: str, what: str) -> Phase:
    return Phase(kind=kind, what=what[:80], first=event.number, last=event.number, count=1)


def _joined(single: Iterator[Phase]) -> list[Phase]:
    """Neighbours of one kind as one; steps between passes of one kind stay with them."""
    result: list[Phase] = []
    for phase in single:
        at = next(
            (
                back
                for back in (1, 2)
                if len(result) >= back
                and (result[-back].kind, result[-back].what) == (phase.kind, phase.what)
                and (back == 1 or {result[-1].kind, phase.kind} in _TOGETHER)
            ),
            None,
        )
        if at is None:
            result.append(phase)
            continue
        before = result[-at]
        result[-at] = replace(
            before,
            last=phase.last,
            count=before.count + 1,
            lowest=_least(before.lowest, phase.lowest),
            highest=_most(before.highest, phase.highest),
            counted=before.counted + phase.counted,
        )
    return result


_TOGETHER = ({"train pass", "train step"}, {"learn", "step"})


def _cycles_joined(phases_in: list[Phase]) -> list[Phase]:
    result: list[Phase] = []
    at = 0
    while at < len(phases_in):
        best = (1, 1)
        for length in range(1, _LONGEST_CYCLE + 1):
            times = 1
            while _same(phases_in, at, at + times * length, length):
                times += 1
            if times > 1 and times * length > best[0] * best[1]:
                best = (length, times)
        length, times = best
        for offset in range(length):
            members = phases_in[at + offset : at + length * times : length]
            result.append(
                replace(
                    members[0],
                    last=members[-1].last,
                    count=sum(each.count for each in members),
                    lowest=_least(*(each.lowest for each in members)),
                    highest=_most(*(each.highest for each in members)),
                    counted=sum(each.counted for each in members),
                    times=times,
                    cycle=length,
                )
            )
        at += length * times
    return result


def _same(phases_in: Sequence[Phase], one: int, other: int, length: int) -> bool:
    if other + length > len(phases_in):
        return False
    return all(
        (phases_in[one + step].kind, phases_in[one + step].what)
        == (phases_in[other + step].kind, phases_in[other + step].what)
        for step in range(length)
    )


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _most(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)
