"""What sandbox and hooks cost a submission: the reference alone and under golf-run, alternated.

    python -m benchmarks.run_overhead [--rounds N] [--iterations N] [--val-tokens N] [--sandbox NAME]

from the repository's root, best with nothing else running. Each round trains (TRAIN_ONLY) and evaluates
(EVAL_ONLY) the reference at tiny size on the demo corpus, once as a plain process and once in the sandbox,
watched, in turning order. The script's own clocks are asked, after torch is imported: processor time of its
process, which other work on the machine hardly changes, and the wall clock. Reported are medians over rounds
of watched / plain. What golf-run does before the script starts and after it has ended is in no ratio: it is
reported as seconds for each seed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ruleset import load_ruleset
from harness.runs.one_process_run import run_one_process
from harness.runs.run_files import script_environment
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track
from harness.sandbox.choose import SANDBOX_NAMES, choose_sandbox
from harness.tokens.demo_corpus import demo_data
from harness.tokens.shard_file import read_shard, shard_paths, write_shard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.sandbox.request import Sandbox

REFERENCE = Path(__file__).resolve().parents[1] / "submissions" / "reference" / "train_gpt.py"
ARTIFACT = "final_model.ptz"
STEPS_BEFORE = 2  # the first ones warm up caches and allocators
TIMED = """
import json, runpy, time
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
now = lambda: (time.process_time(), time.perf_counter())
steps, first = [], []
def stepped(optimizer, *_):
    if not first: first.append(id(optimizer))
    if id(optimizer) == first[0]: steps.append(now())
register_optimizer_step_post_hook(stepped)
began = now()
try:
    runpy.run_path("reference.py", run_name="__main__")
except SystemExit as end:
    if end.code: raise
with open("times.json", "w") as file: json.dump({"began": began, "steps": steps, "ended": now()}, file)
open("times.ptz", "w").write("an artifact for runs that only evaluate")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Of one run: processor and wall seconds of a step (median), and of the whole after the imports."""

    step: tuple[float, float]
    whole: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: medians over rounds of watched / plain, and the lowest and highest by processor."""

    work: str
    processor: float
    wall: float
    lowest: float
    highest: float
    plain_seconds: float
    rounds: int

    def markdown(self) -> str:
        """A row of the table."""
        return (
            f"| {self.work} | {self.processor:.4f} | {self.lowest:.3f} to {self.highest:.3f} | "
            f"{self.wall:.4f} | {self.plain_seconds:.3f} | {self.rounds} |"
        )


def submission(folder: Path, artifact: Path | None = None) -> Path:
    """The reference under a script that notes its times."""
    folder.mkdir()
    (folder / "train_gpt.py").write_text(TIMED, encoding="utf-8")
    shutil.copyfile(REFERENCE, folder / "reference.py")
    if artifact is not None:
        shutil.copyfile(artifact, folder / ARTIFACT)
    return folder


def short_data(folder: Path, val_tokens: int) -> Path:
    """The demo corpus with the beginning of its validation tokens."""
    source = demo_data().data_dir
    folder.mkdir()
    for path in (*shard_paths(source, "train"), *source.glob("*.model")):
        shutil.copyfile(path, folder / path.name)
    first = shard_paths(source, "val")[0]
    write_shard(folder / first.name, read_shard(first)[:val_tokens])
    return folder


