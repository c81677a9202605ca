"""Runs the seeds of a demo folder and writes what they gave: train logs, submission.json, README.md.

Each seed runs in a folder of its own that holds nothing but the shipped script and the demo corpus under
data/demo, one thread each, so that logs name no path of this machine.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError
from submissions.demo_folders import SEEDS
from submissions.packing import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from submissions.demo_folders import DemoFolder

SUBMISSIONS = Path(__file__).resolve().parent
_FACTS = {
    "val_loss": re.compile(r"^final_\w+_exact val_loss:([\d.]+) val_bpb:[\d.]+$", re.MULTILINE),
    "val_bpb": re.compile(r"^final_\w+_exact val_loss:[\d.]+ val_bpb:([\d.]+)$", re.MULTILINE),
    "artifact_bytes": re.compile(r"^Total submission size \S+: (\d+) bytes$", re.MULTILINE),
    "steps": re.compile(r"^step:(\d+)/\d+ val_loss:", re.MULTILINE),
    "code_bytes": re.compile(r"^Code size: (\d+) bytes$", re.MULTILINE),
    "device": re.compile(r"^device:(.+)$", re.MULTILINE),
}


_DEMONSTRATION = (
    "A non-record demonstration made with golf-harness: a model of some hundred thousand parameters trained "
    "for seconds on a processor, on the demo corpus of `golf-data demo` (documentation that every Python "
    "brings along). Its validation split is not the challenge's, so its scores compare with nothing but the "
    "other folders here. golf-check refuses it for that, rightly: bpb-formula and val-full ask for the whole "
    "validation text of the challenge."
)
_SETTINGS = (
    "It needs torch, numpy, sentencepiece and zstandard (brotli only where that container is chosen). "
    "DATA_PATH names another data folder. `train_gpt.py` was packed from readable modules by "
    "`python -m submissions.build`; the environment variables of the challenge's scripts enlarge it "
    "(NUM_LAYERS, MODEL_DIM, ITERATIONS, TRAIN_BATCH_TOKENS and so on)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRun:
    """One run, as its log tells it; `seconds` is the wall time of the whole script."""

    seed: int
    log: str
    seconds: float

    def fact(self, name: str) -> str:
        """The last value of a line; raises SetupError where the log has none."""
        found = _FACTS[name].findall(self.log)
        if not found:
            raise SetupError(
                f"the log of seed {self.seed} states no {name}; run that seed by hand to see why"
            )
        return str(found[-1])

    @property
    def val_bpb(self) -> float:
        """Bits per byte, as the log prints it."""
        return float(self.fact("val_bpb"))


def record(folders: Sequence[DemoFolder], *, jobs: int) -> dict[str, list[SeedRun]]:
    """Run every seed of the shipped scripts, `jobs` at a time, and rewrite the folders; raises SetupError.

    Nothing is written unless all runs succeeded.
    """
    runs: dict[str, list[SeedRun]] = {folder.name: [] for folder in folders}
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(jobs) as pool:
        data = Path(scratch) / "data" / "demo"
        _finished([sys.executable, "-m", "harness.cli_data", "demo", "--quiet", "--out", str(data)], ROOT)
        waiting = [
            (folder, pool.submit(_seed_run, script_of(folder), seed, Path(scratch) / folder.name, data))
            for folder in folders
            for seed in SEEDS
        ]
        for folder, future in waiting:
            run = future.result()
            runs[folder.name].append(run)
            print(f"{folder.name} seed {run.seed}: {run.val_bpb:.4f} bpb, {run.seconds:.0f} s", flush=True)
    for folder in folders:
        _write_folder(folder, runs[folder.name])
    return runs


def script_of(folder: DemoFolder) -> Path:
    """Where the folder's script lies."""
    return SUBMISSIONS / folder.name / "train_gpt.py"


