"""How many submissions the dynamic audit can drive to their final score on this machine, and why not others.

    python -m benchmarks.dynamic_coverage --clone CLONE --out RESULTS.jsonl [--records] [--prs 125,339]
        [--sample 60 --seed 1] [--no-captures] [--again CAUSE,...] [--limit SECONDS]
        [--part 0/2] [--steps 6]

--records takes every 10-minute-track folder of the clone's main; --sample takes pull requests that add a
10-minute-track train_gpt.py, from all of the clone in the order of `random.Random(seed)`. One JSON line a
submission is added to --out; those in it are not run again, unless --again names their cause ("all" for each
that failed). The table of everything in --out is printed at the end. Scripts run only in a sandbox.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.dynamic.audit_run import LIMITS
from harness.dynamic.audit_subject import read_subject, write_tree
from harness.dynamic.run_ladder import climb
from harness.dynamic.score_lines import score_lines
from harness.dynamic.tiny_data import Layout, tiny_data
from harness.dynamic.tiny_scale import STEPS
from harness.errors import GolfError
from harness.git.pull_request import open_clone
from harness.sandbox.choose import choose_sandbox
from harness.submission_reader import read_submission
from harness.targets import Target, open_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.git.pull_request import Clone
    from harness.sandbox.request import Sandbox, SandboxLimits

_TRACK = "records/track_10min_16mb"
_ENTRY = re.compile(rf"{_TRACK}/[^/]+/train_gpt\.py")
_TAIL_LINES = 12


def record_targets(clone: Clone) -> Iterator[tuple[str, Target]]:
    for folder in clone.record_folders("main"):
        if folder.startswith(_TRACK):
            yield f"main {folder.rpartition('/')[2]}", Target(revision="main", entry=folder, whole_tree=True)


def sampled_targets(clone: Clone, seed: int, count: int) -> Iterator[tuple[str, Target]]:
    """The first `count` of the clone's shuffled pull requests that add a script of the track."""
    numbers = sorted(clone.pull_requests())
    random.Random(seed).shuffle(numbers)
    found = 0
    for number in numbers:
        target = Target(revision=f"refs/pull/{number}/head", pr=number)
        try:
            changes = open_target(target, clone).changes
        except GolfError:
            continue
        if changes and any(one.status == "added" and _ENTRY.fullmatch(one.path) for one in changes.changes):
            yield f"#{number}", target
            found += 1
        if found == count:
            return


