"""What a rule saw: a verdict, how sure it is, the places a reviewer can open, and who ruled it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class RuleVerdict(StrEnum):
    """What one rule says about one submission (rule catalogue, section 8)."""

    PASS = "PASS"
    FAIL = "FAIL"
    WARN = "WARN"
    NEEDS_HUMAN = "NEEDS-HUMAN"
    NOT_CHECKED = "NOT-CHECKED"
    INFO = "INFO"
    NOT_APPLICABLE = "NOT-APPLICABLE"


class Confidence(StrEnum):
    """How sure the rule is that its message is true of this submission."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Role(StrEnum):
    """The primary place is where a reviewer looks first; a finding has at most one."""

    PRIMARY = "primary"
    RELATED = "related"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A spot a reviewer can open.

    `file` is relative to the submission folder (or to the repository root for files outside it).
    `line` is 1-based, None for an absence or a whole-file fact. `unpacked` says that the line counts
    in the script after its self-extracting wrapper was undone. `excerpt` is the source line itself.
    `from_root` says that `file` counts from the repository root, for a path outside the submission folder.
    `is_step` says that it is a line of code which shows with the finding's other steps, in their order, what
    the program does.
    """

    file: str
    line: int | None = None
    end_line: int | None = None
    unpacked: bool = False
    role: Role = Role.PRIMARY
    note: str = ""
    excerpt: str | None = None
    from_root: bool = False
    is_step: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement of one rule.

    PASS findings carry what was seen ("3 seeds, at most 15,996,842 bytes"): a rule that yields nothing
    has seen nothing and is NOT-CHECKED. `ask` is one yes/no question, required for NEEDS-HUMAN.
    `authority` is filled in by the engine from the catalogue when a rule leaves it empty.
    """

    rule: str
    verdict: RuleVerdict
    message: str
    confidence: Confidence = Confidence.HIGH
    ask: str | None = None
    places: tuple[Place, ...] = ()
    authority: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """A value together with the place it was read from."""

    value: T
    file: str
    line: int | None = None
    excerpt: str | None = None

    def place(self, note: str = "", role: Role = Role.PRIMARY) -> Place:
        """The place of this value, with a phrase that says what it is."""
        return Place(file=self.file, line=self.line, role=role, note=note, excerpt=self.excerpt)

    def with_value(self, value: U) -> Sourced[U]:
        """Another reading of the same place (a unit conversion, a parsed number)."""
        return Sourced(value, self.file, self.line, self.excerpt)
