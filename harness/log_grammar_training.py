"""Training lines: steps with their clock, and the line on which training stopped."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from harness.log_events import Step, Stop
from harness.training_log import TrainingStop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.finding import Sourced
    from harness.log_events import Event

UNIT_SECONDS = {
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
}
_DURATION = r"(\d{1,12}(?:\.\d{1,12})?)\s?(ms|seconds|secs?|s|min|m|h)?(?![\w.])"

_STEP_HEAD = re.compile(
    r"\W{0,4}(?:\[?(?:train|training|iter)\]?\s{0,3})?(?:step|iter|iteration|it)\s{0,3}[:=#]?\s{0,6}(\d{1,9})(?:\s?/\s?(\d{1,9}))?(?!\.\d)"
    r"|\s{0,4}\[?\s{0,8}(\d{1,9})\s?/\s?(\d{1,9})\]?:?\s(?=.{0,60}(?:loss|val_bpb))",
    re.IGNORECASE,
)
_TRAIN_LOSS = re.compile(
    r"(?:\btrain_?(?:ing)?[ _]?loss|(?<![\w_])(?:loss|ce|main))\s?[:=]?\s?(\d{1,4}\.\d{1,12})", re.IGNORECASE
)
_TRAIN_TIME = re.compile(
    r"\b(?:train(?:ing)?_?(?:wall_?)?(?:time|clock|elapsed)|t|time|elapsed|wall|wallclock)\s?[:=]\s?"
    + _DURATION,
    re.IGNORECASE,
)
_STEP_AVG = re.compile(
    r"\b(?:step_?avg|avg|ms/step|step_ms|dt)\s?[:=]\s?(\d{1,8}(?:\.\d{1,6})?)\s?(ms|s)?(?![\w.])",
    re.IGNORECASE,
)
_MS_PER_STEP = re.compile(r"(\d{1,8}(?:\.\d{1,6})?)\s?ms/(?:step|it)", re.IGNORECASE)

_STOP = re.compile(
    r"\b(?:stopping_early|early_stop(?:ping)?|stopping|stopped)\b\s{0,2}:?\s{0,2}(\w{1,60})?\W{0,4}.{0,80}?\btrain(?:ing)?_time\s?[:=]\s?"
    + _DURATION,
    re.IGNORECASE,
)
_STOP_STEP = re.compile(r"\bsteps?\s{0,2}[:=]\s{0,2}(\d{1,9})(?:\s?/\s?(\d{1,9}))?", re.IGNORECASE)
_WALL_STOP = re.compile(
    r"\b(?:wall_?clock|time)[ _](?:cap|limit|budget)[ _]?(?:reached|hit|exceeded)?\b.{0,60}?"
    r"(?:\bat\b|after|[:=(])\s?" + _DURATION,
    re.IGNORECASE,
)
_FINISHED = re.compile(
    r"\btrain(?:ing)?\b[ _](?:was )?(?:complete|completed|finished|done|stopped|ended|loop (?:done|finished)|took)\b"
    r".{0,80}?(?:\bin\b|\btook\b|\bafter\b|\btime\b|[:=(|,])\s{0,3}" + _DURATION,
    re.IGNORECASE,
)
_TOTAL_TRAIN = re.compile(
    r"\b(?:total|final)?[ _]?train(?:ing)?[ _](?:wall[ _]?clock|time|elapsed|seconds)(?:[ _](s|ms|sec|seconds))?"
    r"(?:\s?\((s|ms|sec|seconds)\))?\s{0,12}[:=]\s{0,12}" + _DURATION,
    re.IGNORECASE,
)


def seconds(number: str, unit: str | None, default: str = "s") -> float:
    """A printed duration in seconds; `default` is the unit where none is printed."""
    return float(number) * UNIT_SECONDS[(unit or default).lower()]


def training_events(source: Sourced[str]) -> Iterator[Event]:
    """Step and stop events of one line."""
    text = source.value
    lowered = text[:400].lower()
    if "stop" in lowered or "train" in lowered or "cap" in lowered or "limit" in lowered:
        stop = _stop(source, text)
        if stop is not None:
            yield stop
            return
    head = _STEP_HEAD.match(text)
    if head is not None:
        step = _step(source, text, head)
        if step is not None:
            yield step


def _step(source: Sourced[str], text: str, head: re.Match[str]) -> Step | None:
    loss = _TRAIN_LOSS.search(text, head.end(), 600)
    time = _TRAIN_TIME.search(text, head.end(), 600)
    lowered = text[:600].lower()
    if loss is None and time is None and "val_loss" not in lowered and "val_bpb" not in lowered:
        return None
    average = _STEP_AVG.search(text, head.end(), 600) or _MS_PER_STEP.search(text, head.end(), 600)
    number = int(head[1] or head[3])
    planned = head[2] or head[4]
    unit = average[2] if average is not None and average.re is _STEP_AVG else "ms"
    return Step(
        line=source.line or 0,
        step=number,
        planned_steps=int(planned) if planned else None,
        train_loss=_finite(loss[1]) if loss and not lowered.startswith("val") else None,
        train_seconds=source.with_value(seconds(time[1], time[2])) if time else None,
        step_avg_ms=source.with_value(1000 * seconds(average[1], unit, "ms")) if average else None,
        number=source.with_value(number),
    )


def _stop(source: Sourced[str], text: str) -> Stop | None:
    match = _STOP.search(text, 0, 600)
    reason = (match[1] or "") if match else ""
    if match is not None:
        spent = source.with_value(seconds(match[2], match[3], "ms"))
        if reason.lower() in {"train_time", "at", "after", "step"}:
            reason = ""
    else:
        found = _FINISHED.search(text, 0, 600) or _WALL_STOP.search(text, 0, 600)
        if found is not None and found[2] is not None:
            spent = source.with_value(seconds(found[1], found[2]))
            reason = "wallclock_cap" if found.re is _WALL_STOP else ""
        else:
            total = _TOTAL_TRAIN.match(text.strip(" \t|*-#"), 0, 200)
            if total is None or not (total[4] or total[1] or total[2]):
                return None
            spent = source.with_value(seconds(total[3], total[4] or total[1] or total[2]))
    step = _STOP_STEP.search(text, 0, 600)
    return Stop(
        line=source.line or 0,
        stop=TrainingStop(
            reason=reason,
            train_seconds=spent,
            step=int(step[1]) if step else None,
            planned_steps=int(step[2]) if step and step[2] else None,
        ),
    )


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None
