"""submission-json: submission.json is valid JSON with name, GitHub id, val_bpb and metadata.

What it checks
    That the file can be read, states one score as val_bpb, and names its author.
Why it matters
    The leaderboard is made from this file; a score that is missing or under another name is no claim.
What is allowed instead
    Any further fields. There is no fixed schema, so odd spellings are read and reported, not refused.
How it is detected
    A lenient reader that keeps the line of every value. No score anywhere, or a null val_bpb, fails; a score
    under another key, scores of seeds without their mean, a missing author or id, and every other defect of
    the file is a warning.
What it cannot see
    Whether the numbers are true; the rules about logs compare them.
Rulings
    README submission process, a15093ada, 2026-03-18 (A1): name, GitHub id, val_bpb and metadata.
    #180, merged (A3), keeps its score under val_loss; #1388, merged as non-record (A3), has no file.
Example
    submission.json states no val_bpb: it is null at submission.json:9, so no score is claimed. Add the
    mean over the seeds as a number
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from harness.case import failed, not_checked, noted, passed, warned
from harness.finding import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import SubmissionJson

RULE = "submission-json"

# Problems that change nothing about what was read.
_HARMLESS = {"bom", "number-as-text", "encoding"}
_FIELDS = ("author", "github_id", "name", "date")


def _without_score(json: SubmissionJson) -> Finding:
    null = next((problem for problem in json.problems if problem.kind == "null-headline"), None)
    why = f"it is null at {json.path}:{null.line}" if null else "no key holds a score in bits per byte"
    scores = [claim.val_bpb.value for claim in json.per_seed if claim.val_bpb is not None]
    if scores and null is None:
        return warned(
            RULE,
            f"{json.path} has the scores of {len(scores)} seeds but no val_bpb; write their mean, "
            f"{fmean(scores):.8f}, as val_bpb",
            Place(file=json.path),
        )
    unread = next((problem for problem in json.problems if problem.kind == "unreadable"), None)
    if unread is not None:
        return not_checked(
            RULE,
            f"{json.path} is there, but {unread.message}: fetch it into the clone, or make it readable",
            Place(file=json.path),
        )
    if not json.parsed:
        first = next((problem.message for problem in json.problems), "it is not a JSON object")
        why = f"the file cannot be read ({first})"
    return failed(
        RULE,
        f"{json.path} states no val_bpb: {why}, so no score is claimed. Add the mean over the seeds as a "
        "number",
        Place(file=json.path, line=null.line if null else None),
    )


def _defects(json: SubmissionJson) -> Iterator[Finding]:
    for problem in json.problems:
        if problem.kind in {"null-headline", "unreadable"} and json.headline is None:
            continue  # already the reason of the first finding
        tell = noted if problem.kind in _HARMLESS else warned
        yield tell(
            RULE,
            f"{json.path}: {problem.message}",
            Place(file=json.path, line=problem.line, note=problem.kind),
        )


def _missing_fields(json: SubmissionJson) -> Iterator[Finding]:
    missing = [field for field in _FIELDS if getattr(json, field) is None]
    if json.total_bytes is None and not any(claim.total_bytes for claim in json.per_seed):
        missing.append("bytes_total")
    if missing:
        yield warned(
            RULE,
            f"{json.path} has no {', '.join(missing)}; the baseline's file shows the fields",
            Place(file=json.path),
        )


def check(case: Case) -> Iterator[Finding]:
    """One finding for the score, one for each defect of the file, one for all missing fields."""
    json = case.submission.json
    if not json.present:
        yield not_checked(RULE, "there is no submission.json; pr-required-files says what that means")
        return
    if json.headline is None:
        yield _without_score(json)
    elif json.headline_key not in {"val_bpb", "val_loss"}:
        yield warned(
            RULE,
            f"the score {json.headline.value:.8g} stands under {json.headline_key!r}; write it as val_bpb",
            json.headline.place("score under another key"),
        )
    rest = [*_defects(json), *(_missing_fields(json) if json.parsed else ())]
    yield from rest
    if json.headline is not None and not rest:
        yield passed(
            RULE,
            f"val_bpb {json.headline.value:.8g} by {json.author.value if json.author else '?'}",
            json.headline.place("claimed score"),
        )
