"""Runs one step of the two-step protocol: one command in one sandbox, under our clock and watched."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.runs.gpus_inside import refuse_hidden_gpus
from harness.runs.run_clock import RunClock
from harness.runs.run_files import (
    DATA,
    WORK,
    file_digest,
    meeting_port,
    sandbox_limits,
    script_environment,
    split_label,
    usual_mounts,
    write_events,
)
from harness.runs.script_phases import OUT, script_phases
from harness.runs.told_progress import ToldProgress
from harness.sandbox.rank_command import rank_command
from harness.sandbox.request import Mount, SandboxRequest
from harness.scoring.wire import SOCKET_VARIABLE
from harness.watching.event_pipe import INJECTED, EventPipe
from harness.watching.file_watch import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from harness.runs.run_protocol import StepCommand
    from harness.runs.run_steps import RunStep, StepTeller
    from harness.runs.script_phases import ScriptPhases
    from harness.runs.seed_job import SeedJob
    from harness.sandbox.request import Protection, Sandbox, SandboxOutcome
    from harness.watching.event_pipe import WatchedEvent

_PIPE, _INJECTED = "pipe", "injected"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFiles:
    """Where a step works and what it leaves beside the record."""

    attempt: Path
    work: Path
    log_name: str
    events_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RanStep:
    """How a step ended, what was seen of it (times since its start), and digests of its log and events."""

    outcome: SandboxOutcome
    seen: ScriptPhases
    files: Mapping[str, str]


class StepSandbox:
    """One step that is ready to run: mounts, variables and command are fixed."""

    def __init__(
        self,
        job: SeedJob,
        command: StepCommand,
        files: StepFiles,
        sandbox: Sandbox,
        *,
        limit_seconds: float,
        shown: Mapping[str, Mount] | None = None,
        variables: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda _: {},
        words: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda _: {},
    ) -> None:
        """`shown` are mounts beside the usual ones; `variables` and `words` (what stands for what in the
        command and its variables) are asked for with the place where each mount is seen.

        `limit_seconds` is what the step may take; it is ended `extra_seconds` of the track later. Raises
        `SetupError` where the sandbox cannot be made.
        """
        self._job = replace(job, settings={**command.environment, **job.settings})
        self._files, self._sandbox, self._limit = files, sandbox, limit_seconds
        events = files.attempt / f"pipe-{files.events_name.partition('.')[0]}"
        events.mkdir()
        mounts = {
            **usual_mounts(self._job, files.work),
            _PIPE: Mount(host=events, inside="/golf/pipe", is_writable=True),
            _INJECTED: Mount(host=INJECTED, inside="/golf/injected", is_writable=False),
            **(shown or {}),
        }
        seen_at = {name: sandbox.seen_at(mount) for name, mount in mounts.items()}
        placed = _Placed(words(seen_at))
        self._pipe = EventPipe(events, inside=seen_at[_PIPE], injected_inside=seen_at[_INJECTED])
        self._script = f"{seen_at[WORK]}/{command.script}"
        start = rank_command(
            sys.executable,
            self._script,
            tuple(placed(argument) for argument in command.arguments),
            ranks=job.track.ranks,
            port=meeting_port(sandbox),
        )
        settings = {name: placed(value) for name, value in self._job.settings.items()}
        environment = script_environment(replace(self._job, settings=settings), seen_at)
        environment |= {**start.environment, **variables(seen_at)}
        self._scoring_connection = f"socket.connect {environment.get(SOCKET_VARIABLE)!r}"
        environment.update(self._pipe.environment(environment.get("PYTHONPATH", "")))
        self._request = SandboxRequest(
            command=start.command,
            environment=environment,
            mounts=tuple(mounts.values()),
            workdir=seen_at[WORK],
            limits=sandbox_limits(job, limit_seconds + job.track.extra_seconds),
            wants_gpu=job.wants_gpu,
        )

    def protections(self) -> tuple[Protection, ...]:
        """Those in force, tried from inside. Raises `SetupError` where the run's GPUs are hidden there."""
        found = self._sandbox.protections(self._request)
        refuse_hidden_gpus(self._sandbox, self._request, ranks=self._job.track.ranks)
        return found

    def run(
        self,
        step: RunStep,
        teller: StepTeller,
        should_stop: Callable[[], bool],
        progress: Callable[[], Mapping[str, float]] = dict,
    ) -> RanStep:
        """Run it until every process of it is dead; `progress` adds numbers to what displays are told."""
        told, files, clock = ToldProgress(), self._files, RunClock()
        teller.started(step, limit_seconds=self._limit)
        with ExitStack() as stack:
            stack.enter_context(self._pipe)
            watch = stack.enter_context(FileWatch({DATA: self._job.data, OUT: files.work}))
            log = stack.enter_context((files.attempt / files.log_name).open("wb"))

            def keep(seconds: float, line: bytes) -> None:
                log.write(line if line.endswith(b"\n") else line + b"\n")
                told.read(line)
                tell(seconds)

            def tell(seconds: float) -> None:
                numbers = {**told.numbers(), **progress()}
                teller.progress(step, seconds=seconds, limit_seconds=self._limit, **numbers)

            def asked_to_stop() -> bool:
                tell(clock())  # a script that prints nothing is shown too
                return should_stop()

            clock.start()
            outcome = self._sandbox.run(self._request, keep, should_stop=asked_to_stop)
        return self._ran(outcome, watch)

    def _ran(self, outcome: SandboxOutcome, watch: FileWatch) -> RanStep:
        files, pipe = self._files, self._pipe
        seen_files = [split_label(event) for event in watch.events]
        watched = [event for event in pipe.events if not self._is_of_the_protocol(event)]
        seen = script_phases(
            seen_files, watched, outcome.seconds, is_incomplete=watch.overflowed or pipe.overflowed
        )
        digests = {
            files.events_name: write_events(files.attempt / files.events_name, [*seen_files, *pipe.events]),
            files.log_name: file_digest(files.attempt / files.log_name),
        }
        return RanStep(outcome=outcome, seen=seen, files=digests)

    def _is_of_the_protocol(self, event: WatchedEvent) -> bool:
        """Scores go through our own socket, and torchrun starts the ranks: neither reaches for anything."""
        starts_ranks = event.kind == "process" and event.rank is None and self._job.track.ranks > 0
        return event.what == self._scoring_connection or (starts_ranks and self._script in event.what)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Replaces words such as {artifact} in a text."""

    words: Mapping[str, str]

    def __call__(self, text: str) -> str:
        for word, value in self.words.items():
            text = text.replace(word, value)
        return text
