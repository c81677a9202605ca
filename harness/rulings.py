"""Dated precedents of the challenge, read from `rulings.toml` of a rules folder."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Outcome(StrEnum):
    """What came of it; TEXT is a rule stated without a case."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FLAGGED = "flagged"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One precedent. Exactly one of `pr`, `issue` and `commit` is set.

    `who` is the authority code and the login where known ("A2 cocohearts", "A1 README").
    """

    date: datetime.date
    who: str
    rules: tuple[str, ...]
    outcome: Outcome
    text: str
    pr: int | None = None
    issue: int | None = None
    commit: str | None = None

    @property
    def reference(self) -> str:
        """How people cite it: "#1959", "issue #1017", "d2bd76079"."""
        if self.pr is not None:
            return f"#{self.pr}"
        return f"issue #{self.issue}" if self.issue is not None else str(self.commit)


def _ruling(row: Mapping[str, Any]) -> Ruling:
    named = [key for key in ("pr", "issue", "commit") if key in row]
    if len(named) != 1:
        raise ValueError(f"needs exactly one of pr, issue, commit; has {named or 'none'}")
    if type(row["date"]) is not datetime.date:
        raise ValueError(f"date must be a plain date, not {row['date']!r}")
    return Ruling(
        date=row["date"],
        who=str(row["who"]),
        rules=tuple(str(rule) for rule in row["rules"]),
        outcome=Outcome(row["outcome"]),
        text=str(row["text"]),
        pr=row.get("pr"),
        issue=row.get("issue"),
        commit=row.get("commit"),
    )


def load_rulings(directory: Path) -> tuple[Ruling, ...]:
    """The precedents of a rules folder, oldest first; none when it has no rulings.toml.

    Raises `SetupError` when the file is malformed, naming the entry.
    """
    path = directory / "rulings.toml"
    if not path.exists():
        return ()
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("ruling", [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read as TOML: {error}") from error
    rulings = []
    for number, row in enumerate(rows, start=1):
        try:
            rulings.append(_ruling(row))
        except (KeyError, ValueError, TypeError) as error:
            raise SetupError(f"{path}: ruling {number}: bad or missing field: {error}") from error
    return tuple(sorted(rulings, key=lambda ruling: ruling.date))


def list_rulings(directory: Path) -> str:
    """The precedents as text, one a line: date, reference, who, outcome, rules, sentence."""
    rulings = load_rulings(directory)
    if not rulings:
        return f"no rulings are recorded in {directory}\n"
    lines = [
        f"{ruling.date}  {ruling.reference:<12} {ruling.who:<18} {ruling.outcome:<9} "
        f"{', '.join(ruling.rules)}: {ruling.text}"
        for ruling in rulings
    ]
    return "\n".join(lines) + "\n"
