"""What sandbox and hooks cost a submission: the reference alone and under golf-run, step by step in turn.

    python -m benchmarks.run_overhead [--rounds N] [--iterations N] [--val-tokens N] [--sandbox NAME]

from the repository's root. Each round starts the reference at tiny size on the demo corpus twice, as a plain
process and in the sandbox, watched. Both do the same work; they take turns of one unit (a training step, or
from one forward pass of the evaluation to the next), who is first is drawn anew for each, and while one works
the other waits. A unit and its twin lie a fraction of a second apart, so that other work on the machine
weighs on both. Each unit is timed inside its process, by the processor clock of that process and by the wall
clock. Reported are medians over all pairs of watched / plain with a 95 % interval (of the median, by ranks:
nothing is supposed about the noise), and what fraction of a core golf-run itself used meanwhile. What
golf-run does before the script starts and after it has ended is in no ratio: it is reported as seconds for
each seed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scipy.stats import binom

from harness.ruleset import load_ruleset
from harness.runs.one_process_run import run_one_process
from harness.runs.run_files import script_environment
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track
from harness.sandbox.choose import SANDBOX_NAMES, choose_sandbox
from harness.tokens.demo_corpus import demo_data
from harness.tokens.shard_file import read_shard, shard_paths, write_shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from harness.runs.run_record import RunRecord
    from harness.sandbox.request import Sandbox

REFERENCE = Path(__file__).resolve().parents[1] / "submissions" / "reference" / "train_gpt.py"
ARTIFACT = "final_model.ptz"
UNITS_BEFORE = 2  # the first ones warm up caches and allocators
START_SECONDS = 600.0
TURN, DONE = "turn.log", "done.log"  # named pipes; as logs they are taken for no artifact
PACED = f"""
import os, runpy, sys, time
import torch
for name in ({TURN!r}, {DONE!r}):
    os.mkfifo(name)
    os.chmod(name, 0o666)
done, turn = open({DONE!r}, "w", buffering=1), open({TURN!r}, "rb", buffering=0)
now = lambda: (time.process_time(), time.perf_counter())
began, first = [], []
def paced(one, *_):
    if not first: first.append(id(one))
    if id(one) != first[0]: return
    if began:
        processor, wall = (after - before for before, after in zip(began[0], now()))
        print(processor, wall, file=done)
    else: print("ready", file=done)
    turn.read(1)
    began[:] = [now()]
if os.environ.get("TRAIN_ONLY"):
    from torch.optim.optimizer import register_optimizer_step_post_hook
    register_optimizer_step_post_hook(paced)
else:
    torch.nn.modules.module.register_module_forward_pre_hook(paced)
try:
    runpy.run_path("reference.py", run_name="__main__")
except SystemExit as end:
    if end.code: raise
