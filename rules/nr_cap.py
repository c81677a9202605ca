"""nr-cap: non-record submissions keep to 16,000,000 bytes too.

What it checks
    The largest total of a non-record or unlimited-compute submission against the cap.
Why it matters
    The boards compare models of one size; only compute is free there.
What is allowed instead
    A larger model as a documented exception: one was merged.
How it is detected
    The totals of artifact-cap, which holds the numbers of each seed.
What it cannot see
    The model file itself.
Rulings
    README non-record section, a15093ada, 2026-03-18 (A1). #542, merged 2026-05-02 (A3) with 16,638,468 bytes.
Example
    16,638,468 bytes, 638,468 over the cap of 16,000,000; #542 was merged over it, so this is a warning
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import not_checked, passed, warned
from harness.evidence.byte_count import count_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "nr-cap"


def check(case: Case) -> Iterator[Finding]:
    """One finding on the largest stated total."""
    cap = case.limits.integer("artifact.cap_bytes")
    totals = [total for seed in count_bytes(case) for total in seed.stated]
    if case.submission.json.total_bytes is not None:
        totals.append(case.submission.json.total_bytes)
    if not totals:
        yield not_checked(RULE, "neither the logs nor submission.json state a total")
        return
    worst = max(totals, key=lambda total: total.value)
    if worst.value > cap:
        yield warned(
            RULE,
            f"{worst.value:,} bytes, {worst.value - cap:,} over the cap of {cap:,}; #542 was merged over "
            "it, so this is a warning",
            worst.place("largest stated total"),
        )
        return
    yield passed(RULE, f"at most {worst.value:,} of {cap:,} bytes", worst.place("largest stated total"))
