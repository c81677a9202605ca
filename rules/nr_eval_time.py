"""nr-eval-time: no evaluation cap is stated for non-record submissions; long ones are reported.

What it checks
    The time of the counted evaluation of each seed against the record track's cap.
Why it matters
    Nobody ruled on it, so a reader should at least see the number.
What is allowed instead
    Anything, as far as the rules say.
How it is detected
    The seconds printed with the counted pass, or the printed total evaluation time.
What it cannot see
    Time that no line prints.
Rulings
    Asked in #915 (A6), not answered.
Example
    seed 1337: 1,204 s of evaluation, 604 s over the record track's 600 s; no cap is stated for this board
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import not_checked, noted, passed
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "nr-eval-time"


def check(case: Case) -> Iterator[Finding]:
    """One remark for each long evaluation, one pass for the rest."""
    cap = case.limits.number("time.eval_cap_seconds")
    times = []
    for each in case.evidence.seeds:
        seconds = each.counted.seconds if each.counted else None
        if seconds is None and each.run is not None:
            seconds = each.run.total_eval_seconds
        if seconds is not None:
            times.append((each.seed, seconds))
    if not times:
        yield not_checked(RULE, "no log prints how long the counted evaluation took")
        return
    for seed, seconds in times:
        if seconds.value > cap:
            yield noted(
                RULE,
                f"{seed_label(seed)}: {seconds.value:,.0f} s of evaluation, {seconds.value - cap:,.0f} s "
                f"over the record track's {cap:,.0f} s; no cap is stated for this board",
                seconds.place("evaluation time"),
            )
    longest = max(seconds.value for _, seconds in times)
    if longest <= cap:
        yield passed(RULE, f"at most {longest:,.1f} s of evaluation")
