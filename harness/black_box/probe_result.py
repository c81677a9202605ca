"""What one probe of a scorer came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.probe_outcome import Outcome


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
