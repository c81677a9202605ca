"""What a verification of data found: findings with their weight, and the counts of each split."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Weight(Enum):
    """What a finding means for the user of the data."""

    WRONG = "wrong"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFinding:
    """One observation about a file of the folder, with its numbers."""

    weight: Weight
    file: str
    message: str


@dataclass(slots=True, kw_only=True)
class SplitFacts:
    """What was counted in one split."""

    shards: int = 0
    documents: int = 0
    tokens: int = 0
    utf8_bytes: int | None = 0  # None: not countable (no tokenizer, or ids outside it)
    largest_id: int = -1


@dataclass(slots=True, kw_only=True)
class Verification:
    """Findings and counts of a folder."""

    findings: list[DataFinding] = field(default_factory=list)
    splits: dict[str, SplitFacts] = field(default_factory=dict)

    @property
    def is_wrong(self) -> bool:
        """Whether anything contradicts what the folder claims."""
        return any(finding.weight is Weight.WRONG for finding in self.findings)

    def wrong(self, file: str, message: str) -> None:
        """Record a contradiction."""
        self.findings.append(DataFinding(weight=Weight.WRONG, file=file, message=message))

    def note(self, file: str, message: str) -> None:
        """Record something worth knowing."""
        self.findings.append(DataFinding(weight=Weight.NOTE, file=file, message=message))
