"""nr-unlimited: compute beyond ten minutes is stated in the README.

What it checks
    Whether a submission that trained longer than the record cap, or asks for the unlimited board, says so.
Why it matters
    A reader compares scores; four hours of training are not comparable with ten minutes.
What is allowed instead
    Any amount of compute, stated: "4 hours on 8xH100".
How it is detected
    The longest training time in the logs or submission.json, and words about time or compute in the README.
What it cannot see
    Compute that neither a log nor submission.json shows.
Rulings
    README non-record section, a15093ada, 2026-03-18 (A1); the board's name since 9f44bc69f, 2026-03-25 (A1).
    The 4-hour baseline and #641 (2 hours) were merged (A3).
Example
    trained for 14,400 s, but README.md names no training time; say how much compute it took
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import not_applicable, passed, warned
from harness.finding import Place
from harness.submission import Track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding, Sourced

RULE = "nr-unlimited"

_COMPUTE = re.compile(
    r"unlimited|\bhours?\b|\b\d+(\.\d+)?\s*h\b|\bminutes?\b|\bmin\b|\b\d[\d,.]*\s*s(ec)?\b"
    r"|wall.?clock|longer",
    re.IGNORECASE,
)


def _longest(case: Case) -> Sourced[float] | None:
    times = [
        time
        for log in case.submission.logs
        for run in log.runs
        if (time := run.stop.train_seconds if run.stop else run.last_train_seconds) is not None
    ]
    if case.submission.json.train_seconds is not None:
        times.append(case.submission.json.train_seconds)
    return max(times, key=lambda time: time.value, default=None)


def check(case: Case) -> Iterator[Finding]:
    """One finding on whether the README names the compute."""
    submission = case.submission
    longest = _longest(case)
    cap = case.limits.number("time.fail_above_seconds")
    long = longest is not None and longest.value > cap
    if not long and submission.track is not Track.UNLIMITED:
        yield not_applicable(RULE, "no run longer than the record cap")
        return
    took = f"trained for {longest.value:,.0f} s" if longest else "asks for the unlimited board"
    places = [longest.place("training time")] if longest else []
    readme = submission.readme
    if readme is None or not (word := _COMPUTE.search(readme.text)):
        name = readme.path if readme else "README.md"
        yield warned(
            RULE,
            f"{took}, but {name} names no training time; say how much compute it took",
            *places,
        )
        return
    line = readme.text.count("\n", 0, word.start()) + 1
    yield passed(RULE, f"{took}; the README speaks of {word.group(0)!r}", Place(file=readme.path, line=line))
