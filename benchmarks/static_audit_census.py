"""What the rules that read code say about every pull request of a clone, and what stays unresolved.

    python -m benchmarks.static_audit_census --clone CLONE [--jobs 2] [--limit N] [--json FILE]
    python -m benchmarks.static_audit_census --reports FILE

The second form counts reports that `golf-check --repo CLONE --all-prs --format jsonl` wrote earlier. A family
of rules is decided when one of its rules fails, asks or passes; a submission is unresolved when the order of
score and update, or the tokens behind n-gram tables, is left open. --limit takes a random sample, the same
each time. Nothing is read from the cache, so that seconds and memory are those of a first look.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import resource
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.batch import judge_all
from harness.check import CheckOptions
from harness.git.pull_request import open_clone
from harness.progress import shown_progress
from harness.ruleset import RULES_DIR, load_ruleset
from harness.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

OUTCOMES = ("FAIL", "NEEDS-HUMAN", "WARN", "PASS", "NOT-CHECKED", "NOT-APPLICABLE")
# The first rule of each family passes only when the whole path of the claimed score was followed.
FAMILIES = {
    "order of score and update": (
        "c3-score-before-update",
        "c4-single-pass",
        "ttt-score-first",
        "ttt-multi-epoch",
        "ttt-prequant",
        "two-pass-rescore",
        "slot-scored-region",
        "slot-context-only",
        "val-calibration",
    ),
    "tokens behind tables and mixtures": (
        "ngram-key-target",
        "ngram-target-gate",
        "ngram-cache",
        "mixer-hedge",
        "oracle-min",
        "c2-normalized",
        "byte-ppm-mixture",
    ),
}
_ACCUSES = {"FAIL", "NEEDS-HUMAN"}
_SPOT = re.compile(r"(?: at)? ?\S+\.\w+:\d+")
_AFTER_A_LINE = re.compile(r"(?<=\d), ")  # "reason at file:1, reason at file:2"
_MORE = re.compile(r" and [\d,]+ more$")
_NO_SCRIPT = "there is no script to audit"


@dataclass(slots=True)
class Census:
    """Counts over reports (as JSON), added one at a time; `rows` keeps what each one said, for a reader."""

    static_rules: frozenset[str]
    total: int = 0
    could_not_check: int = 0
    without_script: int = 0
    rules: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    accused: Counter[str] = field(default_factory=Counter)
    open_families: Counter[str] = field(default_factory=Counter)
    unresolved: int = 0
    reasons: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    crashes: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def audited(self) -> int:
        """Submissions with a script that could be read."""
        return self.total - self.could_not_check - self.without_script

    def add(self, document: Mapping[str, Any]) -> None:
        """Count one report."""
        self.total += 1
        name = _name(document)
        self.crashes += [f"{name}: {crash}" for crash in document.get("rule_errors", ())]
        if document["verdict"] == "could-not-check":
            self.could_not_check += 1
            return
        outcomes = {r: o for r, o in document["rules_checked"].items() if r in self.static_rules}
        for rule, outcome in outcomes.items():
            self.rules[rule][outcome] += 1
        said = [each for each in document["findings"] if each["rule"] in self.static_rules]
        self.seconds.append(float(document.get("seconds") or 0.0))
        left_open: dict[str, str] = {}
        if any(_NO_SCRIPT in each["message"] for each in said):
            self.without_script += 1
        else:
            left_open = self._count_families(outcomes, said)
        self.rows.append(
            {
                "name": name,
                "author": (document.get("submission") or {}).get("author"),
                "seconds": document.get("seconds"),
                "outcomes": outcomes,
                "open": left_open,
                "accusations": [each for each in said if each["verdict"] in _ACCUSES],
            }
        )

    def _count_families(
        self, outcomes: Mapping[str, str], said: Iterable[Mapping[str, Any]]
    ) -> dict[str, str]:
        """Which families stay open and why."""
        left_open = {}
        for family, rules in FAMILIES.items():
            seen = {outcomes.get(rule) for rule in rules}
            if seen & _ACCUSES:
                self.accused[family] += 1
            elif outcomes.get(rules[0]) != "PASS":
                message = next((each["message"] for each in said if each["rule"] == rules[0]), "no reason")
                left_open[family] = message
                self.open_families[family] += 1
                self.reasons[family].update(reasons_in(message))
        self.unresolved += bool(left_open)
        return left_open


def _name(document: Mapping[str, Any]) -> str:
    submission = document.get("submission") or {}
    number = submission.get("pr")
    return f"#{number}" if number is not None else str(submission.get("entry") or "?")


def reasons_in(message: str) -> list[str]:
    """The reasons of one NOT-CHECKED message without lines and files, each once."""
    told = message.partition(": ")[2] if message.startswith("unresolved") else message
    each = _AFTER_A_LINE.split(_MORE.sub("", told))
    return list(dict.fromkeys(_SPOT.sub("", one).strip()[:160] for one in each))


def render(census: Census, wall: float, peak_mib: float) -> str:
    """The tables."""
    left_out = f"{census.could_not_check:,} could not be read, {census.without_script:,} hold no script"
    lines = [
        f"{census.total:,} submissions; {left_out}",
        "",
        "| rule | " + " | ".join(OUTCOMES) + " |",
        "|---|" + "---:|" * len(OUTCOMES),
    ]
    for rule in sorted(census.rules):
        counts = census.rules[rule]
        lines.append(f"| {rule} | " + " | ".join(f"{counts[outcome]:,}" for outcome in OUTCOMES) + " |")
    lines += ["", f"of {census.audited:,} scripts:"]
    for family in FAMILIES:
        left_open = _share(census.open_families[family], census)
        lines.append(f"- {family}: {census.accused[family]:,} fail or ask, {left_open} left open")
    lines += [f"- unresolved in either: {_share(census.unresolved, census)}"]
    for family, reasons in census.reasons.items():
        lines += ["", f"{family}: why it is left open"]
        lines += [f"  {count:5,}  {reason}" for reason, count in reasons.most_common(40)]
    lines += ["", f"crashes: {len(census.crashes)}", *census.crashes[:20], ""]
    if census.seconds:
        ordered = sorted(census.seconds)
        high = ordered[math.ceil(0.95 * len(ordered)) - 1]
        lines.append(
            f"seconds a submission: median {statistics.median(ordered):.2f}, p95 {high:.2f}, "
            f"most {ordered[-1]:.2f}, sum {sum(ordered):,.0f}"
        )
    if wall:
        lines.append(f"whole run {wall:,.0f} s, largest process {peak_mib:,.0f} MiB")
    return "\n".join(lines)


def _share(count: int, census: Census) -> str:
    return f"{count:,} ({100 * count / max(1, census.audited):.1f} %)"


def _judged(clone_path: Path, limit: int, jobs: int, rules: Iterable[str]) -> Iterator[dict[str, Any]]:
    clone = open_clone(clone_path)
    numbers = list(clone.pull_requests())
    if limit:
        numbers = sorted(random.Random(0).sample(numbers, min(limit, len(numbers))))
    targets = [Target(pr=number) for number in numbers]
    options = CheckOptions(rules=tuple(rules))
    with shown_progress(len(targets), "judged", quiet=False) as advance:
        for judged in advance(judge_all(targets, clone, options, jobs=jobs)):
            yield judged.document


def _kept(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def main() -> None:
    """Parse the command line and count."""
    parser = argparse.ArgumentParser(description="What the static audit says about a clone.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--clone", type=Path)
    source.add_argument("--reports", type=Path, metavar="FILE", help="jsonl reports of golf-check")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="a random sample of so many")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write one row a submission here")
    chosen = parser.parse_args()
    static = [rule.id for rule in load_ruleset(RULES_DIR).rules.values() if rule.needs_audit]
    census = Census(frozenset(static))
    start = time.perf_counter()
    documents = (
        _kept(chosen.reports)
        if chosen.reports is not None
        else _judged(chosen.clone, chosen.limit, chosen.jobs, static)
    )
    for document in documents:
        census.add(document)
    wall = time.perf_counter() - start if chosen.clone is not None else 0.0
    print(render(census, wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
    if chosen.json is not None:
        rows = [json.dumps(row) for row in sorted(census.rows, key=lambda row: str(row["name"]))]
        chosen.json.write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
