"""A script made from one of `mutant_bases` by edits, and the condition that it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.programs.dynamic.mutant_bases import BASES

if TYPE_CHECKING:
    from tests.programs.edits import Edit

LEGAL = ""
C1, C2, C3, C4 = "c1-causal", "c2-normalized", "c3-score-before-update", "c4-single-pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A base with edits. `breaks` is the condition that it breaks, `LEGAL` where it is none."""

    name: str
    base: str
    edits: tuple[Edit, ...]
    breaks: str = LEGAL

    def source(self) -> str:
        """The edited script."""
        text = BASES[self.base]
        for edit in self.edits:
            text = edit.apply(text)
        return text
