"""Scores in the log of a run: whether it ends with one, and whether its record knows each of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.dynamic.printed_metrics import plain_label, printed_numbers
from harness.logs.events import Score
from harness.logs.grammar import read_events
from harness.logs.text import LogLine
from harness.logs.training_log import PassKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.dynamic.event_record import EventRecord

# `val_bpb:1.2345`, `final bpb = 1.2`, `bits per byte 1.1`: a finite number after the name of the score.
_SCORE = re.compile(r"(?i)(?:bpb|bits[ _-]per[ _-]byte)\w*\W{0,6}(?:of|is|at)?\W{0,3}(\d+\.\d+)")
_LONGEST_LINE = 2_000
_MOST_LINES = 5_000


def score_lines(lines: Sequence[str]) -> list[tuple[int, float]]:
    """Number of the line and the score, for each line that prints one; the first of a line counts."""
    found = []
    for number, line in enumerate(lines):
        match = _SCORE.search(line[:_LONGEST_LINE])
        if match is not None:
            found.append((number, float(match[1])))
    return found


def has_score(lines: Sequence[str]) -> bool:
    """Whether any line prints a score."""
    return bool(score_lines(lines))


def score_past_record(record: EventRecord, lines: Sequence[str]) -> str | None:
    """A score that stands in the log, may be the claimed one, and was not printed where the record saw it.

    None where there is none. What the record explains is then another number of the same name.
    """
    known = [each for each in printed_numbers(record) if each.unit == "bpb"]
    values = {each.printed for each in known}
    labels = {plain_label(each.label) for each in known}
    texts = [
        text[:_LONGEST_LINE]
        for line in lines
        for text in line.splitlines()
        if _SCORE.search(text[:_LONGEST_LINE])
    ]
    read = tuple(LogLine(number + 1, text) for number, text in enumerate(texts[-_MOST_LINES:]))
    for event in read_events("stdout", read):
        if not isinstance(event, Score) or event.score.val_bpb.value in values:
            continue
        if event.score.kind is PassKind.FINAL or plain_label(event.score.label) in labels:
            return f"{event.score.label or 'a score'} {event.score.val_bpb.value:.{event.score.digits}f}"
    return None
