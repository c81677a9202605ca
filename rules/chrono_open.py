"""chrono-open: the score beats every row accepted from an earlier pull request.

What it checks
    The mean over seeds against the best row of a pull request with a smaller number.
Why it matters
    Rows are given in order of creation, because a later pull request can read the earlier ones.
What is allowed instead
    Filing as non-record; a run that misses the record may become one.
How it is detected
    The record to beat is the best row of the leaderboard table whose pull request has a smaller number, or
    the one named with --reference. The submission's logged scores are compared by mean.
What it cannot see
    The day on which a row was accepted: the table is taken as it stands now, so a row that was still under
    review when this one was judged counts too. Code or score edits after creation are chrono-evidence's
    matter (D23). Novelty: staff kept rows behind the record (#640), so in practice a person decides.
Rulings
    README 535352463, 2026-03-19 (A1): order of creation. #1148, 2026-04-26 (A3): taken off the table, behind
    #1019. #2140, 2026-05-02 (A2): fine, but #2135 is lower. #42, #77, #640 (A3): rows all the same.
Example
    behind #1019: mean 1.11790 of 3 logged scores 1.11750, 1.11790, 1.11830, against #1019 with mean 1.11474
    of 3 scores: 0.00316 BPB higher ...
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.case import failed, not_checked, passed
from harness.evidence.record_comparison import compare_with_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "chrono-open"


def check(case: Case) -> Iterator[Finding]:
    """Own mean against the frontier of earlier pull requests."""
    found = compare_with_record(case)
    if isinstance(found, str):
        yield not_checked(RULE, found)
        return
    text = f"{found.sides()}: {found.gain()} ({found.reference.source})"
    if found.numbers.gain.bpb <= 0:
        finding = failed(
            RULE,
            f"behind {found.reference.name}: {text}. It can be filed as non-record.",
            *found.places(),
        )
        # The question is kept when the practice profile lowers the finding to a person's decision.
        ask = "Does it deserve a row for another reason (novelty, or results older than that row)?"
        yield dataclasses.replace(finding, ask=ask)
    elif not found.sample.proven:
        yield not_checked(RULE, f"ahead of {found.reference.name} by claims only: {text}", *found.places())
    else:
        yield passed(RULE, f"ahead of {found.reference.name}: {text}", *found.places())
