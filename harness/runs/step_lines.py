"""What is told of steps as lines of text: for terminals that show them in place, and for logs that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.reports.escape import printable
from harness.runs.run_steps import RunStep, StepState

if TYPE_CHECKING:
    from harness.runs.run_steps import StepEvent

WORDS = {
    StepState.STARTED: "...",
    StepState.PROGRESS: "...",
    StepState.DONE: "ok",
    StepState.FAILED: "FAILED",
    StepState.SKIPPED: "not proved",
}
_TITLE_WIDTH = max(len(step.title) for step in RunStep)


def event_text(event: StepEvent) -> str:
    """What the event says: what was proved, or how far the step is."""
    return printable(event.proved) if event.proved else progress_text(event)


def event_line(event: StepEvent) -> str:
    """The event as one line: number, name, state, what it says."""
    word = WORDS[event.state]
    said = event_text(event)
    return f"{event.number} {event.name:<{_TITLE_WIDTH}}  {word}{'  ' if said else ''}{said}"


def progress_text(event: StepEvent) -> str:
    """Seconds of the limit, step and loss as the log tells them, bytes of the artifact and of the log."""
    numbers = event.numbers
    parts = []
    seconds, limit = numbers.get("seconds"), numbers.get("limit_seconds")
    if seconds is not None:
        parts.append(f"{seconds:.0f} s" + (f" of {limit:g} s" if limit else ""))
    elif limit:
        parts.append(f"at most {limit:g} s")
    if (step := numbers.get("told_step")) is not None:
        steps = numbers.get("told_steps")
        parts.append(f"step {step:.0f}" + (f"/{steps:.0f}" if steps else ""))
    if (loss := numbers.get("told_loss")) is not None:
        parts.append(f"loss {loss:.4f}")
    if (tokens := numbers.get("tokens")) is not None:
        parts.append(f"{tokens:,.0f} tokens scored")
    if (size := numbers.get("bytes")) is not None:
        parts.append(f"artifact {size:,.0f} bytes")
    if (size := numbers.get("log_bytes")) is not None:
        parts.append(f"log {size:,.0f} bytes")
    return ", ".join(parts)