def measured(
    name: str,
    target: Target,
    clone: Clone,
    sandbox: Sandbox,
    limits: SandboxLimits,
    *,
    captures: bool,
    steps: int,
) -> dict[str, Any]:
    """One submission driven: a row of the results."""
    row: dict[str, Any] = {"name": name, "reached": False, "steps": []}
    began = time.monotonic()
    try:
        opened = open_target(target, clone)
        submission = read_submission(opened.tree, opened.origin, opened.changes)
        with tempfile.TemporaryDirectory(prefix="golf-coverage-") as folder:
            written = Path(folder) / "submission"
            write_tree(opened.tree, written)
            subject = read_subject(written, submission, opened.tree)
            row["vocabulary"] = f"{subject.vocabulary.key.alphabet} {subject.vocabulary.key.size}"
            data = tiny_data(subject.vocabulary.key, Layout.SINGLE)
            row["prepare_seconds"] = round(time.monotonic() - began, 1)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            attempts = climb(subject, data, sandbox, limits, captures=captures, steps=steps)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            row["cpu_seconds"] = round(spent, 1)
            row["profile"] = subject.profile.name if subject.profile is not None else None
    except GolfError as error:
        return row | {"cause": "unreadable", "message": str(error)[:300]}
    for attempt in attempts:
        cause = attempt.run.cause
        row["steps"].append(
            {
                "step": attempt.step.value,
                "seconds": round(attempt.run.outcome.seconds, 1),
                "cause": cause.kind.value if cause else None,
                "message": cause.message if cause else None,
                "line": cause.line if cause else None,
            }
        )
    last = attempts[-1]
    scores = score_lines(last.run.log_lines)
    first_cause = attempts[0].run.cause
    cause = last.run.cause
    return row | {
        "reached": cause is None,
        "step": last.step.value,
        "seconds": round(last.run.outcome.seconds, 1),
        "all_seconds": round(time.monotonic() - began, 1),
        "cause": (first_cause.kind.value if first_cause else None) if cause else None,
        "message": (first_cause.message if first_cause else None) if cause else None,
        "score_line": last.run.log_lines[scores[-1][0]][:200] if scores else None,
        "events": len(last.run.events.events),
        "why_powerless": last.run.events.why_powerless(),
        "artifacts": sorted(last.run.artifacts)[:10],
        "tail": list(last.run.log_lines[-_TAIL_LINES:]) if cause else [],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Share that reached the score, seconds, and causes of the rest by count."""
    lines = [
        "| set | reached | first try | median s | p95 s | median CPU s | p95 CPU s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    sets = {
        "main": [row for row in rows if row["name"].startswith("main")],
        "pull requests": [row for row in rows if row["name"].startswith("#")],
    }
    for name, own in sets.items():
        if not own:
            continue
        reached = [row for row in own if row["reached"]]
        first = sum(row["step"] == "small" for row in reached)
        walls = _middle_and_slow([row["seconds"] for row in reached])
        spent = _middle_and_slow([row["cpu_seconds"] for row in reached])
        lines.append(f"| {name} | {len(reached)}/{len(own)} | {first} | {walls} | {spent} |")
    lines += ["", "| cause of the rest | count | which |", "|---|---:|---|"]
    failed = [row for row in rows if not row["reached"]]
    for cause, count in Counter(row["cause"] for row in failed).most_common():
        lines.append(f"| {cause} | {count} | {', '.join(r['name'] for r in failed if r['cause'] == cause)} |")
    return "\n".join(lines)


def _middle_and_slow(seconds: list[float]) -> str:
    if not seconds:
        return "- | -"
    slow = sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]
    return f"{statistics.median(seconds):.0f} | {slow:.0f}"


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description="Coverage of the dynamic audit.")
    parser.add_argument("--clone", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--records", action="store_true")
    parser.add_argument("--prs", default="", help="numbers, separated by commas")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--no-captures", action="store_true")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps of a run")
    parser.add_argument("--again", default="", help="causes to run again, or all")
    parser.add_argument("--limit", type=float, default=LIMITS.wall_seconds, help="seconds of one run")
    parser.add_argument("--part", default="0/1", help="which of how many parts, for several processes")
    chosen = parser.parse_args()
    clone = open_clone(chosen.clone)
    targets = list(record_targets(clone)) if chosen.records else []
    targets += [
        (f"#{number}", Target(revision=f"refs/pull/{number}/head", pr=int(number)))
        for number in chosen.prs.split(",")
        if number
    ]
    if chosen.sample:
        targets += list(sampled_targets(clone, chosen.seed, chosen.sample))
    rows = {row["name"]: row for row in _read(chosen.out)}
    again = set(chosen.again.split(",")) - {""}
    sandbox = choose_sandbox("auto")
    limits = replace(LIMITS, wall_seconds=chosen.limit)
    part, parts = (int(word) for word in chosen.part.split("/"))
    for name, target in targets[part::parts]:
        known = rows.get(name)
        if known is not None and (known["reached"] or not again & {known["cause"], "all"}):
            continue
        row = measured(
            name, target, clone, sandbox, limits, captures=not chosen.no_captures, steps=chosen.steps
        )
        rows[name] = row
        with chosen.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        told = row.get("score_line") if row["reached"] else f"{row['cause']}: {row['message']}"
        print(f"{name}: {row.get('step')} {row.get('seconds')} s {told}", flush=True)
    print(table(list(rows.values())))


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    latest = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        latest[row["name"]] = row
    return list(latest.values())


if __name__ == "__main__":
    main()
