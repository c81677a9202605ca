"""Named edits: how a script becomes its illegal twin, and what the audit is expected to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Expected(StrEnum):
    """What a rule should say."""

    VIOLATION = "violation"
    SUSPECT = "suspect"
    CLEAN = "clean"


class StaleEditError(AssertionError):
    """An edit whose text is no longer in the script exactly once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement; `old` must occur exactly once."""

    old: str
    new: str

    def apply(self, text: str) -> str:
        """The script with the edit made. Raises StaleEditError when it does not fit the script."""
        if (count := text.count(self.old)) != 1:
            raise StaleEditError(f"{count} places hold {self.old!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A script made from another by edits.

    `rules`: any of them may speak (the first is the most fitting). `shows`: text of the one line that must be
    among the places of the finding; for a clean twin it is empty. `missed` says why the audit cannot see it
    today: then the expectation is asserted to fail.
    """

    name: str  # reads as a claim: "adapts-on-everything-then-scores"
    base: str
    edits: tuple[Edit, ...]
    rules: tuple[str, ...]
    expected: Expected = Expected.VIOLATION
    shows: str = ""
    missed: str = ""

    def text(self, bases: dict[str, str]) -> str:
        """The edited script."""
        text = bases[self.base]
        for edit in self.edits:
            text = edit.apply(text)
        return text

    def shown_line(self, text: str) -> int:
        """The 1-based line of the edited script that holds `shows`, which must be one line only."""
        lines = [number for number, line in enumerate(text.split("\n"), 1) if self.shows in line]
        if len(lines) != 1:
            raise StaleEditError(f"{len(lines)} lines hold {self.shows!r}")
        return lines[0]
