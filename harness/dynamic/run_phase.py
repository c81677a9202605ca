"""How far a run had come when it ended, in words: for the reason why it reached no score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.dynamic.events import ForwardEvent, PrintEvent, StepEvent
from harness.dynamic.score_lines import has_score

if TYPE_CHECKING:
    from harness.dynamic.event_record import EventRecord


def phase_of(record: EventRecord) -> str:
    """Training or evaluation, and after how much of it; "" where no record was begun.

    By what went through a model last. The record of a run that was killed lacks its last lines.
    """
    passes = list(record.of(ForwardEvent))
    if not passes:
        return "before any known token went through a model" if record.sealed is not None else ""
    last = passes[-1]
    if last.source != "val":
        steps = sum(1 for _ in record.of(StepEvent))
        return f"in training, after {steps:,} optimizer {'step' if steps == 1 else 'steps'}"
    if any(event.number > last.number and has_score([event.text]) for event in record.of(PrintEvent)):
        return "in evaluation, after a score was printed"
    count = sum(1 for each in passes if each.source == "val")
    return f"in evaluation, after {count:,} {'pass' if count == 1 else 'passes'} over validation tokens"
