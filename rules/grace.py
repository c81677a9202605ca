"""grace: results or fixes added after the cutoff count only if idea and code were in before it.

What it checks
    Whether the judged state of a pull request is newer than the cutoff.
Why it matters
    A late log of an idea that was in on time may count; a new idea pushed into an old pull request may not.
What is allowed instead
    Later logs and narrow compliance fixes (timing reserve, a mask, an expert switched off) of code that was
    pushed before 2026-05-02T00:00:00Z.
How it is detected
    The head commit's own date is at or after the cutoff. The added files are listed; who judges compares the
    code with the last commit before the cutoff.
What it cannot see
    Push times: commit dates can be set at will, so an earlier date is weak evidence. Which files changed
    after the cutoff, when the history was rewritten. Merged folders carry the date of the merge and are left
    alone.
Rulings
    #2146, 2026-05-02 (A2). #2135 (A2): scored after the cutoff, got its row. #2140 (A2): narrow fix, fine.
Example
    the judged commit is dated 2026-05-02T04:10:00+00:00, after the cutoff of 2026-05-02T00:00:00+00:00; it
    adds README.md, submission.json, train_gpt.py, train_seed42.log and 2 more
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_applicable, not_checked, passed
from harness.finding import Confidence, Place
from harness.wording import listed
from rules.cutoff import in_utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import Submission

RULE = "grace"


def _added(submission: Submission) -> str:
    changes = submission.changes.changes if submission.changes is not None else ()
    return listed(sorted(change.path.rsplit("/", 1)[-1] for change in changes), 4)


def check(case: Case) -> Iterator[Finding]:
    """Date of the judged commit against the cutoff."""
    submission = case.submission
    origin = submission.origin
    cutoff = in_utc(case.limits.get("challenge.cutoff"))
    if origin.source != "git" or submission.changes is None:
        yield not_applicable(RULE, "not a state of an open pull request")
        return
    if origin.commit_date is None:
        yield not_checked(RULE, "the judged commit has no date")
        return
    dated = in_utc(origin.commit_date)
    if dated < cutoff:
        yield passed(
            RULE,
            f"the judged commit is dated {dated.isoformat()}, before the cutoff (its author set that date)",
            confidence=Confidence.LOW,
        )
        return
    yield needs_human(
        RULE,
        f"the judged commit is dated {dated.isoformat()}, after the cutoff of {cutoff.isoformat()}; it adds "
        f"{_added(submission)}",
        Place(file=origin.entry, note=f"commit {(origin.commit or '')[:9]}"),
        ask="Were idea and code in before the cutoff, with only logs or a narrow fix added after it?",
    )
