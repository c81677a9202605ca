"""script-runs-in-folder: the entry script compiles and runs from inside its folder.

What it checks
    Whether the entry script and its helpers are Python that parses, after undoing a wrapper.
Why it matters
    A script that does not start cannot have produced the log, and nobody can verify it.
What is allowed instead
    Any Python the RunPod image runs; newer syntax than this machine's is a remark.
How it is detected
    The syntax tree of the (unpacked) source. Nothing is executed. A helper file that does not parse is a
    warning: its import may be guarded.
What it cannot see
    Missing data, missing packages and errors at run time: that takes a run.
Rulings
    README submission process, a15093ada, 2026-03-18 (A1): broken scripts are not accepted. #1204 (A2): first
    came without train_gpt.py, merged after it was added.
Example
    train_gpt.py does not compile: invalid syntax at line 214. Ship a script that starts
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import failed, not_checked, noted, passed, warned
from harness.finding import Confidence, Place
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import SourceFile

RULE = "script-runs-in-folder"

# Statements of Python 3.12 and later that an older parser calls invalid syntax.
_NEWER = re.compile(
    r"\s*(?:type\s+\w+.*=|(?:async\s+)?def\s+\w+\[|class\s+\w+\[|except\s+\w+\s*,)|.*\bt[\"']"
)


def _broken(file: SourceFile, *, is_entry: bool) -> Finding:
    error = file.parse_error or "syntax error"
    line = re.search(r"line (\d+)", error)
    place = Place(
        file=file.path,
        line=int(line.group(1)) if line else None,
        unpacked=file.unpacked,
        note="does not parse",
    )
    if line is None:  # too deep or too large for the parser: no syntax error was seen
        return not_checked(RULE, f"{file.path} was not parsed: {error}", place)
    lines = (file.text or "").splitlines()
    if place.line is not None and place.line <= len(lines) and _NEWER.match(lines[place.line - 1]):
        return noted(
            RULE,
            f"{file.path} may need a newer Python ({error}); not checked further",
            place,
        )
    tell = failed if is_entry else warned
    return tell(RULE, f"{file.path} does not compile: {error}. Ship a script that starts", place)


def check(case: Case) -> Iterator[Finding]:
    """One finding for each file that does not parse, one for all that do."""
    code = case.submission.code
    if code.entry is None or not code.entry.shipped_bytes:
        yield not_checked(RULE, "there is no script to compile; pr-required-files says what that means")
        return
    files = (code.entry, *code.closure)
    for file in files:
        if file.parses is False and file.text is not None:
            yield _broken(file, is_entry=file is code.entry)
    entry = code.entry
    if entry.text is None:
        why = entry.parse_error or "it could not be unpacked"
        yield not_checked(RULE, f"{entry.path} was not parsed: {why}; a run would decide")
    elif entry.parses is None:
        why = entry.parse_error or "its syntax is newer than this Python's"
        yield noted(RULE, f"{entry.path} was not run: {why}", Place(file=entry.path))
    elif entry.parses:
        lines = entry.text.count("\n") + 1
        good = sum(1 for file in code.closure if file.parses)
        more = f" and {count_of(good, 'helper file')}" if good else ""
        yield passed(
            RULE,
            f"{entry.path} ({lines:,} lines){more} can be parsed; nothing was run",
            confidence=Confidence.MEDIUM,
        )
