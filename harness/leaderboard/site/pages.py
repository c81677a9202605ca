"""What the pages of the site show: plain values, already in words; the templates escape and place them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.leaderboard.chain_output import any_gain, p_value, with_margin
from harness.leaderboard.progression import Status
from harness.leaderboard.techniques import techniques_of
from harness.reports.escape import printable
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.leaderboard.board_row import BoardRow, SeedScore
    from harness.leaderboard.progression import Step
    from harness.ruleset import Limits

FINDINGS_AT_MOST = 40
FRAMES_AT_MOST = 12
_NAME_CHARACTERS = 200
_ORDER = ("FAIL", "NEEDS-HUMAN", "WARN", "INFO")
COLUMNS = (
    ("pr", "Row", False),
    ("author", "Author", False),
    ("mean", "val_bpb", True),
    ("std", "std", True),
    ("n", "Runs", True),
    ("track", "Track", False),
    ("verdict", "golf-check", False),
    ("status", "Place", False),
    ("technique", "Technique", False),
)
_DATA = (
    "key", "slug", "pr", "name", "author", "mean", "std", "n", "standing", "track", "verdict", "status",
    "technique",
)  # fmt: skip
STATUS_WORDS = {
    Status.FIRST: "first record",
    Status.ENTERED: "entered the chain",
    Status.NOT_SHOWN: "lower, but not shown to be",
    Status.TRAILS: "not below the record of its time",
    Status.HELD: "needs a person",
    Status.REJECTED: "rejected",
    Status.OUTSIDE: "outside the chain",
}


def slugs(rows: Iterable[BoardRow]) -> dict[str, str]:
    """A file name for each row's key: letters, digits and hyphens, no two alike on any file system."""
    found: dict[str, str] = {}
    used: set[str] = set()
    for row in rows:
        base = re.sub(r"[^a-z0-9]+", "-", row.key.lower().replace("#", "pr-")).strip("-")[:80] or "row"
        slug, number = base, 1
        while slug in used:
            number += 1
            slug = f"{base}-{number}"
        used.add(slug)
        found[row.key] = slug
    return found


def shown_name(row: BoardRow) -> str:
    """The name on one line, without characters that hide or reorder text."""
    return printable(row.name, _NAME_CHARACTERS)


