"""The default executor where it differs: its worker is golf-run itself, and it tells every step."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError, UsageError
from harness.executors.choose import make_executor
from harness.executors.executor import RunOptions
from harness.executors.local import gpu_sets
from harness.runs.record_store import SeedFolder
from harness.runs.run_record import RunStatus

if TYPE_CHECKING:
    from harness.executors.executor import Executor
    from harness.runs.run_steps import StepEvent
    from harness.runs.seed_job import SeedJob
    from tests.harness.executors.seed_jobs import Jobs

pytest.importorskip("inotify_simple", reason="golf-run needs the extra run")
ROOT = Path(__file__).resolve().parents[3]
DRIVER = """
import pickle, sys
from harness.executors.choose import make_executor
from harness.executors.executor import RunOptions
jobs, out = pickle.loads(sys.stdin.buffer.read())
for outcome in make_executor("local", RunOptions(out=out, sandbox="none")).submit(jobs):
    pass
"""


def local(jobs: Jobs, **changed: object) -> Executor:
    return make_executor("local", RunOptions(**{"out": jobs.out, "sandbox": "none", **changed}))


def test_golf_run_killed_during_a_seed_resumes_where_it_was(jobs: Jobs) -> None:
    jobs.hold(42)
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, cwd=ROOT)
    assert driver.stdin is not None
    driver.stdin.write(pickle.dumps((jobs.jobs(13, 42, 7), jobs.out)))
    driver.stdin.close()
    assert jobs.worker_of(42) == driver.pid
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    jobs.let_go(42)
    outcomes = {each.job.seed: each for each in local(jobs).submit(jobs.jobs(13, 42, 7))}
    assert [outcomes[seed].was_found for seed in (13, 42, 7)] == [True, False, False]
    assert [record.reason for record in jobs.attempts(42)] == ["lost", ""]
    assert [len(jobs.starts(seed)) for seed in (13, 42, 7)] == [1, 2, 1]


def test_every_step_is_told_with_its_job(jobs: Jobs) -> None:
    told: list[tuple[SeedJob, StepEvent]] = []
    list(local(jobs, on_event=lambda job, event: told.append((job, event))).submit(jobs.jobs(13)))
    assert {job.seed for job, _ in told} == {13}
    assert next(event.name for _, event in told if event.state == "done") == "machine check"
    assert told[-1][1].name == "record"


def test_stopping_leaves_the_other_seeds_for_later(jobs: Jobs) -> None:
    asked: list[bool] = []
    running = local(jobs, should_stop=lambda: bool(asked)).submit(jobs.jobs(13, 42))
    first = next(running)
    asked.append(True)
    (second,) = running
    assert first.record is not None
    assert (second.record, second.fault) == (None, "stopped before it was done")
    assert jobs.starts(42) == []


def test_a_seed_that_another_golf_run_holds_is_told_at_once(jobs: Jobs) -> None:
    with SeedFolder.of(jobs.out, "toy", 13).claimed():
        (outcome,) = local(jobs, tries=1).submit(jobs.jobs(13))
    assert "another golf-run writes there" in outcome.fault
    assert jobs.attempts(13) == []


def test_seeds_on_sets_of_gpus_say_that_they_shared_the_machine(jobs: Jobs) -> None:
    (outcome,) = local(jobs, own={"gpu_sets": "0;1"}).submit(jobs.jobs(13))
    assert outcome.record is not None
    assert "the machine was shared by 2 seeds at a time" in outcome.record.not_eligible
    assert outcome.record.status is RunStatus.FINISHED


@pytest.mark.parametrize("text", ["0,1;1,2", "a", "0;;1", "-1"])
def test_sets_of_gpus_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="gpu_sets"):
        gpu_sets(text)


def test_sets_of_gpus_are_numbers_as_the_driver_counts() -> None:
    assert gpu_sets("0,1,2,3;4,5,6,7") == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert gpu_sets("") == ()


@pytest.mark.parametrize("name", ["dask", ""])
def test_an_unknown_executor_is_refused(jobs: Jobs, name: str) -> None:
    with pytest.raises(UsageError, match="local, ray, slurm"):
        make_executor(name, RunOptions(out=jobs.out))


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_package_that_is_missing_is_named(
    jobs: Jobs, name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SetupError, match=rf"pip install 'golf-harness\[{name}\]'"):
        make_executor(name, RunOptions(out=jobs.out))


def test_a_bug_of_ours_is_told_and_not_tried_again(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def broken(*_: object, **__: object) -> None:
        calls.append(os.getpid())
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("harness.executors.kept_run.run_seed", broken)
    (outcome,) = local(jobs, tries=3).submit(jobs.jobs(13))
    assert "a bug of ours: ZeroDivisionError" in outcome.fault
    assert calls == [os.getpid()]
    assert [record.reason for record in jobs.attempts(13)] == ["lost"]


def test_other_packages_on_the_worker_are_a_fault_of_the_machine(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.executors.seed_task.tool_versions", lambda: {"python": "3.0"})
    (outcome,) = local(jobs, tries=1).submit(jobs.jobs(13))
    assert "install the same on every machine" in outcome.fault
    assert jobs.starts(13) == []


def test_a_job_that_changed_meanwhile_is_another_job(jobs: Jobs) -> None:
    list(local(jobs).submit(jobs.jobs(13)))
    other = replace(jobs.job(13), settings={"TOLD": str(jobs.told), "ITERATIONS": "7"})
    with pytest.raises(SetupError, match="other settings"):
        list(local(jobs).submit([other]))
