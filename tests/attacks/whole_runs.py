"""Whole runs of hostile submissions: what the record says, and that nothing outside was touched."""

from __future__ import annotations

import datetime
import functools
import hashlib
import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError
from harness.ruleset import load_ruleset
from harness.runs.one_process_run import run_one_process
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track
from harness.sandbox.choose import choose_sandbox
from harness.sandbox.request import MIB, Sandbox, SandboxLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.runs.run_record import RunRecord

LIMITS = load_ruleset().limits(datetime.date(2026, 5, 2))
SECRET = "expected-loss-1.0523"
MARK_VARIABLE = "ATTACK_MARK"
# Where a run could leave something on the machine; names of what attacks leave hold their mark.
SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")

HONEST_START = """
import glob, os
data = os.environ["DATA_PATH"]
for name in sorted(glob.glob(data + "/fineweb_train_*.bin")): open(name, "rb").read()
print("seed:" + os.environ["SEED"])
print("step:10/10 train_loss:2.5 train_time:1000ms step_avg:100.00ms")
"""
HONEST_END = """
with open("final_model.int8.ptz", "wb") as file: file.write(b"x" * 1000)
print("Serialized model int8+zlib: 1000 bytes")
print("Total submission size int8+zlib: 900000 bytes")
open("final_model.int8.ptz", "rb").read()
for name in sorted(glob.glob(data + "/fineweb_val_*.bin")): open(name, "rb").read()
print("final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:1.20000000")
"""
HONEST = HONEST_START + HONEST_END


@functools.cache
def best_sandbox() -> Sandbox | str:
    """What golf-run would take on this machine, or why there is none."""
    try:
        return choose_sandbox("auto")
    except SetupError as error:
        return str(error)


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """A run that is over."""

    record: RunRecord
    attempt: Path

    @property
    def log(self) -> str:
        return (self.attempt / "train.log").read_text(encoding="utf-8", errors="replace")

    @property
    def notices(self) -> dict[str, str]:
        """Messages by kind."""
        return {notice.kind: notice.message for notice in self.record.notices}


class Victim:
    """A folder of runs with what an attacker would want: a secret, another run, data, another submission.

    `run` gives each submission a run of its own and checks afterwards that all of it is as it was, that no
    process of the run lives, and that no shared folder of the machine holds anything of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, f"attack-{uuid.uuid4().hex}"
        self.submission, self.data = folder / "ours" / "submission", folder / "data"
        self.secret = folder / "ours" / "expected.json"
        self.attempts = folder / "runs" / "toy" / "13" / "attempts"
        for each in (self.submission, self.data, self.attempts, folder / "ours" / "other_submission"):
            each.mkdir(parents=True)
        for each in (folder, folder / "ours", *folder.rglob("*")):
            each.chmod(0o755)
        self.secret.write_text(SECRET)
        (folder / "ours" / "other_submission" / "train_gpt.py").write_text(f"# {SECRET}")
        (folder / "runs" / "toy" / "13" / "run.json").write_text(SECRET)
        for name in ("fineweb_train_000000.bin", "fineweb_val_000000.bin", "tokenizer.model"):
            (self.data / name).write_bytes(b"tokens" * 100)
        for each in folder.rglob("*"):
            if each.is_file():
                each.chmod(0o644)  # everyone may read it: only the sandbox keeps it

    def run(
        self,
        script: str,
        *,
        files: Mapping[str, bytes | str] | None = None,
        limits: SandboxLimits | None = None,
        train_seconds: float = 60.0,
        eval_seconds: float = 60.0,
        **changed: Any,
    ) -> Attacked:
        sandbox = best_sandbox()
        if isinstance(sandbox, str):
            pytest.skip(f"no sandbox here: {sandbox}")
        for name, content in {"train_gpt.py": script, **(files or {})}.items():
            path = self.submission / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        number = len(list(self.attempts.iterdir())) + 1
        attempt = self.attempts / str(number)
        attempt.mkdir()
        track = replace(
            load_track("smoke", LIMITS),
            train_seconds=train_seconds,
            eval_seconds=eval_seconds,
            extra_seconds=0.0,
        )
        job = SeedJob(
            folder=self.submission,
            name="toy",
            seed=13,
            track=track,
            data=self.data,
            settings={MARK_VARIABLE: self.mark, "SECRET_AT": str(self.secret)},
            limits=limits or SandboxLimits(memory_bytes=512 * MIB, processes=64, written_bytes=64 * MIB),
        )
        before = _digests(self.folder, attempt)
        record = run_one_process(replace(job, **changed), attempt, number, sandbox)
        assert _digests(self.folder, attempt) == before, "something outside the run was changed"
        assert living(self.mark) == [], "a process outlived the run"
        for folder in SHARED_FOLDERS:
            assert [each for each in os.listdir(folder) if self.mark in each] == []  # noqa: PTH208
        return Attacked(record=record, attempt=attempt)


def living(mark: str) -> list[int]:
    """Processes that were started with the mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or entry.name == str(os.getpid()):
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in environment:
            found.append(int(entry.name))
    return found


def _digests(folder: Path, attempt: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of everything but the attempt itself."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path == attempt or attempt in path.parents or path == attempt.parent:
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (path.lstat().st_mode, content)
    return found
