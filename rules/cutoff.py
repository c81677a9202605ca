"""cutoff: the pull request was opened before 2026-05-02T00:00:00Z.

What it checks
    The creation time of the pull request against the cutoff that the final audit applied.
Why it matters
    The record board closed; what came later was not compared with it.
What is allowed instead
    Filing as non-record. Results added after the cutoff to an earlier pull request are grace's matter.
How it is detected
    `created_at` from the metadata of the pull request. The README names 2026-04-30, the audit notes judged
    the state before 2026-05-02T00:00:00Z (D24); 84 pull requests were opened on 05-01.
What it cannot see
    The creation time in a plain clone or folder: commit dates can be set at will and prove nothing. Give
    --pr-metadata for it.
Rulings
    #2146, 2026-05-02 (A2): the cutoff and its grace. README a15093ada (A1): end date 2026-04-30.
Example
    opened 2026-05-02T07:12:00+00:00, after the cutoff of 2026-05-02T00:00:00+00:00: no record row; it can
    be filed as non-record
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from harness.case import failed, not_checked, noted, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "cutoff"


def in_utc(moment: datetime.datetime) -> datetime.datetime:
    """The same moment in UTC; a time without zone is taken as UTC."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC)


def check(case: Case) -> Iterator[Finding]:
    """Creation time against the cutoff."""
    created = case.submission.origin.created_at
    cutoff = in_utc(case.limits.get("challenge.cutoff"))
    if created is None:
        yield not_checked(RULE, "when the pull request was opened is unknown; give --pr-metadata")
        return
    opened = in_utc(created)
    if opened >= cutoff:
        yield failed(
            RULE,
            f"opened {opened.isoformat()}, after the cutoff of {cutoff.isoformat()}: no record row; it can "
            "be filed as non-record",
        )
    elif opened.date() > case.limits.get("challenge.readme_end"):
        yield noted(
            RULE,
            f"opened {opened.isoformat()}, before the cutoff of {cutoff.isoformat()} but after the README's "
            f"end date {case.limits.get('challenge.readme_end')}",
        )
    else:
        yield passed(RULE, f"opened {opened.isoformat()}, before the cutoff of {cutoff.isoformat()}")
