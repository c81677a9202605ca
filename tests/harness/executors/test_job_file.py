from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.executors.job_file import SeedTask, job_as_json, job_of_json, read_task, write_task
from harness.executors.seed_task import TaskAnswer, answer_to_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.executors.seed_jobs import Jobs


def test_a_job_comes_back_from_json_as_it_was(jobs: Jobs) -> None:
    job = jobs.job(13)
    told = json.loads(json.dumps(job_as_json(job)))
    assert job_of_json(told) == job
    assert set(told) == {field.name for field in fields(job)}


def test_a_task_lies_in_its_seed_s_folder_under_its_content(jobs: Jobs) -> None:
    task = SeedTask(job=jobs.job(13), out=jobs.out, sandbox="none", again=True)
    path = write_task(task)
    assert path.parent == jobs.out / "toy" / "13" / "jobs"
    assert path == write_task(task)
    assert read_task(path) == task


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    answer = TaskAnswer.of_json(answer_to_file(str(tmp_path / "task.json")))
    assert "every machine sees under the same path" in answer.fault
    assert answer.is_machine_fault


@pytest.mark.parametrize("change", [{"seed": None}, {"unknown": 1}, {"track": {"name": "x"}}])
def test_a_job_of_another_version_is_refused(jobs: Jobs, change: dict[str, object]) -> None:
    told = job_as_json(jobs.job(13)) | change
    if change == {"seed": None}:
        del told["seed"]
    with pytest.raises(SetupError, match="install the same version on every machine"):
        job_of_json(told)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"schema_version": 9, "job": {}}', b"[" * 100_000])
def test_a_damaged_task_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "task.json").write_bytes(content)
    with pytest.raises(SetupError):
        read_task(tmp_path / "task.json")
