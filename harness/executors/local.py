"""Runs seeds on this machine: one after another, or one on each of several sets of GPUs at a time."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING

from harness.errors import UsageError
from harness.executors.job_queue import run_all
from harness.executors.seed_task import TaskAnswer, answer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.executors.executor import JobOutcome, RunOptions
    from harness.executors.job_file import SeedTask
    from harness.runs.seed_job import SeedJob

_NODE = "this machine"
_END_SECONDS = 20.0
_LOOK_SECONDS = 0.2
_LONGEST_ANSWER = 1 << 16
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"


class LocalExecutor:
    """The default executor. Its own option: `gpu_sets`, such as `0,1,2,3;4,5,6,7`.

    Without it seeds run one at a time in this process, and `on_event` hears of every step. With it each set
    of GPUs (numbers as the driver counts them) has a process of its own that sees its GPUs only; such runs
    share the machine, and their records say so.
    """

    name = "local"

    def __init__(self, options: RunOptions) -> None:
        unknown = sorted(set(options.own) - {"gpu_sets"})
        if unknown:
            raise UsageError(f"unknown option {unknown[0]!r} of the local executor; it has gpu_sets")
        self._gpu_sets = gpu_sets(options.own.get("gpu_sets", ""))
        self._options = options

    def submit(self, jobs: Sequence[SeedJob]) -> Iterator[JobOutcome]:
        """See `Executor.submit`."""
        crew = _ProcessCrew(self._gpu_sets) if self._gpu_sets else _OwnCrew(self._options)
        if len(self._gpu_sets) > 1:
            shared = f"the machine was shared by {len(self._gpu_sets)} seeds at a time"
            jobs = [replace(job, not_eligible=(*job.not_eligible, shared)) for job in jobs]
        yield from run_all(jobs, crew, self._options)


def gpu_sets(text: str) -> tuple[tuple[int, ...], ...]:
    """`0,1,2,3;4,5,6,7` as two sets of four. Raises `UsageError` for anything else."""
    try:
        sets = tuple(tuple(map(int, part.split(","))) for part in text.split(";")) if text else ()
    except ValueError as error:
        raise UsageError(f"gpu_sets={text!r}: write numbers of GPUs, as in 0,1,2,3;4,5,6,7") from error
    used = [each for part in sets for each in part]
    if len(used) != len(set(used)) or any(each < 0 for each in used):
        raise UsageError(f"gpu_sets={text!r}: a GPU belongs to one set")
    return sets


class _OwnCrew:
    """This very process; a task runs when its end is waited for."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._numbers = itertools.count()
        self._tasks: deque[tuple[int, SeedTask]] = deque()

    def start(self, task: SeedTask, path: Path, avoid: frozenset[str]) -> int:
        number = next(self._numbers)
        if avoid:
            self._tasks.appendleft((number, task))  # again at once: its seed is what people wait for
        else:
            self._tasks.append((number, task))
        return number

    def next_done(self, should_stop: Callable[[], bool]) -> tuple[int, TaskAnswer] | None:
        number, task = self._tasks.popleft()
        answer = answer_to(
            task,
            lambda event: self._options.on_event(task.job, event),
            should_stop=should_stop,
            claim_seconds=0.0,  # who holds a seed here works on it: people are told at once
        )
        return number, answer

    def close(self) -> None:
        self._tasks.clear()


class _ProcessCrew:
    """A process a task, one on each set of GPUs at a time."""

    def __init__(self, gpu_sets: Sequence[tuple[int, ...]]) -> None:
        self._numbers = itertools.count()
        self._free = deque(gpu_sets)
        self._tasks: deque[tuple[int, Path]] = deque()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._done: SimpleQueue[tuple[int, tuple[int, ...], TaskAnswer]] = SimpleQueue()

    def start(self, task: SeedTask, path: Path, avoid: frozenset[str]) -> int:
        number = next(self._numbers)
        self._tasks.append((number, path))
        self._fill()
        return number

    def next_done(self, should_stop: Callable[[], bool]) -> tuple[int, TaskAnswer] | None:
        while True:
            try:
                number, gpus, answer = self._done.get(timeout=_LOOK_SECONDS)
                break
            except Empty:
                if should_stop():
                    return None
        del self._running[number]
        self._free.append(gpus)
        self._fill()
        return number, answer

    def close(self) -> None:
        self._tasks.clear()
        for process in self._running.values():
            process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _END_SECONDS
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.0))
            process.kill()
            process.wait()

    def _fill(self) -> None:
        while self._tasks and self._free:
            (number, path), gpus = self._tasks.popleft(), self._free.popleft()
            environment = {**os.environ, VISIBLE_GPUS: ",".join(map(str, gpus))}
            # A file, not a pipe: what a worker says can neither block it nor be cut by our leaving.
            said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the thread that waits
            command = [sys.executable, "-m", "harness.executors.seed_task", str(path)]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
            )
            self._running[number] = process
            threading.Thread(target=self._wait, args=(number, gpus, process, said), daemon=True).start()

    def _wait(
        self, number: int, gpus: tuple[int, ...], process: subprocess.Popen[bytes], said: IO[bytes]
    ) -> None:
        code = process.wait()
        with said:
            said.seek(max(said.seek(0, os.SEEK_END) - _LONGEST_ANSWER, 0))
            lines = said.read().decode("utf-8", "replace").splitlines()
        try:
            answer = TaskAnswer.of_json(json.loads(lines[-1]))
        except (IndexError, ValueError, KeyError, TypeError):
            how = f"signal {-code}" if code < 0 else f"status {code}"
            last = f": {lines[-1][:300]}" if lines else ""
            answer = TaskAnswer(
                node=_NODE, fault=f"the worker process ended with {how}{last}", is_machine_fault=True
            )
        self._done.put((number, gpus, answer))
