"""Training lines: steps with their clock, and the line on which training stopped.

Patterns read lower-cased text; values keep the original line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.logs.events import Step, Stop
from harness.logs.training_log import TrainingStop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.finding import Sourced
    from harness.logs.events import Event

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
# A bare training clock above this counts milliseconds: 20,000 s are five and a half hours.
BARE_SECONDS = 20_000
# Columns of a line in which a value is looked for; the longest real step line has 420.
REACH = 600

_TIME = r"(\d{1,12}(?:\.\d{1,12})?)\s?(ms|seconds|secs?|s|min|m|h)?(?![\w.])"
_STEP_HEAD = re.compile(
    r"(?:[\w.+-]{3,120}: )?\W{0,4}(?:\[?(?:train|training|iter|val)\]?\s{0,3})?"
    r"(?:(?:step|iter|iteration|it)\s{0,3}[:=#]?\s{0,6}(\d{1,9})(?:\s?/\s?(\d{1,9}))?(?![\d.]{0,20}\d)"
    r"|s:(\d{1,9})/(\d{1,9})\b)"
    r"|\s{0,4}\[?\s{0,8}(\d{1,9})\s?/\s?(\d{1,9})\]?:?\s(?=.{0,60}(?:loss|val_bpb))"
)
_TRAIN_LOSS = re.compile(
    r"(?:\btrain_?(?:ing)?[ _]?loss|\btl|(?<!\w)(?:loss|ce|main))\s?[:=]?\s?(\d{1,4}\.\d{1,12})"
)
_TRAIN_TIME = re.compile(
    r"(?:\b(?:train(?:ing)?_?(?:wall_?)?(?:time|clock|elapsed)|tt|t|time|elapsed|wall|wallclock)(_ms|_s)?"
    r"\s?[:=]\s?|\belapsed\s{1,2}(?=[\d.]{1,16}\s?[ms]))" + _TIME
)
_STEP_AVG = re.compile(
    r"\b(?:step_?avg|avg|step_ms|sa|dt)\s?[:=]\s?(\d{1,8}(?:\.\d{1,6})?)\s?(ms|s)?(?![\w.])"
)
_MS_PER_STEP = re.compile(r"(\d{1,8}(?:\.\d{1,6})?)\s?ms/(?:step|it)")
_PLAIN_STEP = re.compile(
    r"(?:step:)?(\d{1,9})/(\d{1,9}) train_loss: ?(\d{1,4}\.\d{1,12})"
    r" train_time: ?(\d{1,12}(?:\.\d{1,6})?)(ms|s|m)"
    r"(?: step_avg: ?(\d{1,8}(?:\.\d{1,6})?)ms)?(?: tok/s: ?[\d.,]{1,20})?\s*$"
)

_STOP_WORDS = re.compile(
    r"stop|limit|wall|cap |train(?:ing)?[ _:]"
    r"(?:time|clock|elapsed|seconds|complet|finish|done|took|ended|was|loop)"
)
_STOP = re.compile(
    r"\b(?:stopping_early|early_stop(?:ping)?|stopping|stopped|train_end)\b\s{0,2}:?\s{0,2}(\w{1,60})?\W{0,4}"
    r".{0,80}?\btrain(?:ing)?_time\s?[:=]\s?" + _TIME
)
_STOP_STEP = re.compile(r"\bsteps?\s{0,2}[:=]\s{0,2}(\d{1,9})(?:\s?/\s?(\d{1,9}))?|\((\d{1,9}) steps")
_WALL_STOP = re.compile(
    r"\b(?:wall_?clock|time)[ _](?:cap|limit|budget)[ _]?(?:reached|hit|exceeded)?\b.{0,60}?"
    r"(?:\bat\b|after|[:=(])\s?" + _TIME
)
_FINISHED = re.compile(
    r"\btrain(?:ing)?\b[ _:](?:was )?"
    r"(?:complete|completed|finished|done|stopped|ended|loop (?:done|finished)|took)\b"
    r".{0,80}?(?:\bin\b|\btook\b|\bafter\b|\btime\b|[:=(|,])\s{0,3}" + _TIME
)
_SUMMARY = re.compile(
    r"(?:\w{1,20}[ _])?(?:train(?:ing)?[ _](?:wall[ _]?clock|time|elapsed|seconds)|phase:train wall"
    r"|wall[- _]?clock[- _]train(?:ing)?(?:[ _]time)?)"
    r"(?:[ _](s|ms|sec|seconds)\b)?(?:\s?\((s|ms|sec|seconds)\))?[\"']?\s{0,12}[:=]\s{0,12}" + _TIME
)
_NOT_A_REASON = {"train_time", "at", "after", "step"}


def seconds(number: str, unit: str | None, default: str = "s") -> float:
    """A printed duration in seconds, to the microsecond; `default` is the unit where none is printed."""
    return round(float(number) * UNIT_SECONDS[unit or default], 6)


def plain_step(source: Sourced[str]) -> Step | None:
    """The baseline's own step line, read with one pattern: most lines of a long log are such."""
    match = _PLAIN_STEP.match(source.value)
    if match is None:
        return None
    number = int(match[1])
    return Step(
        line=source.line or 0,
        step=number,
        planned_steps=int(match[2]),
        train_loss=float(match[3]),
        train_seconds=source.with_value(seconds(match[4], match[5])),
        step_avg_ms=source.with_value(float(match[6])) if match[6] else None,
        number=source.with_value(number),
    )


