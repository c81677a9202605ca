"""script-runs-in-folder: the entry script compiles and runs from inside its folder.

What it checks
    Whether the entry script and its helpers are Python that parses, after undoing a wrapper.
Why it matters
    A script that does not start cannot have produced the log, and nobody can verify it.
What is allowed instead
    Any Python the RunPod image runs; newer syntax than this machine's is a remark.
How it is detected
    The syntax tree of the (unpacked) source. Nothing is executed.
What it cannot see
    Missing data, missing packages and errors at run time: that takes a run.
Rulings
    README submission process, a15093ada, 2026-03-18 (A1): broken scripts are not accepted. #1204 (A2): first
    came without train_gpt.py, merged after it was added.
Example
    train_gpt.py does not compile: invalid syntax at line 214
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from harness.case import failed, not_checked, noted, passed
from harness.finding import Confidence, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import SourceFile

# What older parsers say of syntax that came with Python 3.12 to 3.14 (nested quotes in f-strings, type
# statements, type parameters, except without brackets, template strings).
_NEWER = re.compile(
    r"f-string|type parameter|multiple exception types must be parenthesized|newer", re.IGNORECASE
)


def _broken(file: SourceFile) -> Finding:
    error = file.parse_error or "syntax error"
    line = re.search(r"line (\d+)", error)
    place = Place(
        file=file.path,
        line=int(line.group(1)) if line else None,
        unpacked=file.unpacked,
        note="does not parse",
    )
    if _NEWER.search(error):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return noted(
            "script-runs-in-folder",
            f"{file.path} uses syntax newer than Python {version} ({error}); not checked further",
            place,
        )
    return failed(
        "script-runs-in-folder", f"{file.path} does not compile: {error}. Ship a script that starts", place
    )


def check(case: Case) -> Iterator[Finding]:
    """One finding for each file that does not parse, one for all that do."""
    code = case.submission.code
    if code.entry is None or not code.entry.shipped_bytes:
        yield not_checked(
            "script-runs-in-folder", "there is no script to compile; pr-required-files says what that means"
        )
        return
    files = (code.entry, *code.closure)
    for file in files:
        if file.parses is False:
            yield _broken(file)
    good = [file for file in files if file.parses]
    if code.entry.parses:
        lines = (code.entry.text or "").count("\n") + 1
        more = f" and {len(good) - 1} helper files" if len(good) > 1 else ""
        yield passed(
            "script-runs-in-folder",
            f"{code.entry.path} ({lines:,} lines){more} parse; they were not run",
            confidence=Confidence.MEDIUM,
        )
    elif code.entry.parses is None:
        yield not_checked(
            "script-runs-in-folder",
            f"{code.entry.path} could not be unpacked, so it was not parsed; a run would decide",
        )
