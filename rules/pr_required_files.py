"""pr-required-files: README.md, submission.json, a train log and train_gpt.py are in the folder.

What it checks
    Whether the four parts of a submission are there, under their prescribed names or as one clear equivalent,
    and whether there is a log for every seed that is claimed.
Why it matters
    Without the script nothing can be re-run, without the log nothing is evidence, without submission.json
    there is no claim.
What is allowed instead
    Exactly one script with another name (train_gpt_v5.py), or a submission_<name>.json, is a warning.
How it is detected
    The files of the folder. A missing part fails on the record track; on the other boards the catalogue makes
    it a warning (nr-same-form), except in the text profile. A folder with neither script nor submission.json
    nor README makes no claim: a person is asked whether it is a submission at all. So is one who edits the
    root script without a record folder, unless the title claims a score, a record or a submission.
What it cannot see
    Whether the files are any good; other rules read them.
Rulings
    README submission process, a15093ada, 2026-03-18 (A1). #15, 2026-03-19 (A2): no log. #639 and #2013 (A2):
    no folder, no submission.json. #1204 (A2): asked for train_gpt.py, merged after it came.
    #1388 and #1106, merged as non-record (A3), lack submission.json or logs.
Example
    missing: train_gpt.py (there is no script to run); the folder has README.md, submission.json, 3 logs
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.case import failed, needs_human, passed, warned
from harness.evidence.byte_count import is_unclaimed
from harness.finding import Place
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import Submission

RULE = "pr-required-files"

# A title that claims something for the leaderboard; a fix of the root script says none of this.
_CLAIMING_TITLE = re.compile(r"\b(?:records?|submissions?|sota|bpb)\b|\b[01]\.\d{3,8}\b", re.IGNORECASE)


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _inventory(submission: Submission) -> str:
    """What the folder does have, in words."""
    parts = []
    if submission.readme is not None:
        parts.append(submission.readme.path)
    if submission.json.present:
        parts.append(submission.json.path)
    if submission.code.entry is not None:
        parts.append(submission.code.entry.path)
    if submission.logs:
        parts.append(count_of(len(submission.logs), "log"))
    return ", ".join(parts) or "none of the four parts"


def _missing(submission: Submission, usual: list[str]) -> list[str]:
    """The parts that are not there under any name, each with why it is needed."""
    missing = []
    if submission.readme is None:
        missing.append("README.md (nothing explains the method)")
    if not submission.json.present:
        missing.append("submission.json (no score is claimed)")
    if submission.code.entry is None:
        scripts = [problem for problem in submission.code.problems if problem.kind == "ambiguous-entry"]
        why = scripts[0].message if scripts else "there is no script to run"
        missing.append(f"{next((name for name in usual if name.endswith('.py')), 'the script')} ({why})")
    elif not submission.code.entry.shipped_bytes:
        missing.append(f"{submission.code.entry.path} (it is empty: 0 bytes)")
    if not submission.logs:
        missing.append("a train log (nothing proves the score)")
    return missing


def _is_core_change(submission: Submission) -> bool:
    """True for a pull request that edits the root script, adds no record folder and claims no score."""
    origin = submission.origin
    if submission.changes is None or origin.entry:
        return False
    return origin.title is None or not _CLAIMING_TITLE.search(origin.title)


def _renamed(submission: Submission, usual: list[str]) -> Iterator[Finding]:
    entry = submission.code.entry
    if entry is not None and _name(entry.path) not in usual:
        yield warned(
            RULE,
            f"the script is {entry.path} instead of train_gpt.py "
            f"({submission.code.how_chosen or 'the only one'})",
            Place(file=entry.path),
        )
    if submission.json.present and _name(submission.json.path) not in usual:
        yield warned(
            RULE,
            f"the claim is in {submission.json.path} instead of submission.json",
            Place(file=submission.json.path),
        )


def _claimed_seeds(submission: Submission) -> set[int]:
    claims = (*submission.json.per_seed, *submission.readme_claims.per_seed)
    seeds = {claim.seed for claim in claims if claim.seed is not None and claim.val_bpb is not None}
    return seeds | {seed.value for seed in submission.json.seeds}


def _seeds_without_log(case: Case) -> Iterator[Finding]:
    submission = case.submission
    claimed = _claimed_seeds(submission)
    proven = {seed.seed for seed in case.evidence.seeds if seed.run is not None}
    absent = sorted(claimed - proven)
    if submission.logs and absent:
        names = ", ".join(str(seed) for seed in absent[:6])
        yield warned(
            RULE,
            f"no log of seed{'s' if len(absent) > 1 else ''} {names}: {len(claimed) - len(absent)} of "
            f"{count_of(len(claimed), 'claimed seed')} have a run in the logs; add the missing logs",
            Place(file=submission.json.path if submission.json.present else "."),
        )


def check(case: Case) -> Iterator[Finding]:
    """One finding for all missing parts, one for each part with another name, one for missing seed logs."""
    submission = case.submission
    usual = list(case.limits.table("package")["required_files"])
    missing = _missing(submission, usual)
    if missing and _is_core_change(submission):
        yield needs_human(
            RULE,
            "the pull request edits the training script of the root and adds no folder under records/; as a "
            f"submission it would miss: {', '.join(missing)}",
            Place(file="."),
            ask="Is this pull request meant as a submission (and not as a change of the core script)?",
        )
        return
    if missing and is_unclaimed(submission):
        yield needs_human(
            RULE,
            f"missing: {', '.join(missing)}; the folder has {_inventory(submission)}",
            Place(file="."),
            ask="Is this folder meant as a submission?",
        )
        return
    if missing:
        yield failed(
            RULE,
            f"missing: {', '.join(missing)}; the folder has {_inventory(submission)}",
            Place(file="."),
        )
    notes = [*_renamed(submission, usual), *_seeds_without_log(case)]
    yield from notes
    if not missing and not notes:
        yield passed(RULE, f"all four parts are there: {_inventory(submission)}")