def _author(row: BoardRow) -> str | None:
    told = row.author or row.github_id
    return printable(told.value, 80) if told is not None else None


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _runs(row: BoardRow) -> str:
    return count_of(len(row.values), f"{row.standing.value} run") if row.standing is not None else "no runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything the pages are made of."""

    steps: tuple[Step, ...]
    slug: Mapping[str, str]
    reports: Mapping[str, Mapping[str, Any]]
    rules_dir: Path
    limits: Limits

    def data(self) -> dict[str, Any]:
        """What the script of the first page draws: rows as lists, and the points of the plot."""
        return {
            "columns": list(_DATA),
            "rows": [self._data_row(step) for step in reversed(self.steps)],
            "frontier": [point for step in self.steps if (point := self._point(step)) is not None],
        }

    def _data_row(self, step: Step) -> list[Any]:
        row = step.row
        return [
            printable(row.key, 120), self.slug[row.key], row.pr, shown_name(row), _author(row), row.mean,
            row.sample_std, len(row.values), row.standing.value if row.standing else None, row.track or None,
            row.judged.verdict if row.judged else None, step.status.value,
            list(techniques_of(row, self.rules_dir)),
        ]  # fmt: skip

    def _point(self, step: Step) -> dict[str, Any] | None:
        row = step.row
        if row.track != "record" or row.mean is None:
            return None
        kind = "record" if step.is_record else "rejected" if step.status is Status.REJECTED else "other"
        return {
            "kind": kind, "x": row.pr or 0, "mean": row.mean, "std": row.sample_std, "n": len(row.values),
            "key": printable(row.key, 120), "name": shown_name(row), "slug": self.slug[row.key],
        }  # fmt: skip

    def chain(self) -> list[dict[str, Any]]:
        """The rows that held the record, the newest first, in words."""
        return [self._chain_row(step) for step in reversed(self.steps) if step.is_record]

    def _chain_row(self, step: Step) -> dict[str, Any]:
        row, numbers = step.row, step.numbers
        return {
            "key": printable(row.key, 120),
            "slug": self.slug[row.key],
            "name": shown_name(row),
            "mean": _number(row.mean, ".5f"),
            "std": _number(row.sample_std, ".5f") if row.sample_std is not None else "",
            "runs": _runs(row),
            "gain": _number(numbers.gain.bpb if numbers else None, "+.5f"),
            "p": p_value(any_gain(numbers)),
            "p_margin": p_value(with_margin(numbers)),
            "reason": printable(step.reason),
            "ruled_otherwise": step.ruled_otherwise,
        }

    def holder(self) -> dict[str, str] | None:
        """The row that holds the record: the lowest mean of those that ever did."""
        records = [step for step in self.steps if step.is_record]
        if not records:
            return None
        best = min(records, key=lambda step: (step.row.mean or 0.0, step.row.pr or 0)).row
        return {
            "mean": _number(best.mean, ".5f"),
            "runs": _runs(best),
            "author": _author(best) or "an unnamed author",
            "slug": self.slug[best.key],
            "name": shown_name(best),
        }

    def submission(self, step: Step) -> dict[str, Any]:
        """The context of one submission's page."""
        row = step.row
        said = self.reports.get(row.key, {}).get("findings", ())
        unchecked = [finding for finding in said if finding["verdict"] == "NOT-CHECKED"]
        findings = sorted(
            (finding for finding in said if finding["verdict"] != "NOT-CHECKED"),
            key=lambda finding: _rank(finding["verdict"]),
        )
        return {
            "row": {
                "name": shown_name(row),
                "mean": _number(row.mean, ".5f") if row.mean is not None else "",
                "std": _number(row.sample_std, ".5f") if row.sample_std is not None else "",
                "runs": _runs(row),
                "status": step.status.value,
                "status_words": STATUS_WORDS[step.status],
                "reason": printable(step.reason),
                "ruled_otherwise": step.ruled_otherwise,
            },
            "facts": _facts(row),
            "comparison": _comparison(step),
            "seeds": [self._seed(score) for score in row.sample],
            "judged_words": _judged_words(row),
            "findings": [_finding(finding) for finding in findings[:FINDINGS_AT_MOST]],
            "unchecked": [
                {"rule": finding["rule"], "message": printable(finding["message"], 600)}
                for finding in unchecked
            ],
            "unchecked_words": f"{count_of(len(unchecked), 'rule')} not checked",
            "more_findings": max(0, len(findings) - FINDINGS_AT_MOST),
        }

    def _seed(self, score: SeedScore) -> dict[str, Any]:
        limits = self.limits
        bars = (
            _bar(score.train_seconds, limits.number("time.train_cap_seconds"), "s", ".1f"),
            _bar(score.eval_seconds, limits.number("time.eval_cap_seconds"), "s", ".1f"),
            _bar(score.total_bytes, limits.number("artifact.cap_bytes"), "bytes", ",d"),
        )
        return {
            "seed": "–" if score.seed is None else str(score.seed),
            "bpb": f"{score.val_bpb:.6f}",
            "loss": _number(score.val_loss, ".6f"),
            "bars": bars,
            "source": f"{printable(score.source, 120)}, {score.standing.value}",
        }

    def rule_counts(self) -> dict[str, Counter[str]]:
        """What each rule said over all reports."""
        counts: dict[str, Counter[str]] = {}
        for report in self.reports.values():
            for rule, word in report.get("rules_checked", {}).items():
                counts.setdefault(rule, Counter())[word] += 1
        return counts

    def rows_against(self, rule: str) -> list[dict[str, str]]:
        """Rows that fail the rule or that it asks about, the newest first."""
        return [
            {
                "slug": self.slug[step.row.key],
                "key": printable(step.row.key, 120),
                "name": shown_name(step.row),
                "verdict": word,
            }
            for step in reversed(self.steps)
            if (word := self.reports.get(step.row.key, {}).get("rules_checked", {}).get(rule))
            in ("FAIL", "NEEDS-HUMAN")
        ]


def _rank(verdict: str) -> int:
    return _ORDER.index(verdict) if verdict in _ORDER else len(_ORDER)