def training_events(source: Sourced[str], lowered: str) -> Iterator[Event]:
    """Step and stop events of one line; `lowered` is its text in lower case."""
    head = _STEP_HEAD.match(lowered)
    step = _step(source, lowered, head) if head is not None else None
    if step is not None and "stop" not in lowered:
        yield step
        return
    stop = _stop(source, lowered) if _STOP_WORDS.search(lowered, 0, REACH) else None
    event = stop or step
    if event is not None:
        yield event


def _step(source: Sourced[str], text: str, head: re.Match[str]) -> Step | None:
    loss = _TRAIN_LOSS.search(text, head.end(), REACH)
    time = _TRAIN_TIME.search(text, head.end(), REACH)
    if loss is None and time is None and "val_loss" not in text and "bpb" not in text:
        return None
    average = _STEP_AVG.search(text, head.end(), REACH)
    if average is None and "ms/" in text:
        average = _MS_PER_STEP.search(text, head.end(), REACH)
    number = int(head[1] or head[3] or head[5])
    planned = head[2] or head[4] or head[6]
    unit = average[2] if average is not None and average.re is _STEP_AVG else "ms"
    spent = _clock(time[2], time[3] or (time[1] or "").lstrip("_")) if time else None
    return Step(
        line=source.line or 0,
        step=number,
        planned_steps=int(planned) if planned else None,
        train_loss=float(loss[1]) if loss else None,
        train_seconds=source.with_value(spent) if spent is not None else None,
        step_avg_ms=source.with_value(round(1000 * seconds(average[1], unit, "ms"), 3)) if average else None,
        number=source.with_value(number),
    )


def _clock(number: str, unit: str | None) -> float:
    """A training clock in seconds; a large bare number counts milliseconds."""
    return seconds(number, unit or ("ms" if float(number) > BARE_SECONDS else "s"))


def _stop(source: Sourced[str], text: str) -> Stop | None:
    match = _STOP.search(text, 0, REACH)
    reason = ""
    if match is not None:
        spent = _clock(match[2], match[3])
        printed = source.value[match.start(1) : match.end(1)] if match[1] else ""
        reason = "" if printed.lower() in _NOT_A_REASON else printed
    else:
        found = _FINISHED.search(text, 0, REACH) or _WALL_STOP.search(text, 0, REACH)
        if found is not None and found[2] is not None:
            spent = seconds(found[1], found[2])
            reason = "wallclock_cap" if found.re is _WALL_STOP else ""
        else:
            total = _SUMMARY.match(text.strip(" \t|*-#'\""), 0, 200)
            unit = (total[4] or total[1] or total[2]) if total else None
            if total is None or (unit is None and "seconds" not in total[0]):
                return None
            spent = seconds(total[3], unit)
    step = _STOP_STEP.search(text, 0, REACH)
    number = (step[1] or step[3]) if step else None
    return Stop(
        line=source.line or 0,
        stop=TrainingStop(
            reason=reason,
            train_seconds=source.with_value(spent),
            step=int(number) if number else None,
            planned_steps=int(step[2]) if step and step[2] else None,
        ),
    )
