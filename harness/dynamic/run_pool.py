"""The runs of one audit: made side by side on some processors, within one deadline, and kept as a list.

Where a run's sandbox shows paths of the host, runs wait for each other (`audit_run.run_child`).
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING

from harness.dynamic.audit_run import LIMITS, may_run_side_by_side, run_child
from harness.dynamic.run_causes import OF_THIS_MACHINE, CauseKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.audit_subject import AuditSubject
    from harness.dynamic.run_causes import RunCause
    from harness.dynamic.run_files import RunFiles
    from harness.dynamic.run_ladder import Attempt
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.tiny_data import TinyData
    from harness.sandbox.request import Sandbox, SandboxLimits

MOST_WORKERS = 2
"""Runs at a time: each has a gigabyte of torch and submission in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRun:
    """A run in the report: what was done to its tokens, how long it took, and how it ended."""

    name: str
    what: str
    seconds: float
    ending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunRun:
    """A run that was asked for, and that its asker may still do without."""

    plan: RunPlan
    future: Future[AuditRun | None]
    is_unwanted: threading.Event

    def result(self) -> AuditRun | None:
        """The run when it has ended; None where no time was left for it."""
        return self.future.result()

    def forget(self) -> None:
        """End it, or never begin it; it will not be among the runs made."""
        self.is_unwanted.set()


class RunPool:
    """Makes runs of `subject` until `deadline` (of the monotonic clock); a context manager.

    `on_run` gets the name of each run before it begins, one at a time, maybe in a thread. `files` takes logs
    and records, None where nobody wants them.
    """

    def __init__(
        self,
        subject: AuditSubject,
        sandbox: Sandbox,
        deadline: float,
        *,
        on_run: Callable[[str], None],
        should_stop: Callable[[], bool],
        workers: int | None = None,
        files: RunFiles | None = None,
    ) -> None:
        count = workers or min(MOST_WORKERS, len(os.sched_getaffinity(0)))
        count = count if may_run_side_by_side(sandbox) else 1
        self.workers = count
        """Runs that go side by side."""
        self._subject = subject
        self._sandbox = sandbox
        self._deadline = deadline
        self._on_run = on_run
        self._asked_to_stop = should_stop
        self._files = files
        self._is_left = threading.Event()
        self._lock = threading.Lock()
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(count):
            self._slots.put(slot)
        self._threads = ThreadPoolExecutor(max_workers=count, thread_name_prefix="run")
        self._attempts: list[MadeRun] = []
        self._made: list[tuple[MadeRun, RunCause | None, threading.Event] | None] = []
        self._lacking: set[CauseKind] = set()

    def __enter__(self) -> RunPool:
        """Runs may be begun."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what still runs, and wait until it has ended."""
        self._is_left.set()  # whatever still runs is no longer wanted
        self._threads.shutdown(wait=True, cancel_futures=True)

    @property
    def made(self) -> Sequence[MadeRun]:
        """The climb, then the runs that ended and are wanted, in the order they were begun."""
        return [*self._attempts, *(run for run, _ in self._wanted())]

    @property
    def lacking(self) -> tuple[CauseKind, ...]:
        """What a run of another machine, or of another day, might have had: causes, in order of name."""
        ended = {cause.kind for _, cause in self._wanted() if cause is not None}
        return tuple(sorted(self._lacking | (ended & OF_THIS_MACHINE)))

    def _wanted(self) -> list[tuple[MadeRun, RunCause | None]]:
        ended = [each for each in self._made if each is not None]
        return [(run, cause) for run, cause, unwanted in ended if not unwanted.is_set()]

    def keep_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Add the runs of a climb."""
        for attempt in attempts:
            cause = attempt.run.cause
            if cause is not None and cause.kind in OF_THIS_MACHINE:
                self._lacking.add(cause.kind)
            self._attempts.append(
                MadeRun(
                    name="base",
                    what=f"driven {attempt.step.value}",
                    seconds=round(attempt.run.outcome.seconds, 1),
                    ending=cause.message if cause is not None else "printed its score",
                )
            )

    @contextmanager
    def slot(self) -> Iterator[int]:
        """A place for runs that are made without the pool; as long as it is held, the pool has one less."""
        slot = self._slots.get()
        try:
            yield slot
        finally:
            self._slots.put(slot)

    def begin(
        self,
        name: str,
        what: str,
        plan: RunPlan,
        data: TinyData,
        *,
        least_seconds: float,
        may_write_data: bool = False,
    ) -> BegunRun:
        """Make a run when a processor is free; None where less than `least_seconds` are left by then."""
        unwanted = threading.Event()
        future = self._threads.submit(
            self._run, name, what, plan, data, least_seconds, may_write_data, unwanted
        )
        return BegunRun(plan=plan, future=future, is_unwanted=unwanted)

    def tell(self, name: str) -> None:
        """Say that the run `name` begins."""
        with self._lock:
            self._on_run(name)

    def files_of(self, name: str) -> Path | None:
        """Where the files of a run called `name` go that begins now; None where nobody wants them."""
        return self._files.place(name) if self._files is not None else None

    def limits(self) -> SandboxLimits:
        """Those of a run that begins now."""
        left = max(1.0, self._deadline - time.monotonic())
        return replace(LIMITS, wall_seconds=min(LIMITS.wall_seconds or left, left))

    def should_stop(self) -> bool:
        """Whether nobody waits for the runs any more."""
        return self._is_left.is_set() or self._asked_to_stop()

    def _run(
        self,
        name: str,
        what: str,
        plan: RunPlan,
        data: TinyData,
        least_seconds: float,
        may_write_data: bool,
        unwanted: threading.Event,
    ) -> AuditRun | None:
        def should_stop() -> bool:
            return unwanted.is_set() or self.should_stop()

        with self.slot() as slot:
            if should_stop():
                return None
            if time.monotonic() + least_seconds > self._deadline:
                self._lacking.add(CauseKind.TIME)
                return None
            self.tell(name)
            with self._lock:
                place = len(self._made)
                self._made.append(None)
            run = run_child(
                self._subject.folder,
                plan,
                data,
                self._sandbox,
                self.limits(),
                names=self._subject.vocabulary.names,
                may_write_data=may_write_data,
                slot=slot,
                files=self.files_of(name),
                should_stop=should_stop,
            )
        if unwanted.is_set():
            return None
        forks = f", {len(run.branches)} forks" if run.branches else ""
        made = MadeRun(
            name=name,
            what=what,
            seconds=round(run.outcome.seconds, 1),
            ending=run.cause.message if run.cause is not None else f"printed its score{forks}",
        )
        self._made[place] = made, run.cause, unwanted
        return run
