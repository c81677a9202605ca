"""core-line-limit: the root train_gpt.py and train_gpt_mlx.py stay within 1,500 lines.

What it checks
    Whether a pull request changes the two scripts at the root of the repository, and how long they get.
Why it matters
    They are where newcomers start: simple and readable, not the best score.
What is allowed instead
    Put a competitive script into a folder under records/; its length is free.
How it is detected
    The changed paths. Where the changed root script is itself the entry script its lines are counted;
    otherwise the lines it adds are named and the rest is left open.
What it cannot see
    The length of a root script that is not the entry script.
Rulings
    Docstring of train_gpt.py, a15093ada, 2026-03-18 (A1), softened by 886cc5bb9. #77 put 1,372 lines into the
    root script; 48404cd4f (#269) restored it (A3).
Example
    train_gpt.py at the root gets 1,730 lines, 230 over the limit of 1,500; put a competitive script under
    records/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, not_applicable, not_checked, passed
from harness.finding import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "core-line-limit"


def check(case: Case) -> Iterator[Finding]:
    """One finding for each root script that the pull request changes."""
    changes = case.submission.changes
    core = set(case.limits.table("package")["core_files"])
    changed = [change for change in changes.changes if change.path in core] if changes else []
    if not changed:
        yield not_applicable(RULE, "no root script is changed; records may have any length")
        return
    limit = case.limits.integer("package.core_line_limit")
    entry = case.submission.code.entry
    at_root = case.submission.origin.entry in {"", "."}
    for change in changed:
        place = Place(file=change.path, note=change.status)
        if not (at_root and entry is not None and entry.path == change.path and entry.text is not None):
            added = f"{change.added_lines:,} lines" if change.added_lines is not None else "lines"
            yield not_checked(
                RULE,
                f"{change.path} at the root is {change.status} (+{added}); count it (limit {limit:,})",
                place,
            )
            continue
        lines = len(entry.text.splitlines())
        if lines > limit:
            yield failed(
                RULE,
                f"{change.path} at the root gets {lines:,} lines, {lines - limit:,} over the limit of "
                f"{limit:,}; put a competitive script under records/",
                place,
            )
        else:
            yield passed(RULE, f"{change.path} at the root has {lines:,} of {limit:,} lines", place)
