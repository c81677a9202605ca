"""Fields of a report as the board needs them; a report is a file, so each is checked before it is shown.

Every function raises `TypeError` or `ValueError`, which the reader of reports turns into one line that names
the report.
"""

from __future__ import annotations

import re

# Rule ids, verdicts: they become file names, classes of a page and words of a table as they stand.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def text_or_none(value: object, name: str) -> str | None:
    """A text, or None where the report has none."""
    if not (value is None or isinstance(value, str)):
        raise TypeError(f"{name} is a {type(value).__name__}, not a text")
    return value


def text(value: object, name: str) -> str:
    """A text; "" where the report has none."""
    return text_or_none(value, name) or ""


def word(value: object, name: str) -> str:
    """A rule's id or a verdict: letters, digits, hyphens."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError(f"{name} is {str(value)[:40]!r}, not a word of golf-check")
    return value


def commit_or_none(value: object) -> str | None:
    """A commit's hash, or None."""
    if value is None:
        return None
    if not isinstance(value, str) or not _COMMIT.fullmatch(value):
        raise ValueError(f"repo_commit is {str(value)[:40]!r}, not the hash of a commit")
    return value


def line_or_none(value: object) -> int | None:
    """A line's number, or None."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"line is {str(value)[:40]!r}, not the number of a line")
    return value
