"""pr-ready: the pull request is finished: no draft, no placeholders.

What it checks
    Whether the title or state says draft or work in progress, and whether fields still hold placeholders.
Why it matters
    Reviewers read every open pull request; chronology counts from what was in it, not from when it opened.
What is allowed instead
    Open it as a draft while runs are missing, and mark it ready when everything is in.
How it is detected
    Words in the title, the draft state where it is known, and placeholder values (TBD, YOUR_GITHUB_ID,
    pending) in submission.json.
What it cannot see
    Title and state of a pull request when only the clone is given.
Rulings
    #63, 2026-03-19 (A2): mark unfinished work as such. Staff, 2026-03-23 (A2): do not open unfinished ones.
Example
    github_id is a placeholder: 'YOUR_GITHUB_ID' (submission.json:3); replace it before review
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import not_checked, noted, passed
from harness.finding import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "pr-ready"

_UNFINISHED = re.compile(
    r"\b(wip|draft|work[ -]in[ -]progress|do not merge|placeholder|pending|tbd)\b", re.IGNORECASE
)


def check(case: Case) -> Iterator[Finding]:
    """One remark for each sign of unfinished work."""
    origin, json = case.submission.origin, case.submission.json
    notes = []
    if origin.draft:
        notes.append(noted(RULE, "the pull request is a draft; mark it ready when every run is in"))
    if origin.title and (word := _UNFINISHED.search(origin.title)):
        notes.append(noted(RULE, f"the title says {word.group(0)!r}: {origin.title}"))
    notes += [
        noted(
            RULE,
            f"{problem.message} ({json.path}:{problem.line}); replace it before review",
            Place(file=json.path, line=problem.line, note="placeholder"),
        )
        for problem in json.problems
        if problem.kind == "placeholder"
    ]
    yield from notes
    if notes:
        return
    if origin.title is None and origin.draft is None and not json.present:
        yield not_checked(RULE, "neither title, state nor submission.json is known")
        return
    known = "title and submission.json" if origin.title else "submission.json"
    yield passed(RULE, f"no sign of unfinished work in {known}")