def plain(job: SeedJob, folder: Path) -> Times:
    """The script as a process of its own, with the environment golf-run would give it."""
    work = folder / "work"
    shutil.copytree(job.folder, work)
    environment = script_environment(job, {"work": str(work), "data": str(job.data)})
    subprocess.run(
        [sys.executable, str(work / "train_gpt.py")], cwd=work, env=environment, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return _times(work)


def watched(job: SeedJob, folder: Path, sandbox: Sandbox) -> tuple[Times, float]:
    """The same under golf-run, and the seconds golf-run itself took around the script."""
    folder.mkdir()
    began = time.perf_counter()
    record = run_one_process(job, folder, 1, sandbox)
    seconds = time.perf_counter() - began
    if record.status != "finished":
        raise SystemExit(f"the reference did not run: {record.message}; see {folder / 'train.log'}")
    return _times(folder / "work"), seconds - sum(phase.seconds for phase in record.phases)


def _times(work: Path) -> Times:
    told = json.loads((work / "times.json").read_text(encoding="utf-8"))
    (began, wall_began), (ended, wall_ended) = told["began"], told["ended"]
    steps = told["steps"][STEPS_BEFORE:]
    pairs = list(itertools.pairwise(steps))
    step = tuple(
        statistics.median(after[clock] - before[clock] for before, after in pairs) if pairs else 0.0
        for clock in (0, 1)
    )
    return Times(step=(step[0], step[1]), whole=(ended - began, wall_ended - wall_began))


def compared(work: str, pairs: list[tuple[tuple[float, float], tuple[float, float]]]) -> Row:
    """`pairs` are (plain, watched), each processor and wall seconds."""
    processor = [ours[0] / alone[0] for alone, ours in pairs]
    return Row(
        work=work,
        processor=statistics.median(processor),
        wall=statistics.median(ours[1] / alone[1] for alone, ours in pairs),
        lowest=min(processor),
        highest=max(processor),
        plain_seconds=statistics.median(alone[0] for alone, _ in pairs),
        rounds=len(pairs),
    )


def jobs(folder: Path, data: Path, settings: Mapping[str, str]) -> dict[str, SeedJob]:
    """Training, and evaluation of an artifact that a first run leaves."""
    rules = load_ruleset()
    track = load_track("smoke", rules.limits(rules.newest)).scaled(100.0)
    usual = {"OMP_NUM_THREADS": "1", **settings}

    def job(place: Path, **more: str) -> SeedJob:
        return SeedJob(
            folder=place, name="overhead", seed=13, track=track, data=data, settings={**usual, **more}
        )

    training = job(submission(folder / "training"), TRAIN_ONLY="1")
    plain(training, folder / "first")
    evaluation = submission(folder / "evaluation", folder / "first" / "work" / ARTIFACT)
    return {"training": training, "evaluation": job(evaluation, EVAL_ONLY=ARTIFACT)}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_overhead")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--val-tokens", type=int, default=16_384)
    parser.add_argument("--sandbox", choices=SANDBOX_NAMES, default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sandbox = choose_sandbox(options.sandbox)
    pairs: dict[str, list[tuple[Times, Times]]] = {"training": [], "evaluation": []}
    around: list[float] = []
    with tempfile.TemporaryDirectory(prefix="golf-overhead-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data = short_data(folder / "data", options.val_tokens)
        both = jobs(folder, data, {"ITERATIONS": str(options.iterations)})
        for number in range(options.rounds):
            for work, job in both.items():
                place = folder / f"{work}-{number}"
                place.mkdir()
                alone = plain(job, place / "plain") if number % 2 else None
                ours, seconds = watched(job, place / "watched", sandbox)
                alone = alone or plain(job, place / "plain")
                pairs[work].append((alone, ours))
                around.append(seconds)
                shutil.rmtree(place)
                print(f"round {number + 1} {work} {ours.whole[0] / alone.whole[0]:.4f}", file=sys.stderr)
    rows = [
        compared("training step", [(alone.step, ours.step) for alone, ours in pairs["training"]]),
        compared("training, whole", [(alone.whole, ours.whole) for alone, ours in pairs["training"]]),
        compared("evaluation", [(alone.whole, ours.whole) for alone, ours in pairs["evaluation"]]),
    ]
    print("| work | watched / plain, processor | lowest to highest | wall | plain processor s | rounds |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(row.markdown())
    print(f"\naround the script: {statistics.median(around):.2f} s for each run (sandbox {sandbox.name})")
    if options.json is not None:
        told = {"rows": [asdict(row) for row in rows], "around_seconds": around, "load": os.getloadavg()}
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