open("times.ptz", "w").write("an artifact for runs that only evaluate")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Seconds that one unit of work took, by the processor clock of its process and by the wall clock."""

    processor: float
    wall: float


@dataclass(slots=True)
class Pairs:
    """Units done twice, (plain, watched), of all rounds; and what golf-run used beside them."""

    units: list[tuple[Unit, Unit]] = field(default_factory=list)
    watcher_seconds: float = 0.0
    watched_seconds: float = 0.0

    def ratios(self, clock: str) -> list[float]:
        """Watched / plain of each pair by one clock."""
        return [getattr(watched, clock) / getattr(plain, clock) for plain, watched in self.units]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison by one clock: the median of watched / plain and the bounds of its 95 % interval."""

    work: str
    clock: str
    pairs: int
    ratio: float
    low: float
    high: float
    plain_seconds: float

    def markdown(self) -> str:
        """A row of the table."""
        return (
            f"| {self.work} | {self.clock} | {self.ratio:.4f} | {self.low:.4f} to {self.high:.4f} | "
            f"{self.plain_seconds:.3f} | {self.pairs} |"
        )


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of the median's confidence interval: values of two ranks, by the binomial distribution."""
    ordered = sorted(values)
    rank = int(binom.ppf((1 - confidence) / 2, len(ordered), 0.5))
    rank = min(max(rank - 1, 0), (len(ordered) - 1) // 2)
    return ordered[rank], ordered[-1 - rank]


class Paced:
    """The outside end of a script that stops after each unit of its work in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: TextIO
        self._turn: int

    def connect(self) -> None:
        """Wait until the script is at its first stop. Raises `TimeoutError`."""
        deadline = time.monotonic() + START_SECONDS
        while not (self._folder / TURN).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._folder}: the script did not start within {START_SECONDS:g} s")
            time.sleep(0.05)
        self._done = (self._folder / DONE).open(encoding="ascii")
        self._turn = os.open(self._folder / TURN, os.O_WRONLY)
        self._done.readline()

    def unit(self) -> Unit | None:
        """Let it do one unit; None when it has come to its end."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._turn, b"g")
        words = self._done.readline().split()
        return Unit(processor=float(words[0]), wall=float(words[1])) if len(words) == 2 else None

    def let_go(self) -> None:
        """Take no part any more."""
        os.close(self._turn)
        self._done.close()


def taken_in_turns(plain: Paced, watched: Paced) -> Iterator[tuple[Unit, Unit]]:
    """Units of both, until one of them has come to its end."""
    both = [plain, watched]
    while True:
        done = {id(each): each.unit() for each in random.sample(both, 2)}
        one, other = done[id(plain)], done[id(watched)]
        if one is None or other is None:
            for each in both:  # the other may still wait for its turn
                while each.unit() is not None:
                    pass
            return
        yield one, other


def measured(job: SeedJob, folder: Path, sandbox: Sandbox, pairs: Pairs) -> float:
    """Run `job` both ways in turn and add to `pairs`; seconds golf-run took before and after the script."""
    folder.mkdir()
    work, attempt = folder / "work", folder / "watched"
    shutil.copytree(job.folder, work)
    attempt.mkdir()
    records: list[RunRecord] = []
    seconds: list[float] = []

    def run() -> None:
        began = time.perf_counter()
        records.append(run_one_process(job, attempt, 1, sandbox))
        seconds.append(time.perf_counter() - began)

    environment = script_environment(job, {"work": str(work), "data": str(job.data)})
    alone = subprocess.Popen(
        [sys.executable, str(work / "train_gpt.py")], cwd=work, env=environment, stdout=subprocess.DEVNULL,
        start_new_session=True,  # as in the sandbox: each session has a share of a busy machine
    )  # fmt: skip
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    plain, watched = Paced(work), Paced(attempt / "work")
    for each in (plain, watched):
        each.connect()
    own, began = time.process_time(), time.perf_counter()
    found = list(taken_in_turns(plain, watched))
    pairs.watcher_seconds += time.process_time() - own
    pairs.watched_seconds += time.perf_counter() - began
    pairs.units += found[UNITS_BEFORE:]
    for each in (plain, watched):
        each.let_go()
    alone.wait()
    thread.join()
    if alone.returncode or records[0].status != "finished":
        raise SystemExit(f"the reference did not run: {records[0].message}; see {attempt / 'train.log'}")
    return seconds[0] - sum(phase.seconds for phase in records[0].phases)


def rows_of(work: str, pairs: Pairs) -> list[Row]:
    """By both clocks."""
    rows = []
    for clock in ("processor", "wall"):
        ratios = pairs.ratios(clock)
        low, high = median_interval(ratios)
        rows.append(
            Row(
                work=work, clock=clock, pairs=len(ratios),
                ratio=statistics.median(ratios), low=low, high=high,
                plain_seconds=statistics.median(getattr(plain, clock) for plain, _ in pairs.units),
            )
        )  # fmt: skip
    return rows


def submission(folder: Path, artifact: Path | None = None) -> Path:
    """The reference under a script that stops after each unit."""
    folder.mkdir()
    (folder / "train_gpt.py").write_text(PACED, encoding="utf-8")
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


def jobs(folder: Path, data: Path, settings: Mapping[str, str]) -> dict[str, SeedJob]:
    """Training, and evaluation of an artifact that a first run of the reference alone leaves."""
    rules = load_ruleset()
    track = load_track("smoke", rules.limits(rules.newest)).scaled(100.0)
    usual = {"OMP_NUM_THREADS": "1", **settings}

    def job(place: Path, **more: str) -> SeedJob:
        return SeedJob(
            folder=place, name="overhead", seed=13, track=track, data=data, settings={**usual, **more}
        )

    training = job(submission(folder / "training"), TRAIN_ONLY="1")
    first = folder / "first"
    first.mkdir()
    subprocess.run(
        [sys.executable, str(REFERENCE)], cwd=first, check=True, stdout=subprocess.DEVNULL,
        env=script_environment(training, {"work": str(first), "data": str(data)}),
    )  # fmt: skip
    evaluation = submission(folder / "evaluation", first / ARTIFACT)
    return {"training step": training, "evaluation": job(evaluation, EVAL_ONLY=ARTIFACT)}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_overhead")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--val-tokens", type=int, default=32_768)
    parser.add_argument("--sandbox", choices=SANDBOX_NAMES, default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sandbox = choose_sandbox(options.sandbox)
    around: list[float] = []
    with tempfile.TemporaryDirectory(prefix="golf-overhead-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data = short_data(folder / "data", options.val_tokens)
        both = jobs(folder, data, {"ITERATIONS": str(options.iterations)})
        pairs = {work: Pairs() for work in both}
        for number in range(options.rounds):
            for work, job in both.items():
                place = folder / f"{work.partition(' ')[0]}-{number}"
                around.append(measured(job, place, sandbox, pairs[work]))
                shutil.rmtree(place)
                print(f"round {number + 1}: {rows_of(work, pairs[work])[0].markdown()}", file=sys.stderr)
    rows = [row for work, found in pairs.items() for row in rows_of(work, found)]
    print("| work | clock | watched / plain | 95 % interval | plain, s | pairs |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(row.markdown())
    used = sum(each.watcher_seconds for each in pairs.values())
    share = used / sum(each.watched_seconds for each in pairs.values())
    print(
        f"\ngolf-run itself, turns included: {share:.1%} of a core; around the script: "
        f"{statistics.median(around):.2f} s for each run (sandbox {sandbox.name})"
    )
    if options.json is not None:
        told = {"rows": [asdict(row) for row in rows], "around_seconds": around, "watcher_share": share}
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
