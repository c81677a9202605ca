"""Loss curves from train logs, thinned for a page: a few hundred points say what ten thousand lines say.

Only the training that leads to the counted score is drawn. A log may hold several runs one after the other,
so the curve is read backwards from the line of the score until the step number jumps up: there an earlier
run ends. Losses are nats per token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.finding import Sourced
from harness.logs.events import Score, Step
from harness.logs.grammar import lower
from harness.logs.grammar_scores import Scores
from harness.logs.grammar_training import plain_step, training_events
from harness.logs.text import LINE_CHARACTERS, LogLine, decode, detect_encoding, strip_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.leaderboard.board_row import BoardRow

    LogReader = Callable[[BoardRow, str], bytes | None]

Points = tuple[tuple[int, float], ...]

# As many points as a plot of 700 pixels can show; at three seeds some 8 kB for a page.
POINTS_AT_MOST = 160
# The largest real log has 2.2 MB; of a longer one the beginning is read, where training stands.
LOG_LIMIT_BYTES = 16 * 2**20
CURVES_AT_MOST = 12
# An untrained model of any vocabulary stays below ln(2**32) = 22 nats; more is a slip that hides the curve.
HIGHEST_LOSS = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Training and validation loss by step of one seed, as its log prints them."""

    seed: int | None
    log: str
    train: Points
    validation: Points


def curves_of(row: BoardRow, read: LogReader) -> tuple[Curve, ...]:
    """The curves of the scores that count, each log once; scores whose log trains nothing have none."""
    found: list[Curve] = []
    seen: set[tuple[str, int | None]] = set()
    for score in row.sample:
        if score.log is None or (score.log, score.line) in seen or len(found) >= CURVES_AT_MOST:
            continue
        seen.add((score.log, score.line))
        data = read(row, score.log)
        curve = None if data is None else read_curve(data, score.log, score.seed, score.line)
        if curve is not None:
            found.append(curve)
    return tuple(found)


def read_curve(data: bytes, log: str, seed: int | None, before_line: int | None) -> Curve | None:
    """The curve that ends before that line, or at the log's end; None below two points of training."""
    steps = [step for step in _steps(data, log) if before_line is None or step.line < before_line]
    last: list[_Point] = []
    for step in reversed(steps):
        if last and step.step > last[-1].step:
            break
        last.append(step)
    last.reverse()
    train = _by_step((one.step, one.train) for one in last)
    if len(train) < 2:
        return None
    validation = _by_step((one.step, one.validation) for one in last)
    return Curve(seed=seed, log=log, train=thinned(train), validation=thinned(validation))


@dataclass(frozen=True, slots=True)
class _Point:
    """What one line says about one step."""

    line: int
    step: int
    train: float | None
    validation: float | None


def _by_step(points: Iterable[tuple[int, float | None]]) -> Points:
    """One loss a step, ascending; what cannot be a loss is left out."""
    kept = {
        step: loss
        for step, loss in points
        if loss is not None and math.isfinite(loss) and 0.0 < loss <= HIGHEST_LOSS
    }
    return tuple(sorted(kept.items()))


def thinned(points: Points, at_most: int = POINTS_AT_MOST) -> Points:
    """At most that many points: the first and the last as printed, between them means of equal shares."""
    if len(points) <= at_most:
        return tuple((step, round(loss, 4)) for step, loss in points)
    inner, shares = points[1:-1], at_most - 2
    cuts = [len(inner) * share // shares for share in range(shares + 1)]
    middle = (inner[begin:end] for begin, end in pairwise(cuts))
    kept = [points[0], *map(_mean_point, middle), points[-1]]
    return tuple((step, round(loss, 4)) for step, loss in kept)


def _mean_point(points: Points) -> tuple[int, float]:
    middle = points[len(points) // 2][0]
    return middle, math.fsum(loss for _, loss in points) / len(points)


def _steps(data: bytes, log: str) -> Iterator[_Point]:
    """Step lines with a loss, in printed order. Lines without the word cost nothing."""
    data = data[:LOG_LIMIT_BYTES]
    encoding = detect_encoding(data)
    if encoding == "binary":
        return
    lines = [
        LogLine(number, text.rstrip("\r")[:LINE_CHARACTERS])
        for number, text in enumerate(decode(data, encoding).split("\n"), start=1)
        if "loss" in text or "Loss" in text
    ]
    scores = Scores(log)
    for line in strip_prefixes(lines)[0]:
        source = Sourced(line.text, log, line.number, "")
        step = plain_step(source)
        if step is not None:
            yield _Point(step.line, step.step, step.train_loss, None)
            continue
        lowered = lower(line.text)
        trained = list(training_events(source, lowered))
        at = next((event for event in trained if isinstance(event, Step)), None)
        if at is None:
            continue
        validation = next(
            (
                event.score.val_loss.value
                for event in scores.events(source, lowered, trained)
                if isinstance(event, Score) and event.score.val_loss is not None
            ),
            None,
        )
        yield _Point(line.number, at.step, at.train_loss, validation)
