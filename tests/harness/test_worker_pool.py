"""A batch survives its workers."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from harness.worker_pool import run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable


def start(offset: int) -> Callable[[int], int]:
    """Adds the offset; 13 kills the worker, 99 hangs it."""

    def work(task: int) -> int:
        if task == 13:
            os._exit(9)
        if task == 99:
            time.sleep(600)
        return task + offset

    return work


def test_every_task_gets_its_result():
    results = {done.index: done.result for done in run_tasks([1, 2, 3], start, 10, jobs=2)}
    assert results == {0: 11, 1: 12, 2: 13}


def test_a_worker_that_dies_costs_only_its_own_task():
    results = {done.task: done for done in run_tasks([1, 13, 2], start, 10, jobs=1)}
    assert (results[1].result, results[2].result) == (11, 12)
    assert "exit code 9" in (results[13].failure or "")


def test_a_worker_that_hangs_is_stopped_and_named():
    done = {item.task: item for item in run_tasks([1, 99, 2], start, 10, jobs=1, timeout_seconds=1.0)}
    assert (done[1].result, done[2].result) == (11, 12)
    assert "after 1 seconds" in (done[99].failure or "")


def test_no_tasks_start_no_worker():
    assert list(run_tasks([], start, 10, jobs=2)) == []


def test_closing_the_iterator_early_stops_the_workers():
    results = run_tasks([1, 2, 3, 4], start, 10, jobs=1)
    first = next(results)
    results.close()
    assert first.result == 11
