"""Whether a log ends with a score: the line a submission is claimed from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# `val_bpb:1.2345`, `final bpb = 1.2`, `bits per byte 1.1`: a finite number after the name of the score.
_SCORE = re.compile(r"(?i)(?:bpb|bits[ _-]per[ _-]byte)\w*\W{0,6}(?:of|is|at)?\W{0,3}(\d+\.\d+)")


def score_lines(lines: Sequence[str]) -> list[tuple[int, float]]:
    """Number of the line and the score, for each line that prints one; the first of a line counts."""
    found = []
    for number, line in enumerate(lines):
        match = _SCORE.search(line[:2_000])
        if match is not None:
            found.append((number, float(match[1])))
    return found


def has_score(lines: Sequence[str]) -> bool:
    """Whether any line prints a score."""
    return bool(score_lines(lines))
