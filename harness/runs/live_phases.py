"""What a running script is doing now, for displays: the phase, the seconds, and how far its log says it is.

A guess by the same signs as `script_phases`, which judges when the run is over: evaluation has begun once
the script reads back an artifact that it wrote.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.runs.run_steps import RunStep
from harness.runs.script_phases import OUT, is_artifact_name
from harness.runs.told_progress import ToldProgress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.runs.run_steps import StepTeller
    from harness.runs.track import RunTrack
    from harness.watching.file_watch import FileWatch

_SECONDS_BETWEEN_LOOKS = 0.5


class LivePhases:
    """Follows one run of one process; make it when the process is about to start."""

    def __init__(
        self,
        teller: StepTeller,
        track: RunTrack,
        watch: FileWatch,
        work: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._teller, self._track, self._watch, self._work = teller, track, watch, work
        self._clock = clock
        self._told = ToldProgress()
        self._began = clock()
        self._looked = -1e9
        self._read_events = 0
        self._written: dict[str, float] = {}
        self._evaluation_since: float | None = None
        self._log_bytes = 0
        self._artifact_bytes: float | None = None
        teller.started(RunStep.TRAINING, limit_seconds=track.train_seconds)

    def line(self, seconds: float, line: bytes) -> None:
        """One line of the log, `seconds` after the start."""
        del seconds  # our own clock also runs while nothing is printed
        self._log_bytes += len(line)
        self._told.read(line)
        self.tick()

    def tick(self) -> None:
        """Look, if some time has passed since the last look, and tell."""
        now = self._clock()
        if now - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked = now
        self._look()
        seconds, since = now - self._began, self._evaluation_since
        if since is None:
            step, used, limit = RunStep.TRAINING, seconds, self._track.train_seconds
        else:
            step, used, limit = RunStep.EVALUATION, max(seconds - since, 0.0), self._track.eval_seconds
        self._teller.progress(
            step,
            seconds=used,
            limit_seconds=limit,
            bytes=self._artifact_bytes,
            log_bytes=self._log_bytes,
            **self._told.numbers(),
        )

    def _look(self) -> None:
        events = self._watch.events
        end = len(events)
        for event in events[self._read_events : end]:
            if event.folder != OUT or not is_artifact_name(event.path):
                continue
            if event.kind == "written":
                self._written[event.path] = event.at
                self._artifact_bytes = self._size(event.path)
            elif event.kind == "opened" and event.path in self._written and self._evaluation_since is None:
                self._evaluation_since = self._written[event.path]
                self._teller.started(RunStep.EVALUATION, limit_seconds=self._track.eval_seconds)
        self._read_events = end

    def _size(self, path: str) -> float | None:
        try:
            return float((self._work / path).lstat().st_size)
        except (OSError, ValueError):
            return None
