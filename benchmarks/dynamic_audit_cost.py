"""Seconds that whole audits take on this machine: `golf-check --dynamic` as a user runs it.

    python -m benchmarks.dynamic_audit_cost --clone CLONE --out ROWS.jsonl [--prs 125,339]
        [--sample 20 --seed 20261121]

The sample is that of `dynamic_coverage`. One JSON line a pull request is added to --out; those in it are not
run again. Wall seconds mean something only where nothing else runs; processor seconds are told beside them.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.dynamic_coverage import sampled_targets
from harness.git.pull_request import open_clone

_P95 = 0.95


def audited(clone: Path, number: int) -> dict[str, Any]:
    """One pull request judged in a process of its own: a row of the results."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    program = "import sys; from harness.cli_check import main; sys.exit(main())"
    asked = ("--repo", str(clone), "--pr", str(number), "--dynamic", "--no-cache", "--quiet")
    ended = subprocess.run(
        [sys.executable, "-c", program, *asked, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row: dict[str, Any] = {
        "pr": number,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "status": ended.returncode,
    }
    try:
        dynamic = json.loads(ended.stdout).get("dynamic")
    except ValueError:
        return row | {"failure": ended.stderr[-300:]}
    if dynamic is None:
        return row | {"failure": "not run"}
    outcomes = {one["probe"]: one["outcome"] for one in dynamic["results"]}
    return row | {
        "failure": dynamic["failure"],
        "step": dynamic["step"],
        "runs": {run["name"]: run["seconds"] for run in dynamic["runs"]},
        "outcomes": outcomes,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Seconds of the audits that came to a score, and of all."""
    lines = [
        "| audits | count | median s | p95 s | most s | median CPU s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    scored = [row for row in rows if not row["failure"]]
    for name, some in (("all", rows), ("driven to a score", scored)):
        if not some:
            continue
        seconds = sorted(row["seconds"] for row in some)
        late = seconds[min(len(seconds) - 1, int(_P95 * len(seconds)))]
        spent = statistics.median(row["cpu_seconds"] for row in some)
        lines.append(
            f"| {name} | {len(some)} | {statistics.median(seconds):.0f} | {late:.0f} | {seconds[-1]:.0f} "
            f"| {spent:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clone", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prs", default="", help="numbers, separated by commas")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=20261121)
    chosen = parser.parse_args()
    numbers = [int(number) for number in chosen.prs.split(",") if number]
    if chosen.sample:
        clone = open_clone(chosen.clone)
        found = sampled_targets(clone, chosen.seed, chosen.sample)
        numbers += [target.pr for _, target in found if target.pr is not None]
    rows: list[dict[str, Any]] = []
    if chosen.out.exists():
        rows = [json.loads(line) for line in chosen.out.read_text(encoding="utf-8").splitlines()]
    known = {row["pr"] for row in rows}
    for number in numbers:
        if number in known:
            continue
        row = audited(chosen.clone.resolve(), number)
        rows.append(row)
        with chosen.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"#{number}: {row['seconds']} s {row['failure'] or row['outcomes']}", flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
