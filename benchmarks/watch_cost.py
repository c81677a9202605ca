"""What single doors cost under golf-run: an optimiser step told, a file opened, a call of the system.

    python -m benchmarks.watch_cost [--rounds N] [--sandbox NAME]

Half a minute; for machines too busy for `benchmarks.run_overhead`. The same loops run as a plain process and
in the watched sandbox, in turning order; each is timed by the processor clock of its own process, and the
least of several passes counts, so that other work on the machine hardly changes it. Multiply by how often a
script does it: a training step of the reference calls the step hook once for each optimiser.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.ruleset import load_ruleset
from harness.runs.one_process_run import run_one_process
from harness.runs.run_files import script_environment
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track
from harness.sandbox.choose import SANDBOX_NAMES, choose_sandbox

DOORS = """
import json, os, time
import torch
from torch.optim import SGD
optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.0)
def step(): optimizer.step()
def open_file(): open("train_gpt.py", "rb").close()
def call(): os.getppid()
found = {}
for name, action, count in (("optimiser step", step, 4_000), ("file opened", open_file, 5_000),
                            ("system call", call, 100_000)):
    passes = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(count): action()
        passes.append((time.process_time() - began) / count * 1e6)
    found[name] = min(passes)
with open("costs.json", "w") as file: json.dump(found, file)
open("model.ptz", "w").write("x")
"""


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch_cost")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sandbox", choices=SANDBOX_NAMES, default="auto")
    options = parser.parse_args(arguments)
    sandbox = choose_sandbox(options.sandbox)
    rules = load_ruleset()
    costs: dict[str, list[dict[str, float]]] = {"plain": [], "watched": []}
    with tempfile.TemporaryDirectory(prefix="golf-doors-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        submission, data = folder / "submission", folder / "data"
        submission.mkdir()
        data.mkdir()
        (submission / "train_gpt.py").write_text(DOORS, encoding="utf-8")
        job = SeedJob(
            folder=submission, name="doors", seed=13, data=data, settings={"OMP_NUM_THREADS": "1"},
            track=load_track("smoke", rules.limits(rules.newest)),
        )  # fmt: skip
        for number in range(options.rounds):
            for side in ("plain", "watched") if number % 2 else ("watched", "plain"):
                place = folder / f"{side}-{number}"
                work = place / "work"
                if side == "watched":
                    place.mkdir()
                    record = run_one_process(job, place, 1, sandbox)
                    if record.status != "finished":
                        raise SystemExit(f"it did not run: {record.message}")
                else:
                    shutil.copytree(submission, work)
                    seen_at = {"work": str(work), "data": str(data)}
                    command = [sys.executable, str(work / "train_gpt.py")]
                    subprocess.run(command, cwd=work, env=script_environment(job, seen_at), check=True)
                costs[side].append(json.loads((work / "costs.json").read_text(encoding="utf-8")))
    print(f"| door | plain us | watched in {sandbox.name} us | more us |")
    print("|---|---|---|---|")
    for door in costs["plain"][0]:
        alone, ours = (statistics.median(each[door] for each in costs[side]) for side in ("plain", "watched"))
        print(f"| {door} | {alone:.2f} | {ours:.2f} | {ours - alone:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
