"""Shows a run while it happens: steps in place on a terminal, lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from harness.reports.escape import printable
from harness.runs.run_steps import RunStep, StepState
from harness.runs.step_lines import WORDS, event_line, event_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TextIO

    from rich.console import RenderableType

    from harness.runs.run_steps import StepEvent

_SECONDS_BETWEEN_LINES = 15.0
_STYLES = {StepState.DONE: "green", StepState.FAILED: "bold red", StepState.SKIPPED: "yellow"}


class RunDisplay(Protocol):
    """Hears of steps; a context manager, so that a terminal is left as it was."""

    def __enter__(self) -> RunDisplay:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        ...

    def event(self, label: str, event: StepEvent) -> None:
        """Something was told about a step of the run `label`."""
        ...

    def say(self, text: str) -> None:
        """One line for people."""
        ...


def make_display(*, quiet: bool, stream: TextIO | None = None) -> RunDisplay:
    """The display that fits standard error, or `stream`."""
    stream = stream or sys.stderr
    if quiet:
        return QuietDisplay()
    return TerminalDisplay(stream) if stream.isatty() else LineDisplay(stream)


class QuietDisplay:
    """Shows nothing."""

    def __enter__(self) -> QuietDisplay:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""

    def event(self, label: str, event: StepEvent) -> None:
        """Not shown."""

    def say(self, text: str) -> None:
        """Not shown."""


class LineDisplay(QuietDisplay):
    """A line for what a step proved, and now and then one for how far it is."""

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        seconds_between: float = _SECONDS_BETWEEN_LINES,
    ) -> None:
        self._stream, self._clock, self._seconds_between = stream, clock, seconds_between
        self._last = clock()

    def __enter__(self) -> LineDisplay:
        """Nothing to begin."""
        return self

    def event(self, label: str, event: StepEvent) -> None:
        """Print what is over; of what goes on, at most a line every some seconds."""
        if event.state is StepState.STARTED:
            return
        if event.state is StepState.PROGRESS and self._clock() - self._last < self._seconds_between:
            return
        self._last = self._clock()
        self.say(f"{label}  {event_line(event)}")

    def say(self, text: str) -> None:
        """Print it at once."""
        print(printable(text), file=self._stream, flush=True)


class TerminalDisplay(QuietDisplay):
    """The steps of the seed that runs, redrawn in place; the steps of a seed that is done stay above."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._label = ""
        self._steps: dict[RunStep, StepEvent] = {}

    def __enter__(self) -> TerminalDisplay:
        """Take the lower lines of the terminal."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print the steps as they stand and give the lines back."""
        self._settle()
        self._live.stop()

    def event(self, label: str, event: StepEvent) -> None:
        """Draw the step anew."""
        begins = event.step is RunStep.MACHINE and event.state is StepState.STARTED
        if label != self._label or begins:
            self._settle()
            self._label = label
        self._steps[event.step] = event
        self._live.update(self._drawn())

    def say(self, text: str) -> None:
        """Print it above the steps."""
        from rich.text import Text

        self._live.console.print(Text(printable(text)))

    def _settle(self) -> None:
        """What is drawn becomes ordinary lines of the terminal."""
        if self._steps:
            drawn = self._drawn()
            self._steps = {}
            self._live.update("", refresh=True)
            self._live.console.print(drawn)

    def _drawn(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        table.add_column(justify="right")
        table.add_column()
        table.add_column()
        table.add_column(overflow="fold")
        table.add_row("", Text(self._label, style="bold"), "", "")
        for step in RunStep:
            event = self._steps.get(step)
            if event is None:
                table.add_row(Text(str(int(step)), style="dim"), Text(step.title, style="dim"), "", "")
                continue
            style = _STYLES.get(event.state, "cyan")
            word = WORDS[event.state]
            table.add_row(str(event.number), event.name, Text(word, style=style), Text(event_text(event)))
        return table
