"""nr-same-form: non-record submissions have the same files and folder discipline as records.

What it checks
    Whether the folder lies on the non-record side of records/.
Why it matters
    Both boards are read by the same people and the same scripts.
What is allowed instead
    Ablation logs and figures that the README refers to.
How it is detected
    The path of the folder; missing parts are reported by pr-required-files, paths outside by
    pr-single-folder.
What it cannot see
    Whether an extra file is needed.
Rulings
    README non-record section, a15093ada, 2026-03-18 (A1). #363 (A2): an extra file had to go first.
Example
    the submission asks for the non-record board, but lies in records/track_10min_16mb; move it to
    records/track_non_record_16mb
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import not_checked, passed, warned
from harness.finding import Place, Role
from harness.submission import Track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "nr-same-form"


def check(case: Case) -> Iterator[Finding]:
    """One finding on where the folder lies."""
    entry = case.submission.origin.entry
    folders: dict[str, str] = case.limits.table("package")["track_folders"]
    found = next((part for part in entry.split("/") if part in folders), None)
    if found is None:
        yield not_checked(RULE, "the folder lies in no track folder, so its place says nothing")
        return
    right = [name for name, track in folders.items() if track != Track.RECORD.value]
    if folders[found] == Track.RECORD.value:
        yield warned(
            RULE,
            f"the submission asks for the {case.submission.track} board "
            f"({case.submission.track_source.value}), but lies in records/{found}; move it to "
            f"records/{right[0] if right else '<non-record>'}",
            Place(file="."),
            case.submission.track_source.place("names the board", Role.RELATED),
        )
        return
    yield passed(RULE, f"lies in records/{found}")
