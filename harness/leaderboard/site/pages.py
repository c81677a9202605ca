"""What the pages of the site show: plain values, already in words; the templates escape and place them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.leaderboard.p_values import any_gain_cell, margin_cell
from harness.leaderboard.progression import Status
from harness.leaderboard.techniques import techniques_of
from harness.reports.escape import printable
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from harness.leaderboard.board_row import BoardRow
    from harness.leaderboard.kept_reports import KeptReports
    from harness.leaderboard.loss_curves import LogReader
    from harness.leaderboard.progression import Step
    from harness.ruleset import Limits

_NAME_CHARACTERS = 200
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
COLUMNS = (
    ("pr", "Row", False),
    ("mean", "val_bpb", True),
    ("std", "std", True),
    ("n", "Runs", True),
    ("verdict", "golf-check", False),
    ("status", "Place", False),
    ("author", "Author", False),
    ("date", "Date", False),
    ("track", "Track", False),
    ("technique", "Technique", False),
)
# One list a row in this order. `kind` is how the plot draws it: record, rejected, other; null is not at all.
_DATA = (
    "key", "slug", "pr", "name", "author", "date", "mean", "std", "n", "standing", "track", "verdict",
    "status", "kind", "technique",
)  # fmt: skip
_NEWEST_OF_THE_CHAIN = 12
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


def title_of(row: BoardRow) -> str:
    """The name beside the row's key; "" where the key is all the name it has."""
    return "" if row.name == row.key else shown_name(row)


def author_of(row: BoardRow) -> str | None:
    """The stated author, else the account, on one line; None where neither is stated."""
    told = row.author or row.github_id
    return printable(told.value, 80) if told is not None else None


def day_of(row: BoardRow) -> str | None:
    """The day a row states, "2026-04-09"; None where it states none or something else."""
    day = row.date.value[:10] if row.date is not None else ""
    return day if _DAY.fullmatch(day) else None


def _kind(step: Step) -> str | None:
    if step.row.track != "record" or step.row.mean is None:
        return None
    return "record" if step.is_record else "rejected" if step.status is Status.REJECTED else "other"


def number_cell(value: float | None, form: str) -> str:
    """A number for a table, a dash where it is unknown."""
    return "–" if value is None else format(value, form)


def runs_words(row: BoardRow) -> str:
    """In words, such as "3 logged runs"."""
    return count_of(len(row.values), f"{row.standing.value} run") if row.standing is not None else "no runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything the pages are made of."""

    steps: tuple[Step, ...]
    slug: Mapping[str, str]
    reports: KeptReports
    rules_dir: Path
    limits: Limits
    pull_url: str = ""
    read_log: LogReader | None = None

    def data(self) -> dict[str, Any]:
        """What the script of the first page draws: the rows as lists, the newest first."""
        return {"columns": list(_DATA), "rows": [self._data_row(step) for step in reversed(self.steps)]}

    def _data_row(self, step: Step) -> list[Any]:
        row = step.row
        return [
            printable(row.key, 120), self.slug[row.key], row.pr, title_of(row), author_of(row),
            day_of(row), None if row.mean is None else round(row.mean, 8),
            None if row.sample_std is None else round(row.sample_std, 8), len(row.values),
            row.standing.value if row.standing else None, printable(row.track, 40) or None,
            row.judged.verdict if row.judged else None, step.status.value, _kind(step),
            list(techniques_of(row, self.rules_dir)),
        ]  # fmt: skip

    def tally(self) -> list[dict[str, str]]:
        """How many rows there are and what became of them, for the head of the first page."""
        records = sum(step.is_record for step in self.steps)
        counts = Counter(step.status for step in self.steps)
        return [
            {"number": f"{number:,}", "words": words}
            for number, words in (
                (len(self.steps), "submissions"),
                (records, "held the record"),
                (counts[Status.HELD], "wait for a person"),
                (counts[Status.REJECTED], "rejected"),
            )
        ]

    def chain(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The rows that held the record in words, the newest first: the newest dozen, and the others."""
        rows = [self._chain_row(step) for step in reversed(self.steps) if step.is_record]
        return rows[:_NEWEST_OF_THE_CHAIN], rows[_NEWEST_OF_THE_CHAIN:]

    def _chain_row(self, step: Step) -> dict[str, Any]:
        row, numbers = step.row, step.numbers
        return {
            "key": printable(row.key, 120),
            "slug": self.slug[row.key],
            "name": title_of(row),
            "author": author_of(row) or "",
            "mean": number_cell(row.mean, ".5f"),
            "std": number_cell(row.sample_std, ".5f") if row.sample_std is not None else "",
            "runs": runs_words(row),
            "gain": number_cell(numbers.gain.bpb if numbers else None, "+.5f"),
            "p": any_gain_cell(numbers),
            "p_margin": margin_cell(numbers),
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
            "key": printable(best.key, 120),
            "mean": number_cell(best.mean, ".5f"),
            "std": number_cell(best.sample_std, ".5f") if best.sample_std is not None else "",
            "runs": runs_words(best),
            "author": author_of(best) or "an unnamed author",
            "slug": self.slug[best.key],
            "name": shown_name(best),
        }

    def rows_against(self, rule: str) -> list[dict[str, str]]:
        """Rows that fail the rule or that it asks about, the newest first."""
        found = dict(self.reports.against.get(rule, ()))
        return [
            {
                "slug": self.slug[step.row.key],
                "key": printable(step.row.key, 120),
                "name": title_of(step.row),
                "verdict": found[step.row.key],
            }
            for step in reversed(self.steps)
            if step.row.key in found
        ]
