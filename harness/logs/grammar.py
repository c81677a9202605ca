"""One grammar for train logs: a line in, typed events out.

Subjects live beside it: `grammar_header` (seed, machine, data, settings), `grammar_training` (steps,
stop), `grammar_scores` (evaluation passes) and `grammar_costs` (durations, sizes, counters).
Every pattern is bounded, so a line costs time linear in its length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.finding import Sourced
from harness.logs.events import Failure, Launch
from harness.logs.grammar_costs import Costs
from harness.logs.grammar_header import Header
from harness.logs.grammar_scores import Scores
from harness.logs.grammar_training import plain_step, training_events
from harness.logs.text import excerpt, nonblank

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.logs.events import Event
    from harness.logs.text import LogLine

# A line without a digit says nothing the grammar knows, but for these.
_WORTH_READING = re.compile(
    r"\d|Hyperparam|Traceback|[Cc]alib|[Hh]essian|[Gg]enerat|[Ss]elf-gen|[Ww]arm|^\s+\w+:|Killed"
)
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)|torch\.(?:cuda\.)?OutOfMemoryError|^Killed$")
_LAUNCH = re.compile(
    r"Running (?:Python|PyTorch)\b|Running: torchrun|Hyperparameters:\s*$|-+ ?Hyperparameters ?-+"
    r"|[WI]\d{4} \d\d:\d\d:\d\d.{0,120}torch/distributed/run\.py|NVIDIA-SMI \d|\+ torchrun |\$ torchrun "
)
# "9m38.45s", "9 min 38 s", "1h 2m 3s": minutes and seconds of one duration.
_MINUTES_AND_SECONDS = re.compile(
    r"(?<![\w.])(?:(\d{1,2})\s?h(?:ours?|rs?)?[ ,]{0,2})?(\d{1,4})\s?m(?:in(?:utes?|s)?)?[ ,]{0,2}"
    r"(\d{1,2}(?:\.\d{1,6})?)\s?s(?:ec(?:onds?|s)?)?(?!\w)"
)
# Progress lines of test-time training name a chunk and a learning rate, never a score.
_CHATTER = re.compile(r"(?:\w{0,40}warmup_?step:|tttg:|ttpr:|ttpp:|warmup:\d)")


def read_events(file: str, lines: tuple[LogLine, ...]) -> Iterator[Event]:
    """Every event of the log, in printed order."""
    header = Header(file)
    scores = Scores(file)
    costs = Costs(file)
    for line in nonblank(lines):
        text = line.text
        if "timer" in text or "otal" in text:
            costs.watch_eval_timer(text)
        if not _WORTH_READING.search(text) or _CHATTER.match(text):
            header.leave_block()
            continue
        source = Sourced(text, file, line.number, excerpt(text))
        step = plain_step(source)
        if step is not None:
            yield step
            continue
        if _LAUNCH.match(text):
            yield Launch(line=line.number)
        if "r" in text and _TRACEBACK.search(text, 0, 400):
            yield Failure(text=source.with_value(text.strip()[:400]))
            continue
        lowered = lower(text)
        in_block = header.in_block
        yield from header.events(source, lowered)
        if in_block and header.in_block:
            continue  # hyperparameters named *_loss, *_size or *_seconds are no results
        trained = list(training_events(source, lowered))
        yield from trained
        scored = list(scores.events(source, lowered, trained))
        yield from scored
        yield from costs.events(source, lowered, scored=bool(scored), trained=bool(trained))


def lower(text: str) -> str:
    """Lower case with every character in its place (one capital letter would become two).

    A duration in minutes and seconds becomes plain seconds, filled up with spaces to its old length.
    """
    lowered = text.lower()
    if len(lowered) != len(text):
        return text
    return _MINUTES_AND_SECONDS.sub(_in_seconds, lowered)


def _in_seconds(match: re.Match[str]) -> str:
    hours, minutes, rest = match[1], match[2], match[3]
    whole, _, decimals = rest.partition(".")
    total = 3600 * int(hours or 0) + 60 * int(minutes) + int(whole)
    seconds = f"{total}.{decimals}s" if decimals else f"{total}s"
    return seconds.ljust(len(match[0]))
