"""sig-waiver-systems: a pure systems speed-up needs no margin over the record.

What it checks
    Whether the submission asks for the waiver of the 0.005-nat margin: its title, name, blurb or README says
    that only systems work changed.
Why it matters
    Faster kernels make room for more steps without any change of the model; the README frees them from the
    margin, and a machine-learning change must not travel under that flag.
What is allowed instead
    Submitting as an ordinary record with the margin and its significance.
How it is detected
    Sentences such as "systems-only" or "pure systems optimisation", outside negations. A hit asks a person to
    compare the code with the base submission.
What it cannot see
    Whether the claim is true: the differences in model, optimizer and data must be empty, and that needs the
    base submission and a reader.
Rulings
    README a15093ada, 2026-03-18 (A1).
Example
    README.md:5 asks for the systems waiver ("systems-only"): the 0.005-nat margin falls away only if
    model, optimizer and data are those of the base submission
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import needs_human, not_applicable
from harness.finding import Place, Sourced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import Submission

RULE = "sig-waiver-systems"

_CLAIM = re.compile(
    r"\bsystems?[- ]only\b|\b(?:pure(?:ly)?|only)\s+(?:a\s+)?systems?[- ](?:level\s+)?"
    r"(?:optimi[sz]ations?|speed-?ups?|improvements?|changes?|submission|record)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:not|isn't|is no|rather than)\b[^.]{0,40}$", re.IGNORECASE)
_EXCERPT_CHARACTERS = 120


def _lines(submission: Submission) -> Iterator[Sourced[str]]:
    if submission.origin.title:
        yield Sourced(submission.origin.title, "pull request title")
    if submission.json.name is not None:
        yield submission.json.name
    blurb = submission.json.raw.get("blurb")
    if isinstance(blurb, str):
        yield Sourced(blurb, submission.json.path)
    if submission.readme is not None:
        for number, line in enumerate(submission.readme.text.splitlines(), start=1):
            yield Sourced(line, submission.readme.path, number)


def check(case: Case) -> Iterator[Finding]:
    """Ask for a reader when the waiver is claimed."""
    for line in _lines(case.submission):
        claim = _CLAIM.search(line.value)
        if claim is None or _NEGATED.search(line.value[: claim.start()]):
            continue
        excerpt = line.value.strip()[:_EXCERPT_CHARACTERS]
        place = Place(file=line.file, line=line.line, note="claims systems work only", excerpt=excerpt)
        where = f"{line.file}:{line.line}" if line.line else line.file
        yield needs_human(
            RULE,
            f'{where} asks for the systems waiver ("{claim[0]}"): the 0.005-nat margin falls away only if '
            f"model, optimizer and data are those of the base submission",
            place,
            ask="Are model, optimizer and data unchanged against the submission it is based on?",
        )
        return
    yield not_applicable(RULE, "does not claim to be systems work only")
