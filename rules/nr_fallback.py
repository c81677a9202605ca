"""nr-fallback: a valid run that misses the standing record can become a non-record submission.

What it checks
    Whether the mean of the counted scores is below the record to beat.
Why it matters
    A run that is valid but late or slightly worse is not lost: it has a board.
What is allowed instead
    Move the folder to records/track_non_record_16mb and say so in the title.
How it is detected
    The mean of the counted scores against the mean of the reference; the significance rules say by how much
    it must be lower.
What it cannot see
    Which record was standing, when no reference is given and no clone shows it.
Rulings
    README 535352463, 2026-03-19 (A1). #569, 2026-03-25 (A2).
Example
    the mean 1.12250000 is not below the record to beat, 1.11938000 (#549); a valid run can be filed as
    non-record
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from harness.case import not_applicable, not_checked, noted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "nr-fallback"


def check(case: Case) -> Iterator[Finding]:
    """One remark when the record is missed."""
    scores = [score.value for score in case.evidence.counted_scores]
    if not scores or case.reference is None or not case.reference.scores:
        missing = "no counted score" if not scores else "no record to compare with"
        yield not_checked(RULE, f"{missing}: whether it misses the record is not known")
        return
    mean, best = fmean(scores), fmean(case.reference.scores)
    if mean < best:
        yield not_applicable(RULE, f"the mean {mean:.8f} is below the record to beat, {best:.8f}")
        return
    yield noted(
        RULE,
        f"the mean {mean:.8f} is not below the record to beat, {best:.8f} ({case.reference.name}); a valid "
        "run can be filed as non-record",
        case.evidence.counted_scores[0].place("first counted score"),
    )