def _seed_run(script: Path, seed: int, folder: Path, data: Path) -> SeedRun:
    place = folder / str(seed)
    (place / "data").mkdir(parents=True)
    (place / "data" / "demo").symlink_to(data)
    shutil.copy(script, place / "train_gpt.py")
    name = f"train_seed{seed}"
    begin = time.monotonic()
    _finished([sys.executable, "train_gpt.py"], place, SEED=str(seed), RUN_ID=name)
    seconds = time.monotonic() - begin
    log = (place / "logs" / f"{name}.txt").read_text(encoding="utf-8")
    log = log.replace(str(data.resolve()), "data/demo")  # the run's folder links to data made once
    shutil.rmtree(place)
    return SeedRun(seed=seed, log=log, seconds=seconds)


def _finished(command: list[str], place: Path, **variables: str) -> None:
    """Run a command to its end with nothing of our own environment that steers it; raises SetupError."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME") if name in os.environ
    }
    done = subprocess.run(
        command,
        cwd=place,
        env={**kept, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise SetupError(f"{' '.join(command[1:])} ended with status {done.returncode}: {' '.join(last)}")


def _write_folder(folder: DemoFolder, runs: Sequence[SeedRun]) -> None:
    place = SUBMISSIONS / folder.name
    for run in runs:
        (place / f"train_seed{run.seed}.log").write_text(run.log, encoding="utf-8")
    claim = json.dumps(_claim(folder, runs), indent=2, ensure_ascii=False)
    (place / "submission.json").write_text(claim + "\n", encoding="utf-8")
    (place / "README.md").write_text(_readme(folder, runs), encoding="utf-8")


def _claim(folder: DemoFolder, runs: Sequence[SeedRun]) -> dict[str, object]:
    """submission.json: what the logs say, and nothing else."""
    return {
        "author": "golf-harness",
        "github_id": "golf-harness",
        "name": folder.title,
        "blurb": f"Demonstration on the demo corpus, not FineWeb. {folder.blurb}",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT00:00:00Z"),
        "track": "non-record-16mb",
        "val_loss": _mean(float(run.fact("val_loss")) for run in runs),
        "val_bpb": _mean(run.val_bpb for run in runs),
        "val_bpb_std": round(statistics.stdev(run.val_bpb for run in runs), 8),
        "bytes_total": max(int(run.fact("artifact_bytes")) for run in runs),
        "bytes_code": int(runs[0].fact("code_bytes")),
        "hardware": runs[0].fact("device"),
        "seeds": [run.seed for run in runs],
        "seed_results": {
            str(run.seed): {
                "val_bpb": run.val_bpb,
                "val_loss": float(run.fact("val_loss")),
                "artifact_bytes": int(run.fact("artifact_bytes")),
                "steps": int(run.fact("steps")),
            }
            for run in runs
        },
    }


def _mean(values: Iterable[float]) -> float:
    return round(statistics.fmean(values), 8)


def _readme(folder: DemoFolder, runs: Sequence[SeedRun]) -> str:
    rows = [
        f"| {run.seed} | {run.val_bpb:.8f} | {run.fact('steps')} | {int(run.fact('artifact_bytes')):,} |"
        for run in runs
    ]
    mean, deviation = _mean(run.val_bpb for run in runs), statistics.stdev(run.val_bpb for run in runs)
    measured = (
        f"Mean val_bpb {mean:.8f} over {len(runs)} seeds, sample standard deviation {deviation:.8f}; "
        f"{statistics.median(run.seconds for run in runs):.0f} seconds per run, training and scoring, on "
        f"{runs[0].fact('device')}."
    )
    warning = f"**Ruled out, kept to test audits.** {folder.breaks}" if folder.breaks else ""
    twin = (
        f"Its {'legal' if folder.breaks else 'ruled-out'} twin is `../{folder.twin}`." if folder.twin else ""
    )
    paragraphs = [
        f"# {folder.title}",
        warning,
        _DEMONSTRATION,
        folder.method,
        twin,
        "| seed | val_bpb | steps | artifact and code, bytes |\n|---|---|---|---|\n" + "\n".join(rows),
        measured,
        "Run it in a copy of this folder:",
        "```\ngolf-data demo --out data/demo\nSEED=42 RUN_ID=train_seed42 python train_gpt.py\n```",
        _SETTINGS,
    ]
    return "\n\n".join(each for each in paragraphs if each) + "\n"
