"""What the static audit costs: seconds, memory and stored bytes of each submission of a clone.

    python -m benchmarks.static_audit_cost --clone CLONE [--limit N] [--json FILE]

One job, each audit in a fresh guarded process, so that its peak memory is its own. "cold" is the audit alone
(reading the submission and collecting its run profiles have columns of their own), "warm" is reading a kept
audit. Growth is told by size of the sources, in doublings. --limit takes every n-th pull request.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
import zlib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.audit.guarded_audit import AUDITOR, GUARD, audit_of_document, audit_request
from harness.code.guarded_process import GuardedWorker, LimitHit
from harness.errors import GolfError
from harness.evidence.seed_evidence import collect_evidence
from harness.git.pull_request import open_clone
from harness.result_cache import pack
from harness.ruleset import RULES_DIR, load_ruleset
from harness.submission_reader import read_submission
from harness.targets import Target, open_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.git.pull_request import Clone


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one submission costs. `limit` names the limit that ended its audit, "" when none did."""

    pr: int
    source_bytes: int
    profiles: int
    events: int
    nodes: int
    read_s: float
    profiles_s: float
    cold_s: float
    warm_s: float
    peak_mib: float
    stored_bytes: int
    limit: str
    reasons: tuple[str, ...]


def _peak_mib(process: int) -> float:
    """The largest resident size a process has had; 0 where the system does not say."""
    try:
        for row in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
            if row.startswith("VmHWM:"):
                return int(row.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def cost_of(clone: Clone, number: int) -> Cost | None:
    """The cost of one pull request; None when it holds no submission with a script."""
    ruleset = load_ruleset(RULES_DIR)
    start = time.perf_counter()
    try:
        opened = open_target(Target(pr=number), clone, ruleset.package["core_files"])
        submission = read_submission(
            opened.tree, opened.origin, opened.changes, ruleset.package["track_folders"]
        )
    except GolfError:
        return None
    evidence = collect_evidence(submission, ruleset.limits(ruleset.newest))
    read = time.perf_counter()
    request = audit_request(submission, opened.tree, evidence)
    if isinstance(request, str):
        return None
    collected = time.perf_counter()
    worker = GuardedWorker(AUDITOR, GUARD)
    worker.start()
    started = time.perf_counter()
    document, limit = None, ""
    try:
        document = worker.call(request.argument, request.texts)
    except LimitHit as hit:
        limit = hit.limit
    cold = time.perf_counter() - started
    peak = _peak_mib(worker.process_id or 0)
    worker.close()
    audits = document["audits"] if document is not None else []
    stored = pack(document) if document is not None else b""
    started = time.perf_counter()
    if stored:
        audit_of_document(json.loads(zlib.decompress(stored)), request.runs, {})
    unresolved = {
        event["reason"]
        for audit in audits[:1]
        for event in audit["events"]
        if event["event"] == "Unresolved" and event.get("on_path")
    }
    return Cost(
        pr=number,
        source_bytes=sum(map(len, request.texts)),
        profiles=len(request.runs),
        events=sum(len(audit["events"]) for audit in audits),
        nodes=sum(audit["nodes"] for audit in audits),
        read_s=read - start,
        profiles_s=collected - read,
        cold_s=cold,
        warm_s=time.perf_counter() - started,
        peak_mib=peak,
        stored_bytes=len(stored),
        limit=limit,
        reasons=tuple(sorted(unresolved)),
    )


def _row(name: str, values: Sequence[float], form: str) -> str:
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)]
    cells = (statistics.median(ordered), high, ordered[-1], sum(ordered))
    return f"| {name} | " + " | ".join(format(cell, form) for cell in cells) + " |"


def render(costs: Sequence[Cost]) -> str:
    """The tables."""
    columns: tuple[tuple[str, Callable[[Cost], float], str], ...] = (
        ("read and evidence, s", lambda cost: cost.read_s, ".3f"),
        ("run profiles, s", lambda cost: cost.profiles_s, ".3f"),
        ("audit cold, s", lambda cost: cost.cold_s, ".3f"),
        ("audit warm, s", lambda cost: cost.warm_s, ".4f"),
        ("peak memory, MiB", lambda cost: cost.peak_mib, ".0f"),
        ("stored, bytes", lambda cost: cost.stored_bytes, ",.0f"),
        ("profiles", lambda cost: cost.profiles, ",.0f"),
        ("events", lambda cost: cost.events, ",.0f"),
        ("nodes", lambda cost: cost.nodes, ",.0f"),
    )
    lines = [f"{len(costs):,} submissions", "", "| | median | p95 | max | sum |", "|---|---:|---:|---:|---:|"]
    lines += [_row(name, [value(cost) for cost in costs], form) for name, value, form in columns]
    lines += [
        "",
        "| source bytes | submissions | median s | max s | median MiB |",
        "|---|---:|---:|---:|---:|",
    ]
    for low, group in _doublings(costs):
        seconds = [cost.cold_s for cost in group]
        memory = statistics.median(cost.peak_mib for cost in group)
        lines.append(
            f"| {low:,} to {2 * low - 1:,} | {len(group):,} | {statistics.median(seconds):.3f} "
            f"| {max(seconds):.3f} | {memory:.0f} |"
        )
    limits = Counter(cost.limit for cost in costs if cost.limit)
    reasons = Counter(reason for cost in costs for reason in cost.reasons)
    lines += ["", f"limits hit: {dict(limits) or 'none'}"]
    lines += [f"unresolved on the path of the claim: {dict(reasons.most_common()) or 'none'}"]
    slowest = sorted(costs, key=lambda cost: -cost.cold_s)[:5]
    lines += ["slowest: " + ", ".join(f"#{cost.pr} {cost.cold_s:.1f} s" for cost in slowest)]
    return "\n".join(lines)


def _doublings(costs: Iterable[Cost]) -> list[tuple[int, list[Cost]]]:
    groups: dict[int, list[Cost]] = {}
    for cost in costs:
        groups.setdefault(1 << max(10, cost.source_bytes.bit_length() - 1), []).append(cost)
    return sorted(groups.items())


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Cost of the static audit over a clone.")
    parser.add_argument("--clone", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="about so many pull requests")
    parser.add_argument("--json", type=Path, help="also write one row a submission here")
    chosen = parser.parse_args()
    clone = open_clone(chosen.clone)
    numbers = clone.pull_requests()
    if chosen.limit:
        numbers = numbers[:: max(1, len(numbers) // chosen.limit)]
    costs = [cost for number in numbers if (cost := cost_of(clone, number)) is not None]
    print(render(costs))
    if chosen.json is not None:
        rows = [json.dumps(asdict(cost)) for cost in costs]
        chosen.json.write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
