"""One seed of one submission as a job: what it needs to run, and the record it starts from."""

from __future__ import annotations

import datetime
import hashlib
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from harness.runs.run_record import RunRecord, RunStatus, canonical_json
from harness.sandbox.request import SandboxLimits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.runs.track import RunTrack
    from harness.sandbox.request import Sandbox

_PACKAGES = ("golf-harness", "torch", "numpy", "sentencepiece")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedJob:
    """One seed of one submission: the folder, the data (shards and tokenizer), the limits.

    `settings` are environment variables the script is started with, beside DATA_PATH, TOKENIZER_PATH, SEED
    and RUN_ID. `not_eligible` says what is known already to keep the run from being a record. `code_digest`,
    where given, is what the clean copy must have: all seeds of a submission run the same bytes.
    """

    folder: Path
    name: str
    seed: int
    track: RunTrack
    data: Path
    tokenizer: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    wants_gpu: bool = False
    machine: Mapping[str, Any] = field(default_factory=dict)
    not_eligible: tuple[str, ...] = ()
    ruleset: str = ""
    data_digest: str = ""
    code_digest: str = ""

    def digests(self) -> dict[str, str]:
        """What tells this run from another of the same seed, as far as it is known before, in hex."""
        known = {
            "data": self.data_digest,
            "settings": _digest(dict(self.settings)),
            "limits": _digest({"track": asdict(self.track), "sandbox": asdict(self.limits)}),
            "environment": _digest(tool_versions()),
        }
        return {**known, "code": self.code_digest} if self.code_digest else known


def blank_record(job: SeedJob, number: int, sandbox: Sandbox) -> RunRecord:
    """Where every record of attempt `number` begins: nothing ran, by nobody's fault but ours."""
    return RunRecord(
        submission=job.name,
        seed=job.seed,
        track=job.track.name,
        attempt=number,
        status=RunStatus.COULD_NOT_RUN,
        reason="",
        message="",
        started_at=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        not_eligible=job.not_eligible,
        sandbox=sandbox.name,
        machine=job.machine,
        settings=dict(job.settings),
        digests=job.digests(),
        versions=tool_versions(),
        ruleset=job.ruleset,
    )


def tool_versions() -> dict[str, str]:
    """Python and the packages a score depends on, those that are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(data)).hexdigest()
