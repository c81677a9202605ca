"""Runs seeds by Slurm: one job is one seed on one whole node, submitted and watched by submitit.

What is shipped is the name of a function and of a file. Slurm requeues nothing: what is a machine's fault is
ours to say, and every attempt has a folder.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError, UsageError
from harness.executors.job_queue import run_all
from harness.executors.seed_task import CLAIM_SECONDS, TaskAnswer, answer_to_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.executors.executor import JobOutcome, RunOptions
    from harness.executors.job_file import SeedTask
    from harness.runs.seed_job import SeedJob

CLUSTERS = ("slurm", "local")
_TEXTS = ("partition", "account", "qos", "constraint", "gres", "mem", "exclude", "reservation")
_NUMBERS = ("gpus_per_node", "cpus_per_task")
# Copies, seals and the leaving of the queue, beside the phases that the track counts.
_MARGIN_SECONDS = 900.0
_LOOK_SECONDS = {"slurm": 5.0, "local": 0.2}
_FORCED_LOOK_SECONDS = 60.0  # how often Slurm itself is asked, beyond the answer's file


class SlurmExecutor:
    """Its own options: `partition`, `account`, `qos`, ... of sbatch, `gpus_per_node`, `cpus_per_task`.

    Beside them `cluster`: `local` runs the jobs as processes of this machine, without Slurm. Nodes see the
    folders of runs, data and submissions under the same paths. Raises `SetupError` without submitit.
    """

    name = "slurm"

    def __init__(self, options: RunOptions) -> None:
        own = dict(options.own)
        self._cluster = own.pop("cluster", "slurm")
        if self._cluster not in CLUSTERS:
            raise UsageError(f"unknown cluster {self._cluster!r}; one of {', '.join(CLUSTERS)}")
        for name, value in own.items():
            if name not in (*_TEXTS, *_NUMBERS) or (name in _NUMBERS and not value.isdigit()):
                known = ", ".join(("cluster", *_TEXTS, *_NUMBERS))
                raise UsageError(f"{name}={value!r} is no option of the slurm executor; it has {known}")
        self._own, self._options = own, options
        _imported()

    def submit(self, jobs: Sequence[SeedJob]) -> Iterator[JobOutcome]:
        """See `Executor.submit`."""
        crew = _SlurmCrew(self._options.out, self._cluster, self._own)
        yield from run_all(jobs, crew, self._options)


class _SlurmCrew:
    def __init__(self, out: Path, cluster: str, options: Mapping[str, str]) -> None:
        self._submitit = submitit = _imported()
        self._cluster, self._options = cluster, options
        try:
            self._executor = submitit.AutoExecutor(
                folder=out.resolve() / ".slurm" / "%j",
                cluster=cluster,
                **({"slurm_max_num_timeout": 0} if cluster == "slurm" else {"local_max_num_timeout": 0}),
            )
        except RuntimeError as error:
            raise SetupError(
                f"Slurm is not found on this machine ({error}); run it where sbatch is"
            ) from error
        self._numbers = itertools.count()
        self._running: dict[int, Any] = {}
        self._asked = time.monotonic()

    def start(self, task: SeedTask, path: Path, avoid: frozenset[str]) -> int:
        number = next(self._numbers)
        self._executor.update_parameters(**self._parameters(task, avoid))
        try:
            self._running[number] = self._executor.submit(answer_to_file, str(path))
        except self._submitit.core.utils.FailedJobError as error:
            raise SetupError(f"Slurm refused the job: {error}") from error
        return number

    def next_done(self, should_stop: Callable[[], bool]) -> tuple[int, TaskAnswer] | None:
        while not should_stop():
            is_due = time.monotonic() - self._asked >= _FORCED_LOOK_SECONDS
            for number, job in self._running.items():
                if job.done(force_check=is_due):
                    del self._running[number]
                    return number, self._answer(job)
            if is_due:
                self._asked = time.monotonic()
            time.sleep(_LOOK_SECONDS[self._cluster])
        return None

    def close(self) -> None:
        for job in self._running.values():
            job.cancel(check=False)
        self._running = {}

    def _answer(self, job: Any) -> TaskAnswer:
        try:
            return TaskAnswer.of_json(job.result())
        except self._submitit.core.utils.UncompletedJobError as error:
            # Its lines: which job, that it left no result, and what it wrote to its error output.
            said = f"job {job.job_id} ended as {job.state}: {' '.join(str(error).split())}"[:500]
            node = str(job.get_info().get("NodeList", "")) if self._cluster == "slurm" else ""
            return TaskAnswer(node=node, fault=said, is_machine_fault=True)
        except self._submitit.core.utils.FailedJobError as error:
            said = str(error).strip().splitlines()[-1]
            return TaskAnswer(node="", fault=f"a bug of ours in job {job.job_id}: {said}"[:1000])

    def _parameters(self, task: SeedTask, avoid: frozenset[str]) -> dict[str, Any]:
        minutes = math.ceil((task.job.track.whole_seconds + CLAIM_SECONDS + _MARGIN_SECONDS) / 60)
        usual: dict[str, Any] = {
            "name": f"golf-{task.job.name}-{task.job.seed}",
            "timeout_min": minutes,
            "nodes": 1,
            "tasks_per_node": 1,
        }
        if self._cluster == "local":
            return usual
        options = dict(self._options)
        excluded = sorted({*avoid, *filter(None, options.pop("exclude", "").split(","))} - {""})
        gpus = int(options.pop("gpus_per_node", task.job.track.ranks))
        if gpus:
            usual["gpus_per_node"] = gpus
        if "cpus_per_task" in options:
            usual["cpus_per_task"] = int(options.pop("cpus_per_task"))
        extra = {"no-requeue": True, **{key: options.pop(key) for key in ("reservation",) if key in options}}
        named = {f"slurm_{key}": value for key, value in options.items()}
        if excluded:
            named["slurm_exclude"] = ",".join(excluded)
        return {**usual, "slurm_exclusive": True, "slurm_additional_parameters": extra, **named}


def _imported() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise SetupError("submitit is not installed; run: pip install 'golf-harness[slurm]'") from error
    return submitit
