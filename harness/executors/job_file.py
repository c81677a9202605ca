"""A job as a file: what a worker on another machine reads, and a person can."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError
from harness.runs.run_record import canonical_json
from harness.runs.seed_job import SeedJob, tool_versions
from harness.runs.track import RunTrack
from harness.sandbox.request import SandboxLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA = 1
_LARGEST_JOB = 1 << 20
_PATHS = ("folder", "data", "tokenizer")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedTask:
    """A job with what its worker needs to know: the folder of runs, the sandbox, and whether to run again.

    `versions` are those of the machine that asks: every worker must have the same.
    """

    job: SeedJob
    out: Path
    sandbox: str = "auto"
    again: bool = False
    versions: Mapping[str, str] = field(default_factory=tool_versions)

    def as_json(self) -> dict[str, Any]:
        """Plain data; paths are absolute."""
        return {
            "schema_version": _SCHEMA,
            "job": job_as_json(self.job),
            "out": str(self.out.resolve()),
            "sandbox": self.sandbox,
            "again": self.again,
            "versions": dict(self.versions),
        }


def job_as_json(job: SeedJob) -> dict[str, Any]:
    """Plain data of a job; paths are absolute."""
    told: dict[str, Any] = {each.name: getattr(job, each.name) for each in fields(job)}
    for name in _PATHS:
        if told[name] is not None:
            told[name] = str(told[name].resolve())
    for name in ("track", "limits"):
        told[name] = {each.name: getattr(told[name], each.name) for each in fields(told[name])}
    told["not_eligible"] = list(job.not_eligible)
    return told | {"settings": dict(job.settings), "machine": dict(job.machine)}


def job_of_json(data: Mapping[str, Any]) -> SeedJob:
    """The job that `job_as_json` wrote. Raises `SetupError` for data that is none."""
    try:
        told = dict(data)
        told["not_eligible"] = tuple(map(str, told["not_eligible"]))
        for name in _PATHS:
            if told[name] is not None:
                told[name] = Path(told[name])
        told["track"] = RunTrack(**told["track"])
        told["limits"] = SandboxLimits(**told["limits"])
        return SeedJob(**told)
    except (KeyError, TypeError, ValueError) as error:
        raise SetupError(
            f"not a job of this version of golf-harness ({type(error).__name__} {error}); install the same "
            "version on every machine"
        ) from error


def write_task(task: SeedTask) -> Path:
    """Write the task into its seed's folder, under a name made of its content, and say where.

    Raises `SetupError` where it cannot be written.
    """
    content = canonical_json(task.as_json())
    folder = task.out.resolve() / task.job.name / str(task.job.seed) / "jobs"
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.json"
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise SetupError(f"{path}: cannot be written ({error}); choose another --out") from error
    return path


def read_task(path: Path) -> SeedTask:
    """The task in a file. Raises `SetupError` where there is none, or one of another version."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_JOB + 1)
    except OSError as error:
        raise SetupError(
            f"{path}: cannot be read on this machine ({error.strerror}); --out must be a folder that every "
            "machine sees under the same path"
        ) from error
    try:
        data = json.loads(content)
        version, told = data["schema_version"], data["job"]
        if version != _SCHEMA:
            raise SetupError(f"{path}: a job of schema {version!r}; this version reads {_SCHEMA}")
        return SeedTask(
            job=job_of_json(told),
            out=Path(data["out"]),
            sandbox=str(data["sandbox"]),
            again=data["again"] is True,
            versions={str(name): str(value) for name, value in data["versions"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SetupError(f"{path}: not a job ({type(error).__name__} {error}); run golf-run again") from error
