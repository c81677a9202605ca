"""What one probe of a scorer came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome(StrEnum):
    """Only `CLEAN` says something good, and only about what the probe looked at."""

    CLEAN = "clean"
    BREACH = "breach"
    NO_POWER = "no-power"
    """It ran, and would not have seen a breach either."""
    NOT_REPRODUCIBLE = "not-reproducible"
    """The same call gave other numbers: differences mean nothing."""
    NOT_RUN = "not-run"
    """Something it needs was not offered, or the scorer failed."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe. `condition` is the rule a breach breaks, such as c1-causal."""

    probe: str
    condition: str
    outcome: Outcome
    sentence: str
    """What was done, seen and compared with what, with numbers."""
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line: outcome, probe, sentence."""
        return f"{self.outcome.value:<16} {self.probe:<22} {self.sentence}"
