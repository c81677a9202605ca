"""The numbered steps of a run of one seed, and what is told about them while they happen.

Every run goes through the same eight steps, whichever way its script works. A step that is done says what it
proved; `numbers` are for displays and logs and are measured by us unless their name begins with "told".
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Progress is told at most this often: a script may print a thousand lines a second.
_SECONDS_BETWEEN_PROGRESS = 0.2


class RunStep(IntEnum):
    """The steps in their order."""

    MACHINE = 1
    COPY = 2
    SANDBOX = 3
    TRAINING = 4
    SEAL = 5
    EVALUATION = 6
    SCORE = 7
    RECORD = 8

    @property
    def title(self) -> str:
        """As people read it."""
        return _TITLES[self]


_TITLES = {
    RunStep.MACHINE: "machine check",
    RunStep.COPY: "clean copy",
    RunStep.SANDBOX: "sandbox",
    RunStep.TRAINING: "training",
    RunStep.SEAL: "seal",
    RunStep.EVALUATION: "evaluation",
    RunStep.SCORE: "score",
    RunStep.RECORD: "record",
}


class StepState(StrEnum):
    """Where a step is. `skipped`: not reached, or nothing could be proved; `proved` says why."""

    STARTED = "started"
    PROGRESS = "progress"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent:
    """One thing told about one step of one seed.

    Usual `numbers`: seconds, limit_seconds, bytes, told_step, told_steps, told_loss, val_bpb, tokens.
    """

    step: RunStep
    state: StepState
    proved: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """From 1."""
        return int(self.step)

    @property
    def name(self) -> str:
        """As people read it."""
        return self.step.title

    def as_json(self) -> dict[str, Any]:
        """Plain data, for one line of a log."""
        return {
            "step": self.number,
            "name": self.name,
            "state": self.state.value,
            "proved": self.proved,
            "numbers": dict(self.numbers),
        }


class StepTeller:
    """Tells `on_event` about steps; progress is thinned out, the rest always arrives."""

    def __init__(
        self, on_event: Callable[[StepEvent], None] | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.latest: RunStep | None = None  # the step told about last: where a fault belongs
        self._on_event = on_event
        self._clock = clock
        self._last_progress = -1e9

    def started(self, step: RunStep, **numbers: float) -> None:
        """The step begins."""
        self._tell(step, StepState.STARTED, "", numbers)

    def progress(self, step: RunStep, **numbers: float | None) -> None:
        """How far the step is; numbers that are None are not known."""
        now = self._clock()
        if now - self._last_progress >= _SECONDS_BETWEEN_PROGRESS:
            self._last_progress = now
            known = {name: value for name, value in numbers.items() if value is not None}
            self._tell(step, StepState.PROGRESS, "", known)

    def done(self, step: RunStep, proved: str, **numbers: float) -> None:
        """The step is over and proved what `proved` says."""
        self._tell(step, StepState.DONE, proved, numbers)

    def failed(self, step: RunStep, why: str, **numbers: float) -> None:
        """The step ended the run, or broke a limit; `why` says which."""
        self._tell(step, StepState.FAILED, why, numbers)

    def skipped(self, step: RunStep, why: str) -> None:
        """The step was not reached, or nothing could be proved by it."""
        self._tell(step, StepState.SKIPPED, why, {})

    def _tell(self, step: RunStep, state: StepState, proved: str, numbers: Mapping[str, float]) -> None:
        self.latest = step
        if self._on_event is not None:
            self._on_event(StepEvent(step=step, state=state, proved=proved, numbers=numbers))
