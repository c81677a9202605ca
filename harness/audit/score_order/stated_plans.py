"""Words of a README about work to come: they say nothing about how the claimed score was made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.finding import Sourced
    from harness.submission import Submission

_HEADING = re.compile(r"^\s{0,3}(#{1,6})\s+(.*)$")
_TO_COME = re.compile(
    r"\bfuture\b|\bnext (?:steps?|experiments?)\b|\bwhat'?s next\b|\bto-?do\b|\broadmap\b|\buntried\b"
    r"|\bnot (?:yet )?(?:tried|tested|explored|implemented)\b|\bwith more (?:time|compute)\b",
    re.IGNORECASE,
)


def is_planned(submission: Submission, said: Sourced[str]) -> bool:
    """Whether the sentence stands in a section of the README that is headed as work to come."""
    readme = submission.readme
    if readme is None or said.file != readme.path or said.line is None:
        return False
    level = 0
    in_code = False
    for line in readme.text.splitlines()[: said.line]:
        if line.lstrip().startswith(("```", "~~~")):
            in_code = not in_code
        found = None if in_code else _HEADING.match(line)
        if found is None:
            continue
        depth = len(found.group(1))
        if level == 0 or depth <= level:
            level = depth if _TO_COME.search(found.group(2)) else 0
    return level > 0
