"""What golf-check costs: start-up, one folder cold, and a whole clone, beside a bare interpreter in one run.

    python benchmarks/golf_check_cost.py [FOLDER ...] [--runs 5]
    python benchmarks/golf_check_cost.py --repo CLONE --jobs 2

Commands are alternated with `python -c pass`, so that a machine whose speed drifts does not favour either;
times are medians, the ratio is to the bare interpreter, memory is the largest single process. With --repo the
whole clone is judged twice, without and then with the cache of the first pass.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = (
    Path(__file__).resolve().parent.parent / "submissions/legal/records/track_10min_16mb/2026-04-20_OwnBytes"
)
GOLF_CHECK = [sys.executable, "-m", "harness.cli_check"]


def timed(command: list[str]) -> tuple[float, float]:
    """Wall seconds of one run and its processor seconds, children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def alternate(command: list[str], runs: int) -> tuple[float, float, float]:
    """Median wall and processor seconds of a command, and its ratio to a bare interpreter in alternation."""
    timed(command)  # warm the disk cache
    pairs = [(timed(command), timed([sys.executable, "-c", "pass"])) for _ in range(runs)]
    wall = statistics.median(ours[0] for ours, _ in pairs)
    busy = statistics.median(ours[1] for ours, _ in pairs)
    return wall, busy, statistics.median(ours[0] / bare[0] for ours, bare in pairs)


def single(folders: list[Path], runs: int) -> None:
    """Start-up commands and single folders."""
    print(f"{'command':<56}{'wall s':>8}{'cpu s':>8}{'x bare python':>15}")
    commands = [["--help"], ["--explain", "artifact-cap"], ["--list-rules"]]
    commands += [[str(folder)] for folder in folders]
    for arguments in commands:
        wall, busy, ratio = alternate([*GOLF_CHECK, *arguments], runs)
        shown = " ".join(arguments)
        print(f"{shown[-54:]:<56}{wall:>8.3f}{busy:>8.3f}{ratio:>15.1f}")


def whole_clone(repo: Path, jobs: int) -> None:
    """All pull requests of a clone, first without and then with a cache."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [*GOLF_CHECK, "--repo", str(repo), "--all-prs", "--jobs", str(jobs), "--quiet"]
        command += ["--format", "jsonl", "--output", os.devnull, "--cache-dir", scratch]
        for name in ("from nothing", "from the cache"):
            wall, busy = timed(command)
            print(f"all pull requests, {jobs} jobs, {name:<16}{wall:>8.1f} s wall{busy:>10.1f} s cpu")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"largest process {peak:,.0f} MiB")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Measure what golf-check costs.")
    parser.add_argument("folders", nargs="*", type=Path, default=[EXAMPLE], help="submissions to judge alone")
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (default 5)")
    parser.add_argument("--repo", type=Path, help="a clone whose pull requests are all judged, twice")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes for --repo (default 2)")
    arguments = parser.parse_args()
    if arguments.repo is not None:
        whole_clone(arguments.repo, arguments.jobs)
    else:
        single(arguments.folders, arguments.runs)


if __name__ == "__main__":
    main()
