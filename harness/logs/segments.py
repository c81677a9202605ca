"""Where one process ends and the next begins in a log file.

A file may hold the same run twice (stdout and a log file), several seeds, or retries of one seed, so the
last value of a pattern in the file proves nothing; every value stays with its run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.logs.events import Duration, Fact, Failure, Launch, Score, Setting, Size, Step, Stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.logs.events import Event

# Training that begins again after at least this many steps is another run.
RESTART_FROM = 20
# Facts that are printed at the end of a run.
_CLOSING_FACTS = {"total_eval_seconds", "eval_seconds", "peak_memory_mib"}


def line_of(event: Event) -> int:
    """The line an event was read from."""
    match event:
        case Launch() | Step() | Stop() | Score() | Duration() | Size():
            return event.line
        case Failure():
            return event.text.line or 0
        case _:
            return event.value.line or 0


def split_runs(events: Iterable[Event], dump_lines: Sequence[int] = ()) -> list[list[Event]]:
    """Cut the events of a file into one list per run.

    A run ends before a launch line or script dump that follows results, before another seed, and before the
    header of training that starts again. `dump_lines` are the first lines of script dumps.
    """
    runs: list[list[Event]] = [[]]
    state = _Progress()
    pending = sorted(dump_lines, reverse=True)
    for event in events:
        while pending and pending[-1] < line_of(event):
            pending.pop()
            if state.results:
                runs.append([])
                state = _Progress()
        if state.starts_anew(event):
            runs.append(_header_tail(runs[-1]))
            state = _Progress()
        runs[-1].append(event)
        state.add(event)
    return [run for run in runs if run]


@dataclass(slots=True)
class _Progress:
    """What the splitter knows about the current run."""

    seed: str | None = None
    step: int = -1
    results: bool = False  # steps, a stop or scores were printed
    stopped: bool = False

    def add(self, event: Event) -> None:
        if isinstance(event, Step):
            if not self.stopped or event.train_seconds is not None:
                self.step = max(self.step, event.step)
            self.results = self.results or event.step > 0
        elif isinstance(event, Stop):
            self.results = self.stopped = True
        elif isinstance(event, Score | Size):
            self.results = True
        elif isinstance(event, Fact) and event.name == "seed" and event.rank <= 1 and self.seed is None:
            self.seed = event.value.value

    def starts_anew(self, event: Event) -> bool:
        if not self.results:
            return False
        if isinstance(event, Launch):
            return True
        if isinstance(event, Fact) and event.name == "seed" and event.rank <= 1:
            return self.seed is not None and event.value.value != self.seed
        if isinstance(event, Step):
            restarted = event.step <= 1 and self.step >= RESTART_FROM
            return restarted and event.train_loss is not None
        return False


def _header_tail(events: list[Event]) -> list[Event]:
    """Take the header that was printed after the last result: it belongs to the run that starts now."""
    index = len(events)
    while index and _is_header(events[index - 1]):
        index -= 1
    # A validation at step 0 comes before the first training step.
    while index and _at_step_zero(events[index - 1]):
        index -= 1
        while index and (_is_header(events[index - 1]) or isinstance(events[index - 1], Duration)):
            index -= 1
    tail = events[index:]
    del events[index:]
    return tail


def _is_header(event: Event) -> bool:
    if isinstance(event, Fact):
        return event.name not in _CLOSING_FACTS
    return isinstance(event, Setting | Launch)


def _at_step_zero(event: Event) -> bool:
    if isinstance(event, Step):
        return event.step == 0
    return isinstance(event, Score) and event.score.step == 0
