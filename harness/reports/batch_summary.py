"""How a whole batch came out: submissions per verdict, outcomes per rule, and what could not be checked."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.finding import RuleVerdict
from harness.reports.escape import printable
from harness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

# Outcomes that say something about a submission, in the order of the table's columns.
_SPEAKING = (RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN, RuleVerdict.WARN, RuleVerdict.NOT_CHECKED)
# A row of the text table; every rule is in the JSON.
RULES_AT_MOST = 25
REASONS_AT_MOST = 10


@dataclass(slots=True, kw_only=True)
class BatchSummary:
    """Counts over report documents (`report_json.to_json`, or lines of a jsonl file), added one at a time.

    `rules` counts submissions, not findings: a rule that fails on three seeds of one submission counts once.
    `could_not_check` counts submissions per reason. `seconds` is the time spent judging, summed.
    """

    total: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    verdicts: Counter[str] = field(default_factory=Counter)
    rules: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    could_not_check: Counter[str] = field(default_factory=Counter)
    rule_errors: Counter[str] = field(default_factory=Counter)

    def add(self, document: Mapping[str, Any]) -> None:
        """Count one report document."""
        self.total += 1
        seconds = float(document.get("seconds") or 0.0)
        self.seconds += seconds
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        self.verdicts[str(document["verdict"])] += 1
        for rule, outcome in document.get("rules_checked", {}).items():
            self.rules[rule][outcome] += 1
        if document["verdict"] == Verdict.COULD_NOT_CHECK:
            self.could_not_check[_reason_in_general(document.get("error"))] += 1
        for crash in document.get("rule_errors", ()):
            self.rule_errors[str(crash).partition(":")[0]] += 1

    def to_json(self) -> dict[str, Any]:
        """The counts as a JSON document; verdicts in fixed order, rules by id."""
        return {
            "total": self.total,
            "seconds": round(self.seconds, 3),
            "slowest_seconds": round(self.slowest_seconds, 3),
            "verdicts": {verdict.value: self.verdicts[verdict.value] for verdict in Verdict},
            "rules": {rule: dict(sorted(self.rules[rule].items())) for rule in sorted(self.rules)},
            "could_not_check": dict(sorted(self.could_not_check.items())),
            "rule_errors": dict(sorted(self.rule_errors.items())),
        }


def _reason_in_general(error: object) -> str:
    """The reason without what is particular to one submission: its number, commit, path and details."""
    if not isinstance(error, str) or not error:
        return "no reason was given"
    general = re.sub(r"(?:/\S+|#\d+)(?: \([0-9a-f]{7,40}\))?", "...", error)
    return re.split(r"[:;]\s", general, maxsplit=1)[0]


def _rule_lines(summary: BatchSummary) -> list[str]:
    ranked = [
        (tuple(-counts[verdict.value] for verdict in _SPEAKING[:3]), rule, counts)
        for rule, counts in summary.rules.items()
    ]
    ranked = sorted(row for row in ranked if any(row[0]))
    if not ranked:
        return []
    width = min(40, max(20, *(len(rule) for _, rule, _ in ranked[:RULES_AT_MOST])))
    heads = "".join(f"{verdict.value:>13}" for verdict in _SPEAKING)
    lines = ["", f"  {'submissions per rule':<{width}}{heads}"]
    for _, rule, counts in ranked[:RULES_AT_MOST]:
        cells = "".join(f"{counts[verdict.value] or '-':>13}" for verdict in _SPEAKING)
        lines.append(f"  {printable(rule, width):<{width}}{cells}")
    left = len(ranked) - RULES_AT_MOST
    return [*lines, f"  and {left:,} more rules in the JSON summary"] if left > 0 else lines


def render_batch_summary(summary: BatchSummary) -> str:
    """The counts for a person: verdicts, the rules that speak most, and what stopped a check."""
    lines = [f"{summary.total:,} submissions judged in {summary.seconds:,.1f} s of work"]
    if summary.total:
        mean = summary.seconds / summary.total
        lines[0] += f" ({mean:.2f} s each, at most {summary.slowest_seconds:.2f} s)"
    for verdict in Verdict:
        count = summary.verdicts[verdict.value]
        if count:
            lines.append(f"  {verdict.value:<16}{count:>7,}  {count / summary.total:6.1%}")
    lines += _rule_lines(summary)
    if summary.could_not_check:
        lines += ["", "  could not be checked, by reason"]
        reasons = summary.could_not_check.most_common(REASONS_AT_MOST)
        lines += [f"  {count:>7,}  {printable(reason, 160)}" for reason, count in reasons]
    if summary.rule_errors:
        lines += ["", "  rules that crashed (a bug of golf-check; please report it)"]
        lines += [
            f"  {count:>7,}  {printable(rule, 80)}" for rule, count in summary.rule_errors.most_common()
        ]
    return "\n".join(lines) + "\n"
