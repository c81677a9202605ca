"""Judges many submissions in worker processes; one that dies or hangs costs one result, not the batch.

`concurrent.futures` gives up the whole pool when a worker dies (a hostile file, the kernel's memory killer),
so each worker here has its own pipe and holds one task at a time: the parent always knows which submission
a dead worker was reading, says so, and starts another worker.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    # Called once in each worker; returns the function that does one task.
    Setup = Callable[[Any], Callable[[Any], Any]]

TaskT = TypeVar("TaskT")

# Longer than the guarded reader and the guarded audit may take on a busy machine, whose limits cost less than
# the whole task; a worker silent for this long hangs.
TASK_TIMEOUT_SECONDS = 1_200.0
# git and parsers keep caches; a fresh worker after this many tasks bounds a batch's memory.
TASKS_PER_WORKER = 250
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Done(Generic[TaskT]):
    """A finished task: its result, or `failure` in words when the worker died or timed out."""

    index: int
    task: TaskT
    result: Any
    failure: str | None


def _work(connection: Connection, setup: Setup, argument: object) -> None:
    """A worker's life: set up once, then answer tasks until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    do_task = setup(argument)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(do_task(task))


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    connection: Connection
    index: int | None = None
    started: float = 0.0
    done: int = 0
    deadline_extra: float = field(default=_START_SECONDS)  # the first task includes the worker's start

    def give(self, index: int, task: object) -> None:
        self.index = index
        self.started = time.monotonic()
        self.connection.send(task)

    def is_late(self, timeout: float) -> bool:
        return self.index is not None and time.monotonic() - self.started > timeout + self.deadline_extra

    def stop(self) -> None:
        self.connection.close()
        self.process.join(timeout=1.0)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def run_tasks(
    tasks: Sequence[TaskT],
    setup: Setup,
    argument: object,
    *,
    jobs: int,
    timeout_seconds: float = TASK_TIMEOUT_SECONDS,
) -> Iterator[Done[TaskT]]:
    """Yield results as they come, in no particular order.

    `setup(argument)` runs once per worker and returns the function applied to each task; both are picklable.
    Workers are stopped when the iterator is closed, also by an exception such as Ctrl-C.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque(enumerate(tasks))
    workers: list[_Worker] = []

    def start() -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, setup, argument), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def failed(worker: _Worker, why: str) -> Done[TaskT]:
        index = worker.index
        assert index is not None
        workers.remove(worker)
        worker.process.kill()
        worker.stop()
        return Done(index, tasks[index], None, why)

    try:
        while waiting or any(worker.index is not None for worker in workers):
            while waiting and len(workers) < jobs:
                workers.append(start())
            for worker in workers:
                if worker.index is None and waiting:
                    worker.give(*waiting.popleft())
            busy = {worker.connection: worker for worker in workers if worker.index is not None}
            for connection in wait(list(busy), timeout=1.0):
                worker = busy[connection]  # type: ignore[index]
                index = worker.index
                assert index is not None
                try:
                    result = worker.connection.recv()
                except (EOFError, OSError):
                    worker.process.join(timeout=5.0)
                    code = worker.process.exitcode
                    yield failed(worker, f"the worker process died with exit code {code} while reading it")
                    continue
                worker.index, worker.deadline_extra = None, 0.0
                worker.done += 1
                if worker.done >= TASKS_PER_WORKER:
                    workers.remove(worker)
                    worker.stop()
                yield Done(index, tasks[index], result, None)
            for worker in [worker for worker in workers if worker.is_late(timeout_seconds)]:
                yield failed(worker, f"it was still being read after {timeout_seconds:.0f} seconds")
    finally:
        for worker in workers:
            if worker.index is not None:
                worker.process.kill()
            worker.stop()
