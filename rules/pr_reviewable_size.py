"""pr-reviewable-size: the pull request is small enough to review.

What it checks
    How many lines other than logs the pull request adds.
Why it matters
    207,000 added lines were once asked to be reviewed; nobody can find a changed rule in them.
What is allowed instead
    README, script, submission.json and the logs of three seeds.
How it is detected
    Added lines of every changed path that is no log, against 20,000 (no number was given by staff).
What it cannot see
    Binary files and files too large for the line count; a plain folder has no difference to count.
Rulings
    Staff, 2026-03-28 (A2), on a pull request of more than 207,000 lines; #1120, 2026-04-29 (A2).
Example
    61,204 added lines besides logs in 212 paths, over the 20,000 a reviewer can read; leave out what the
    submission does not need
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import not_checked, passed, warned
from harness.finding import Place
from harness.logs.reader import looks_like_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "pr-reviewable-size"


def check(case: Case) -> Iterator[Finding]:
    """One finding on the number of added lines."""
    changes = case.submission.changes
    if changes is None:
        yield not_checked(RULE, "a plain folder: give --repo and --pr to see what the pull request adds")
        return
    limit = case.limits.integer("package.reviewable_lines")
    read = [change for change in changes.changes if not looks_like_log(change.path)]
    added = sum(change.added_lines or 0 for change in read)
    if added > limit:
        largest = max(read, key=lambda change: change.added_lines or 0)
        yield warned(
            RULE,
            f"{added:,} added lines besides logs in {len(read):,} paths, over the {limit:,} a reviewer can "
            "read; leave out what the submission does not need",
            Place(file=largest.path, note=f"{largest.added_lines or 0:,} lines"),
        )
        return
    yield passed(RULE, f"{added:,} added lines besides logs in {len(read):,} paths")
