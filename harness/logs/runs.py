"""Events of one process to a run, and runs that repeat each other.

Competing sources of a value are ordered by `Fact.rank`; the wall-clock stop line beats a later summary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.logs.events import (
    Counter,
    Duration,
    Fact,
    Failure,
    Launch,
    Score,
    Setting,
    Size,
    Step,
    Stop,
)
from harness.logs.grammar_training import UNIT_SECONDS
from harness.logs.seed_name import seed_from_name
from harness.logs.segments import line_of
from harness.logs.training_log import ClockFall, PassKind, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.finding import Sourced
    from harness.logs.events import Event
    from harness.logs.training_log import EvalPass, SizeLine, Timed, TrainingStop

FIRST_LOSSES = 4
# Caps on what one run keeps; real logs stay far below (largest seen: 12,000 progress values).
MOST_PASSES = 20_000
MOST_COUNTERS = 500
MOST_SETTINGS = 2_000
MOST_CLOCK_FALLS = 50
MOST_TOKEN_COUNTS = 8
# A clock printed rounded, or by another timer of the same line kind, may seem to go back by this much.
FALL_SECONDS = 2.0
FALL_SHARE = 0.01


@dataclass(slots=True)
class Draft:
    """A run while its lines are being read."""

    facts: dict[str, tuple[int, Sourced[str]]] = field(default_factory=dict)
    gpus: dict[str, Sourced[str]] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)
    passes: list[EvalPass] = field(default_factory=list)
    timed: list[Timed] = field(default_factory=list)
    sizes: list[SizeLine] = field(default_factory=list)
    counters: dict[str, Sourced[int]] = field(default_factory=dict)
    settings: dict[str, tuple[bool, Sourced[str]]] = field(default_factory=dict)
    stop: TrainingStop | None = None
    step: Step | None = None
    train_seconds: Sourced[float] | None = None
    longest_train_seconds: Sourced[float] | None = None
    clock: tuple[int | None, Sourced[float]] | None = None
    falls: list[ClockFall] = field(default_factory=list)
    val_tokens: list[Sourced[int]] = field(default_factory=list)
    step_avg_ms: Sourced[float] | None = None
    failure: Sourced[str] | None = None
    lines: list[int] = field(default_factory=list)


def assemble(file: str, events: Sequence[Event]) -> Run:
    """One run from its events."""
    draft = Draft()
    for event in events:
        draft.lines.append(line_of(event))
        _take(draft, event)
    fact = {name: value for name, (_, value) in draft.facts.items()}
    settings = {key: value for key, (_, value) in draft.settings.items()}
    stop = draft.stop
    return Run(
        file=file,
        first_line=min(draft.lines),
        last_line=max(draft.lines),
        seed=_integer(fact.get("seed") or settings.get("seed")),
        seed_from_name=seed_from_name(file),
        world_size=_integer(fact.get("world_size")),
        gpu_count=_gpu_count(draft),
        gpu_name=fact.get("gpu_name"),
        processor=fact.get("processor"),
        torch_version=fact.get("torch_version"),
        python_version=fact.get("python_version"),
        started_at=fact.get("started_at"),
        run_id=fact.get("run_id"),
        wallclock_cap_seconds=_duration(fact.get("wallclock_cap_seconds")),
        gptq_reserve_seconds=_duration(fact.get("gptq_reserve_seconds")),
        train_shards=_integer(fact.get("train_shards")),
        val_tokens=_integer(fact.get("val_tokens")),
        val_token_counts=tuple(draft.val_tokens),
        data_path=fact.get("data_path"),
        model_params=_integer(fact.get("model_params")),
        peak_memory_mib=_integer(fact.get("peak_memory_mib")),
        first_losses=tuple(draft.losses[step] for step in sorted(draft.losses)[:FIRST_LOSSES]),
        last_step=draft.step.number if draft.step else None,
        last_train_seconds=draft.train_seconds,
        longest_train_seconds=draft.longest_train_seconds,
        clock_falls=tuple(draft.falls),
        step_avg_ms=draft.step_avg_ms,
        stop=stop,
        passes=tuple(draft.passes),
        total_eval_seconds=_duration(fact.get("total_eval_seconds") or fact.get("eval_seconds")),
        timed=tuple(draft.timed),
        sizes=tuple(draft.sizes),
        counters=draft.counters,
        hyperparameters=settings,
        traceback=draft.failure,
        ended=_ended(draft),
    )


def _take(draft: Draft, event: Event) -> None:
    match event:
        case Fact():
            _take_fact(draft, event)
        case Setting(key=key, value=value, in_dump=in_dump):
            known = draft.settings.get(key)
            if (known is None and len(draft.settings) < MOST_SETTINGS) or (
                known and in_dump and not known[0]
            ):
                draft.settings[key] = (in_dump, value)
        case Step():
            _take_step(draft, event)
        case Stop(stop=stop):
            if stop.reason:
                _take_clock(draft, stop.train_seconds, stop.step)
            # The wall-clock line is exact; a later summary repeats it rounded.
            if draft.stop is None or (stop.reason and not draft.stop.reason):
                draft.stop = stop
        case Score(score=score):
            if len(draft.passes) < MOST_PASSES:
                draft.passes.append(score)
        case Duration(timed=timed):
            draft.timed.append(replace(timed, after_stop=draft.stop is not None))
        case Size(size=size):
            draft.sizes.append(size)
        case Counter(key=key, value=value):
            if key in draft.counters or len(draft.counters) < MOST_COUNTERS:
                draft.counters[key] = value
        case Failure(text=text):
            draft.failure = draft.failure or text
        case Launch():
            pass


def _take_fact(draft: Draft, fact: Fact) -> None:
    if fact.name == "gpu_row":
        draft.gpus.setdefault(fact.value.value, fact.value)
        return
    if fact.name == "val_tokens":
        _take_val_tokens(draft, fact)
    known = draft.facts.get(fact.name)
    if fact.name in {"total_eval_seconds", "eval_seconds"}:
        draft.facts[fact.name] = (fact.rank, fact.value)  # the last one closes the run
    elif known is None or fact.rank < known[0]:
        draft.facts[fact.name] = (fact.rank, fact.value)


def _take_val_tokens(draft: Draft, fact: Fact) -> None:
    count = _integer(fact.value)
    if count is None or count.value <= 0 or len(draft.val_tokens) >= MOST_TOKEN_COUNTS:
        return
    if all(known.value != count.value for known in draft.val_tokens):
        draft.val_tokens.append(count)


def _take_clock(draft: Draft, seconds: Sourced[float] | None, step: int | None) -> None:
    _watch_fall(draft, seconds, step)
    known = draft.longest_train_seconds
    if seconds is not None and (known is None or seconds.value > known.value):
        draft.longest_train_seconds = seconds


def _watch_fall(draft: Draft, seconds: Sourced[float] | None, step: int | None) -> None:
    """Keep where the clock goes back while the step number does not."""
    if seconds is None or (draft.clock is None and not step):
        return  # a budget printed before the first step is no clock
    at, before = draft.clock or (step, seconds)
    if step is not None and at is not None and step < at:
        return  # a phase with steps of its own, or a run that resumes from an earlier checkpoint
    fall = before.value - seconds.value
    if fall > max(FALL_SECONDS, FALL_SHARE * before.value) and len(draft.falls) < MOST_CLOCK_FALLS:
        draft.falls.append(ClockFall(before=before, after=seconds, step_before=at, step_after=step))
    draft.clock = (step if step is not None else at, seconds)


def _take_step(draft: Draft, step: Step) -> None:
    _take_clock(draft, step.train_seconds, step.step)
    if draft.stop is not None:
        return
    if step.train_loss is not None and step.step not in draft.losses and len(draft.losses) < 64:
        draft.losses[step.step] = step.train_loss
    if draft.step is None or step.step >= draft.step.step:
        draft.step = step
        draft.train_seconds = step.train_seconds or draft.train_seconds
        draft.step_avg_ms = step.step_avg_ms or draft.step_avg_ms


def _ended(draft: Draft) -> bool:
    """False when training steps were printed and nothing that comes after training."""
    if draft.step is None and draft.stop is None:
        return True
    return any(p.kind in {PassKind.FINAL, PassKind.DIAGNOSTIC} for p in draft.passes)


def _integer(value: Sourced[str] | None) -> Sourced[int] | None:
    if value is None:
        return None
    digits = value.value.replace(",", "").replace("_", "")
    return value.with_value(int(digits)) if digits.isdecimal() and len(digits) <= 18 else None


_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|s)?$")


def _duration(value: Sourced[str] | None) -> Sourced[float] | None:
    match = _NUMBER.match(value.value) if value else None
    if value is None or match is None:
        return None
    return value.with_value(float(match[1]) * UNIT_SECONDS[match[2] or "s"])


def _gpu_count(draft: Draft) -> Sourced[int] | None:
    if not draft.gpus:
        return None
    last = list(draft.gpus.values())[-1]
    return last.with_value(len(draft.gpus))


def mark_duplicates(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Mark a run that repeats another one of the file (stdout beside a log file); the fuller one is kept."""
    marked = list(runs)
    for later in range(1, len(marked)):
        for earlier in range(later):
            if marked[earlier].duplicate_of is None and _same_run(marked[earlier], marked[later]):
                copy, kept = (
                    (earlier, later)
                    if _weight(marked[later]) > _weight(marked[earlier])
                    else (later, earlier)
                )
                marked[copy] = replace(
                    marked[copy], duplicate_of=(marked[kept].file, marked[kept].first_line)
                )
                break
    return tuple(marked)


def _weight(run: Run) -> tuple[int, int, int]:
    return len(run.passes), len(run.sizes), len(run.hyperparameters)


def _same_run(one: Run, other: Run) -> bool:
    if one.seed and other.seed and one.seed.value != other.seed.value:
        return False
    if one.stop and other.stop:
        same_time = one.stop.train_seconds.value == other.stop.train_seconds.value
        return same_time and one.first_losses == other.first_losses and bool(one.first_losses)
    if one.has_training or other.has_training:
        same_steps = one.last_step is not None and other.last_step is not None
        return (
            same_steps
            and len(one.first_losses) >= 2
            and one.first_losses == other.first_losses
            and one.last_train_seconds == other.last_train_seconds
        )
    return bool(one.passes) and _scores(one) == _scores(other)


def _scores(run: Run) -> list[tuple[str, float]]:
    return [(score.label, score.val_bpb.value) for score in run.passes if score.kind is not PassKind.PROGRESS]
