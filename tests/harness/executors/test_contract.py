"""What every executor promises: nothing lost, nothing run twice, every attempt kept."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError, UsageError
from harness.runs.run_record import RunStatus
from tests.harness.executors.seed_jobs import is_alive

if TYPE_CHECKING:
    from tests.harness.executors.conftest import Make
    from tests.harness.executors.seed_jobs import Jobs

pytest.importorskip("inotify_simple", reason="golf-run needs the extra run")


def test_every_job_is_run_once_and_its_record_kept(executor: Make, jobs: Jobs) -> None:
    outcomes = list(executor().submit(jobs.jobs(13, 1337, 1111)))
    assert {each.job.seed for each in outcomes} == {13, 1337, 1111}
    assert [(each.tries, each.was_found, each.fault) for each in outcomes] == [(1, False, "")] * 3
    for seed in (13, 1337, 1111):
        assert [record.status for record in jobs.attempts(seed)] == [RunStatus.FINISHED]
        assert len(jobs.starts(seed)) == 1


def test_found_records_are_not_run_again(executor: Make, jobs: Jobs) -> None:
    first = {each.job.seed: each.record for each in executor().submit(jobs.jobs(13))}
    second = {each.job.seed: each for each in executor().submit(jobs.jobs(13, 42))}
    assert second[13].was_found
    assert second[13].record == first[13]
    assert not second[42].was_found
    assert (len(jobs.starts(13)), len(jobs.starts(42))) == (1, 1)


def test_again_runs_a_seed_beside_its_record(executor: Make, jobs: Jobs) -> None:
    list(executor().submit(jobs.jobs(13)))
    (outcome,) = executor(again=True).submit(jobs.jobs(13))
    assert not outcome.was_found
    assert [record.attempt for record in jobs.attempts(13)] == [1, 2]
    assert outcome.record is not None
    assert outcome.record.attempt == 2


def test_a_failure_of_the_submission_is_not_tried_again(executor: Make, jobs: Jobs) -> None:
    (jobs.submission / "train_gpt.py").write_text("raise SystemExit(3)")
    (outcome,) = executor(tries=3).submit(jobs.jobs(13))
    assert outcome.record is not None
    assert (outcome.record.status, outcome.record.reason) == (RunStatus.FAILED, "script-error")
    assert (outcome.tries, len(jobs.attempts(13))) == (1, 1)


def test_a_fault_of_the_machine_is_tried_again_and_every_attempt_kept(executor: Make, jobs: Jobs) -> None:
    (jobs.data / "fineweb_val_000000.bin").unlink()
    jobs.data.rmdir()
    told: list[str] = []
    (outcome,) = executor(tries=2, tell=told.append).submit(jobs.jobs(13))
    assert [record.status for record in jobs.attempts(13)] == [RunStatus.COULD_NOT_RUN] * 2
    assert (outcome.tries, len(told)) == (2, 1)
    assert "data" in outcome.fault
    assert outcome.record is not None
    assert outcome.record.status is RunStatus.COULD_NOT_RUN


def test_a_killed_worker_loses_nothing(executor: Make, jobs: Jobs, kind: str) -> None:
    if kind == "local":
        pytest.skip("the worker is this very process: see test_local")
    jobs.hold(13)
    killed: list[int] = []

    def kill() -> None:
        killed.append(jobs.worker_of(13))
        jobs.let_go(13)
        os.kill(killed[0], signal.SIGKILL)

    jobs.hold(13)
    killer = threading.Thread(target=kill)
    killer.start()
    outcomes = {each.job.seed: each for each in executor().submit(jobs.jobs(13, 1337, 1111))}
    killer.join()
    assert killed
    assert killed[0] != os.getpid()
    assert [outcomes[seed].fault for seed in (13, 1337, 1111)] == ["", "", ""]
    assert [record.reason for record in jobs.attempts(13)] == ["lost", ""]
    for seed in (1337, 1111):
        assert len(jobs.attempts(seed)) == 1


def test_leaving_early_ends_what_still_runs(executor: Make, jobs: Jobs, kind: str) -> None:
    if kind == "local":
        pytest.skip("nothing runs while nobody waits")
    jobs.hold(13)
    running = executor().submit(jobs.jobs(13, 42))
    assert next(running).job.seed == 42
    worker = jobs.worker_of(13)
    running.close()
    deadline = time.monotonic() + 20
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(worker)
    jobs.let_go(13)
    (outcome,) = executor().submit(jobs.jobs(13))
    assert outcome.fault == ""
    assert [record.status for record in jobs.attempts(13)][-1] is RunStatus.FINISHED


def test_a_record_of_other_code_is_neither_used_nor_replaced(executor: Make, jobs: Jobs) -> None:
    list(executor().submit(jobs.jobs(13)))
    (jobs.submission / "note.txt").write_text("changed")
    with pytest.raises(SetupError, match="other code"):
        list(executor().submit(jobs.jobs(13, 42)))
    assert len(jobs.starts(42)) == 0


def test_a_seed_asked_for_twice_is_refused(executor: Make, jobs: Jobs) -> None:
    with pytest.raises(UsageError, match="asked for 2 times"):
        list(executor().submit(jobs.jobs(13, 13)))
