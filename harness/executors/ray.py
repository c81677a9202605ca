"""Runs seeds on a Ray cluster: one task is one seed on one whole node.

A node offers itself with the custom resource `golf_node` (one each), so that no two seeds share one. Ray
carries the name of a file and an answer; the submission runs in a sandbox that the worker starts, never in
the worker. Ray itself tries nothing again: what is a machine's fault is ours to say.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError, UsageError
from harness.executors.job_queue import run_all
from harness.executors.seed_task import TaskAnswer, answer_to_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.executors.executor import JobOutcome, RunOptions
    from harness.executors.job_file import SeedTask
    from harness.runs.seed_job import SeedJob

_LOOK_SECONDS = 1.0
_OPTIONS = {"address": "auto", "resource": "golf_node"}


class RayExecutor:
    """Its own options: `address` of the cluster (default: this machine's), `resource` that its nodes offer.

    Every node needs the same version of golf-harness, and sees the folders of runs, data and submissions
    under the same paths. Raises `SetupError` where Ray is not installed.
    """

    name = "ray"

    def __init__(self, options: RunOptions) -> None:
        unknown = sorted(set(options.own) - set(_OPTIONS))
        if unknown:
            raise UsageError(
                f"unknown option {unknown[0]!r} of the ray executor; it has {', '.join(_OPTIONS)}"
            )
        self._options = options
        _imported()

    def submit(self, jobs: Sequence[SeedJob]) -> Iterator[JobOutcome]:
        """See `Executor.submit`."""
        yield from run_all(jobs, _RayCrew(**{**_OPTIONS, **self._options.own}), self._options)


class _RayCrew:
    def __init__(self, address: str, resource: str) -> None:
        self._ray = ray = _imported()
        self._resource = resource
        self._numbers = itertools.count()
        self._running: dict[Any, int] = {}
        self._is_ours = not ray.is_initialized()
        how = f"--resources='{{\"{resource}\": 1}}'"
        if self._is_ours:
            address = os.environ.get("RAY_ADDRESS", address) if address == _OPTIONS["address"] else address
            try:
                with _own_handler(signal.SIGTERM):
                    ray.init(address=address, logging_level="ERROR", log_to_driver=False)
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                raise SetupError(
                    f"no Ray cluster at {address} ({error}); on the first node run `ray start --head {how}`, "
                    f"on the others `ray start --address=FIRST:6379 {how}`"
                ) from error
        if not self._nodes():
            self.close()
            raise SetupError(
                f"no node of the Ray cluster offers {resource!r}; start each with `ray start ... {how}`"
            )
        self._task = ray.remote(num_cpus=0, max_retries=0, resources={resource: 1})(answer_to_file)

    def start(self, task: SeedTask, path: Path, avoid: frozenset[str]) -> int:
        number = next(self._numbers)
        others = [node for node in self._nodes() if node["NodeManagerHostname"] not in avoid]
        if avoid and others and len(others) < len(self._nodes()):
            wanted = ",".join(node["NodeID"] for node in others)
            chosen = self._task.options(label_selector={"ray.io/node-id": f"in({wanted})"})
        else:
            chosen = self._task
        self._running[chosen.remote(str(path))] = number
        return number

    def next_done(self, should_stop: Callable[[], bool]) -> tuple[int, TaskAnswer] | None:
        found: list[Any] = []
        while not found:
            if should_stop():
                return None
            found, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_LOOK_SECONDS)
        (done,) = found
        number = self._running.pop(done)
        try:
            return number, TaskAnswer.of_json(self._ray.get(done))
        except self._ray.exceptions.RayTaskError as error:
            said = str(error).strip().splitlines()[-1]
            return number, TaskAnswer(node="", fault=f"a bug of ours in the worker: {said}"[:1000])
        except self._ray.exceptions.RayError as error:  # the worker, its node or the network
            said = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"[:500]
            return number, TaskAnswer(node="", fault=said, is_machine_fault=True)

    def close(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running = {}
        if self._is_ours:
            self._ray.shutdown()

    def _nodes(self) -> list[dict[str, Any]]:
        return [
            node
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get(self._resource, 0) >= 1
        ]


@contextlib.contextmanager
def _own_handler(number: int) -> Iterator[None]:
    """Keep what a signal does: Ray would end this process by its own way, without a record."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, before)


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise SetupError("Ray is not installed; run: pip install 'golf-harness[ray]'") from error
    return ray
