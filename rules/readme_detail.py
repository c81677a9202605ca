"""readme-detail: the README explains the method in reasonable detail.

What it checks
    Whether the README has enough words to explain anything.
Why it matters
    The challenge is about ideas; a record nobody can understand teaches nothing and cannot be reviewed.
What is allowed instead
    Any form: prose, tables, ablations, a link to the record it builds on.
How it is detected
    Words outside code blocks are counted; fewer than 60 is a warning.
What it cannot see
    Whether the words explain the method; that takes a reader.
Rulings
    README submission process, a15093ada, 2026-03-18 (A1): reasonable detail is asked for.
Example
    README.md has 12 words; explain what was changed and why it helps (at least 60 words)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import not_checked, passed, warned
from harness.finding import Confidence, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "readme-detail"

_CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def check(case: Case) -> Iterator[Finding]:
    """One finding on the number of words."""
    readme = case.submission.readme
    if readme is None:
        yield not_checked(RULE, "there is no README; pr-required-files says what that means")
        return
    least = case.limits.integer("package.readme_words_min")
    words = len(re.findall(r"[^\W\d_]{2,}", _CODE_BLOCK.sub(" ", readme.text)))
    place = Place(file=readme.path)
    if words < least:
        yield warned(
            RULE,
            f"{readme.path} has {words:,} words; explain what was changed and why it helps (at least "
            f"{least:,})",
            place,
        )
        return
    yield passed(RULE, f"{readme.path} has {words:,} words", place, confidence=Confidence.MEDIUM)