def _bar(value: float | None, limit: float, unit: str, form: str) -> dict[str, Any]:
    if value is None:
        return {"words": "–", "share": None}
    return {"words": f"{value:{form}} {unit}", "share": round(100 * max(0.0, min(value / limit, 2.0)), 1)}


def _facts(row: BoardRow) -> list[dict[str, str]]:
    facts = []
    for name, told in (
        ("Author", row.author), ("GitHub", row.github_id), ("Date", row.date), ("Summary", row.summary),
        ("Opened", row.created_at), ("Evidence", row.evidence_at),
    ):  # fmt: skip
        if told is not None:
            source = f"{told.standing.value}, {printable(told.source, 120)}"
            facts.append({"name": name, "value": printable(str(told.value), 400), "source": source})
    plain = (
        ("Pull request", f"#{row.pr}" if row.pr is not None else ""),
        ("Folder", row.folder or ""),
        ("Commit", row.commit or ""),
        ("Track", row.track),
        ("Bytes per token", _number(row.bytes_per_token, ".5f") if row.bytes_per_token else ""),
    )
    facts += [{"name": name, "value": printable(value, 300), "source": ""} for name, value in plain if value]
    if row.ruling is not None:
        on = f" on {row.ruling.date}" if row.ruling.date else ""
        value = f"{row.ruling.outcome.value} by {row.ruling.who}{on}: {row.ruling.why}"
        facts.append({"name": "Ruling", "value": printable(value), "source": printable(row.ruling.source)})
    facts += [{"name": "Remark", "value": printable(note), "source": ""} for note in row.notes]
    return facts


def _comparison(step: Step) -> dict[str, Any] | None:
    numbers, against = step.numbers, step.against
    if numbers is None or against is None:
        return None
    gain = numbers.gain
    way = "lower" if gain.bpb >= 0 else "higher"
    per_token = "" if gain.nats_per_token is None else f", {gain.nats_per_token:+.5f} nats per token"
    unit = "byte" if gain.bytes_per_token is None else "token"
    lines = [
        f"{abs(gain.bpb):.6f} bits per byte {way}{per_token}, {gain.nats_per_byte:+.5f} nats per byte",
        f"one-sided Welch, any gain: p {p_value(any_gain(numbers))}",
        f"for {numbers.margin_nats} nats per {unit}: p {p_value(with_margin(numbers))}",
        f"its scores: {_scores(numbers.new)}",
        f"scores of {against.key}: {_scores(numbers.old)}",
    ]
    wider = step.with_reproductions
    if wider is not None:
        lines.append(f"with reproduction runs: p {p_value(any_gain(wider))} from {_scores(wider.new)}")
    name = f"{against.key}, {shown_name(against)}"
    return {"name": printable(name), "lines": [printable(line) for line in lines]}


def _scores(values: Sequence[float]) -> str:
    shown = ", ".join(f"{value:.6f}" for value in values[:12])
    return f"{shown} and {len(values) - 12} more" if len(values) > 12 else shown


def _judged_words(row: BoardRow) -> str:
    judged = row.judged
    if judged is None:
        return ""
    if judged.error is not None:
        return f"It could not be looked at: {printable(judged.error)}"
    words = [f"Verdict without the chain's own rules: {judged.verdict}."]
    if judged.open:
        words.append(f"Essential rules that could not be checked: {', '.join(judged.open)}.")
    return " ".join(words)


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    places = finding["places"][:FRAMES_AT_MOST]
    return {
        "rule": finding["rule"],
        "verdict": finding["verdict"],
        "css": finding["verdict"] if finding["verdict"] in _ORDER else "INFO",
        "message": printable(finding["message"]),
        "ask": printable(finding.get("ask") or ""),
        "authority": printable("; ".join(finding.get("authority", ()))),
        "frames": [_frame(place) for place in places],
    }


def _frame(place: Mapping[str, Any]) -> dict[str, str]:
    where = place["file"] if place["line"] is None else f"{place['file']}:{place['line']}"
    unpacked = " (unpacked)" if place.get("unpacked") else ""
    return {
        "where": printable(f"{where}{unpacked}", 300),
        "note": printable(place.get("note") or ""),
        "code": printable(place.get("excerpt") or ""),
    }
