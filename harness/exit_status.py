"""Exit statuses of golf-check, and which one a set of verdicts gives."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from harness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence


class Exit(IntEnum):
    """Documented in --help; scripts rely on them."""

    OK = 0
    FAIL = 1
    USAGE = 2
    REVIEW = 3
    NOT_CHECKED = 4
    BUG = 70
    INTERRUPTED = 130


def exit_status(verdicts: Sequence[Verdict], *, has_bug: bool, fails: bool, zero_on_review: bool) -> Exit:
    """The status of one or more verdicts: the gravest wins.

    `fails` False (a batch) keeps a rejected submission from making the run fail: its result is in the output.
    A crashed check (our bug) weighs more than anything but a rejection, which stands without it.
    """
    seen = set(verdicts)
    if fails and Verdict.REJECT in seen:
        return Exit.FAIL
    if has_bug:
        return Exit.BUG
    if not fails:
        return Exit.NOT_CHECKED if seen <= {Verdict.COULD_NOT_CHECK} else Exit.OK
    if Verdict.COULD_NOT_CHECK in seen:
        return Exit.NOT_CHECKED
    if seen & {Verdict.NEEDS_HUMAN, Verdict.INCOMPLETE} and not zero_on_review:
        return Exit.REVIEW
    return Exit.OK
