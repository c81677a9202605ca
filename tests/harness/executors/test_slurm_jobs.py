"""What Slurm is asked for, seen by programs that stand in its place."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError, UsageError
from harness.executors.choose import make_executor
from harness.executors.executor import RunOptions
from harness.runs.track import load_track
from tests.harness.executors.seed_jobs import LIMITS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.executors.seed_jobs import Jobs

pytest.importorskip("submitit", reason="needs the extra slurm")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH with a Slurm that takes jobs, keeps what was submitted and runs nothing."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    programs = {
        "srun": "exit 0",
        "sbatch": f'cp "$1" {folder}/submitted-$$; echo "Submitted batch job $$"',
        "sacct": "echo 'JobID|State|NodeList'",
        "scancel": f'echo "$@" >> {folder}/cancelled',
    }
    for name, line in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_a_seed_is_one_exclusive_node_that_is_never_requeued(jobs: Jobs, slurm: Path) -> None:
    own = {"partition": "h100", "reservation": "golf", "exclude": "node7"}
    options = RunOptions(out=jobs.out, own=own, should_stop=lambda: True)
    job = jobs.job(13)
    record_track = load_track("record-10min-16mb", LIMITS)
    (outcome,) = make_executor("slurm", options).submit([replace(job, track=record_track)])
    assert outcome.fault == "stopped before it was done"
    (submitted,) = slurm.glob("submitted-*")
    asked = {
        line.removeprefix("#SBATCH --") for line in submitted.read_text().splitlines() if "#SBATCH" in line
    }
    assert {"nodes=1", "exclusive", "no-requeue", "gpus-per-node=8", "ntasks-per-node=1"} <= asked
    assert {"partition=h100", "reservation=golf", "exclude=node7"} <= asked
    (minutes,) = [int(line.removeprefix("time=")) for line in asked if line.startswith("time=")]
    assert minutes * 60 >= record_track.whole_seconds
    assert submitted.name.removeprefix("submitted-") in (slurm / "cancelled").read_text()


def test_options_that_slurm_does_not_have_are_refused(jobs: Jobs) -> None:
    for own in ({"nodes": "2"}, {"gpus_per_node": "all"}, {"cluster": "cloud"}):
        with pytest.raises(UsageError):
            make_executor("slurm", RunOptions(out=jobs.out, own=own))


def test_a_machine_without_slurm_says_so(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SetupError, match="sbatch"):
        list(make_executor("slurm", RunOptions(out=jobs.out)).submit(jobs.jobs(13)))
