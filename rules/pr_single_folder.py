"""pr-single-folder: the pull request adds one folder under records/ and nothing else.

What it checks
    Every path the pull request changes against its merge base, and whether the submission lies in a track
    folder under records/.
Why it matters
    Changes elsewhere would be merged with the record: edits of the shared scripts, of other records, or
    hundreds of working files.
What is allowed instead
    One new folder records/<track>/<date_name>/. Other experiments go into pull requests of their own.
How it is detected
    The difference between the head and its merge base, as git objects. In practice a breach asks for a trim
    before the merge and grading goes on (D6); the text profile rejects it. Where several folders are added,
    the finding says which one was judged and why; where only title, date or name chose it, a warning asks
    for --entry.
What it cannot see
    Anything of a plain folder: without the clone there is nothing to compare with.
Rulings
    README submission process, a15093ada, 2026-03-18 (A1). #1120, 2026-04-29 (A2): 238 outside files named,
    the row was kept. #542 and #1868 were merged with files outside (A3). #265 praised as clean.
Example
    18 changed paths: 14 outside records/ (experiments/run_exp1.sh (added), notes.md (added),
    requirements.txt (modified) and 11 more). A merge needs them trimmed to one new folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, not_checked, passed, warned
from harness.finding import Place
from harness.wording import count_of, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import OtherFolder, PathChange, PullRequestChanges

RULE = "pr-single-folder"


def _outside(changes: tuple[PathChange, ...], root: str) -> str:
    names = listed([f"{change.path} ({change.status})" for change in changes], 3)
    return f"{len(changes):,} outside {root}/ ({names})"


def _others(folders: tuple[OtherFolder, ...]) -> str:
    names = listed([f"{folder.path}: {folder.why}" for folder in folders], 3, "; ")
    return f"{count_of(len(folders), 'other records folder')} ({names})"


def _judged(entry: str, changes: PullRequestChanges) -> str:
    """Which of several folders was judged and why, as a sentence; empty when there was no choice."""
    if not changes.other_folders or not changes.why_this_folder:
        return ""
    return f" Judged {entry.rpartition('/')[2]}: {changes.why_this_folder}."


def _ambiguous(entry: str, changes: PullRequestChanges) -> Finding:
    """The warning that convention chose the folder, with the folders that may be the claim instead."""
    rivals = [folder.path for folder in changes.other_folders if folder.why == "second submission"]
    rivals = rivals or [folder.path for folder in changes.other_folders[:1]]
    look = "looks" if len(rivals) == 1 else "look"
    return warned(
        RULE,
        f"judged {entry}; {listed(rivals, 3)} {look} like a submission too: name the folder with --entry",
    )


def check(case: Case) -> Iterator[Finding]:
    """One finding about the whole difference, after a warning when the folder judged was a guess.

    A breach is a FAIL here; the catalogue lowers it to a WARN.
    """
    submission = case.submission
    root = case.limits.text("package.records_root")
    changes = submission.changes
    if changes is None:
        yield not_checked(
            RULE,
            "a plain folder: give --repo and --pr to compare the pull request with its base",
        )
        return
    entry = submission.origin.entry
    if changes.ambiguous_folder:
        yield _ambiguous(entry, changes)
    faults = []
    if changes.outside_records:
        faults.append(_outside(changes.outside_records, root))
    if changes.other_folders:
        faults.append(_others(changes.other_folders))
    tracks = case.limits.table("package")["track_folders"]
    if entry.split("/")[:1] != [root]:
        faults.append(f"the submission lies at {entry or 'the repository root'}, not under {root}/")
    elif entry.split("/")[1:2] and entry.split("/")[1] not in tracks:
        faults.append(f"{entry} is in no track folder ({', '.join(sorted(tracks))})")
    if faults:
        places = [Place(file=change.path, note=change.status) for change in changes.outside_records[:1]]
        yield failed(
            RULE,
            f"{count_of(len(changes.changes), 'changed path')}: {', and '.join(faults)}. A merge needs them "
            f"trimmed to one new folder.{_judged(entry, changes)}",
            *places,
        )
        return
    yield passed(RULE, f"{count_of(len(changes.changes), 'changed path')}, all in {entry}")
