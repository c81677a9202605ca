"""Named edits: how a script becomes its illegal twin, and what the audit is expected to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Expected(StrEnum):
    """What a rule should say."""

    VIOLATION = "violation"
    SUSPECT = "suspect"
    CLEAN = "clean"
    UNRESOLVED = "unresolved"  # the code alone cannot tell: not checked, with the reason and its line


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

    `breach` is a reason code of rules/reason_codes.toml (any of its rules may speak) or a rule id. `shows`:
    text that occurs once in the edited script; its first line must be among the places of the finding. It is
    empty where no line is demanded. `command` is how the README says it is run.
    """

    name: str  # reads as a claim: "adapts-on-everything-then-scores"
    base: str
    edits: tuple[Edit, ...]
    breach: str
    expected: Expected = Expected.VIOLATION
    shows: str = ""
    command: str = ""
    ignores: tuple[str, ...] = ()  # rules whose accusations are about something else

    def text(self, bases: dict[str, str]) -> str:
        """The edited script."""
        text = bases[self.base]
        for edit in self.edits:
            text = edit.apply(text)
        return text

    def shown_line(self, text: str) -> int:
        """The 1-based line of the edited script where `shows` begins."""
        if (count := text.count(self.shows)) != 1:
            raise StaleEditError(f"{count} places hold {self.shows!r}")
        return text[: text.index(self.shows)].count("\n") + 1
