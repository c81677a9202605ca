"""Jobs that take a fraction of a second, tell who runs them, and can be held up until they are let go."""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ruleset import load_ruleset
from harness.runs.record_store import SeedFolder
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track
from harness.sandbox.request import SandboxLimits

if TYPE_CHECKING:
    from harness.runs.run_record import RunRecord

LIMITS = load_ruleset().limits(datetime.date(2026, 5, 2))
SCRIPT = """
import os, pathlib, time
first = os.getppid()
worker = pathlib.Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1]
folder, seed = pathlib.Path(os.environ["TOLD"]), os.environ["SEED"]
(folder / f"started-{seed}-{time.monotonic_ns()}").write_text(worker)
while (folder / f"hold-{seed}").exists():
    time.sleep(0.02)
open("model.bin", "wb").write(b"weights")
print("final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:1.20000000")
"""


class Jobs:
    """A folder of runs, a submission, and jobs of it; scripts tell their start in `told`."""

    def __init__(self, folder: Path, script: str = SCRIPT) -> None:
        self.out, self.told, self.data = folder / "runs", folder / "told", folder / "data"
        self.submission = folder / "submission"
        for each in (self.told, self.data, self.submission):
            each.mkdir()
        (self.submission / "train_gpt.py").write_text(script)
        (self.data / "fineweb_val_000000.bin").write_bytes(b"tokens")

    def job(self, seed: int) -> SeedJob:
        return SeedJob(
            folder=self.submission,
            name="toy",
            seed=seed,
            track=load_track("smoke", LIMITS),
            data=self.data,
            settings={"TOLD": str(self.told)},
            limits=SandboxLimits(processes=100),
            ruleset="2026-05-02",
        )

    def jobs(self, *seeds: int) -> list[SeedJob]:
        return [self.job(seed) for seed in seeds]

    def hold(self, seed: int) -> None:
        (self.told / f"hold-{seed}").touch()

    def let_go(self, seed: int) -> None:
        (self.told / f"hold-{seed}").unlink()

    def starts(self, seed: int) -> list[Path]:
        return sorted(self.told.glob(f"started-{seed}-*"))

    def worker_of(self, seed: int, start: int = 0, seconds: float = 60.0) -> int:
        """The process that runs the seed's harness, once its script has started for the `start`-th time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            started = self.starts(seed)
            if len(started) > start and started[start].read_text():
                return int(started[start].read_text())
            time.sleep(0.02)
        raise AssertionError(f"seed {seed} did not start within {seconds:g} s")

    def attempts(self, seed: int) -> list[RunRecord]:
        """Records of all attempts at a seed."""
        from harness.runs.record_store import read_record

        records = [
            read_record(folder / "run.json") for folder in SeedFolder.of(self.out, "toy", seed).attempts()
        ]
        assert all(record is not None for record in records), "an attempt has no record"
        return [record for record in records if record is not None]


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX" and os.getpid() != process
