"""chrono-evidence: a pull request holds its place only for results it had when it was opened.

What it checks
    Whether the logs of the counted runs are older than the pull request that claims them.
Why it matters
    Rows are given in order of creation. A place taken early and filled with results later would jump over
    those who had theirs first.
What is allowed instead
    A new pull request for new results. Narrow compliance fixes that do not better the score keep the place
    (#1529, #1868).
How it is detected
    Dates printed in the counted logs (launcher stamps, nvidia-smi, ISO stamps) against the creation time;
    more than one day later asks a person. In 33 datable accepted rows none is.
What it cannot see
    Logs without a date (a third), a wrong clock, and edits between creation and the last push: push times are
    not in a clone. Without --pr-metadata the creation time is unknown.
Rulings
    #63, 2026-03-19 (A2): changed contents need a new pull request. #569, 2026-03-25 (A2): handing in again
    takes a new date. #1902, 2026-04-29 (A2): #1529 kept its place after a correction.
Example
    train_seed42.log:3 is dated 2026-04-20, 9 days after the pull request was opened (2026-04-11): its place
    in the order is that of the results
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, passed
from harness.evidence.log_dates import run_date
from harness.evidence.seed_scores import proven_seeds
from rules.cutoff import in_utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding, Sourced

RULE = "chrono-evidence"

_SLACK = datetime.timedelta(days=1)  # log clocks run in local time; creation is in UTC


def dated_runs(case: Case, year: int) -> list[Sourced[datetime.date]]:
    """The dates of the counted runs that print one; a stamp without a year is put into `year`."""
    dates = []
    for seed in proven_seeds(case.evidence):
        found = run_date(seed.run, year) if seed.run is not None else None
        if found is not None:
            dates.append(found)
    return dates


def check(case: Case) -> Iterator[Finding]:
    """Dates of the counted logs against the creation of the pull request."""
    created = case.submission.origin.created_at
    if created is None:
        yield not_checked(RULE, "when the pull request was opened is unknown; give --pr-metadata")
        return
    opened = in_utc(created).date()
    dates = dated_runs(case, opened.year)
    if not dates:
        yield not_checked(RULE, "no counted log prints a date")
        return
    late = [date for date in dates if date.value > opened + _SLACK]
    if not late:
        newest = max(dates, key=lambda date: date.value)
        yield passed(
            RULE,
            f"counted logs are dated up to {newest.value}, opened {opened}",
            newest.place("date of the run"),
        )
        return
    worst = max(late, key=lambda date: date.value)
    yield needs_human(
        RULE,
        f"{worst.file}:{worst.line} is dated {worst.value}, {(worst.value - opened).days} days after the "
        f"pull request was opened ({opened}): its place in the order is that of the results",
        *(date.place("date of the run") for date in [worst]),
        ask="Was the claimed score already in the pull request when it was opened?",
    )
