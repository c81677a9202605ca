"""hardware-nonrecord: any hardware will do off the record track, but it is stated.

What it checks
    Whether a log, submission.json or the README names the machine.
Why it matters
    A non-record result is read for its idea; readers need to know what it cost.
What is allowed instead
    One laptop GPU is fine. Say which.
How it is detected
    A GPU name in a log, the hardware field of submission.json, or a GPU named in the README.
What it cannot see
    Whether the statement is true.
Rulings
    Practice: #1106, #1337 and #1443 were taken on other GPUs with the machine stated.
Example
    no GPU is named in a log, submission.json or the README; state the machine
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import noted, passed
from harness.finding import Sourced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "hardware-nonrecord"

_GPU = re.compile(
    r"\b(?:[HA]\d00\w{0,4}|B\d00|GH200|RTX ?\d{4}|[34]0[5-9]0(?: "
    r"?Ti)?|A\d0G?|L4\dS?|L4|T4|V100|MI\d{3}X?|M[1-4]\b.{0,6})\b"
)


def check(case: Case) -> Iterator[Finding]:
    """One finding: where the machine is named, or that it is not."""
    named = _named(case)
    if named is None:
        yield noted(
            RULE,
            "no GPU is named in a log, submission.json or the README; state the machine",
        )
    else:
        yield passed(RULE, f"stated hardware: {named.value[:120]}", named.place("hardware"))


def _named(case: Case) -> Sourced[str] | None:
    for log in case.submission.logs:
        for run in log.runs:
            if run.gpu_name is not None:
                return run.gpu_name
    if case.submission.json.hardware is not None:
        return case.submission.json.hardware
    readme = case.submission.readme
    for number, line in enumerate(readme.text.splitlines() if readme else (), start=1):
        match = _GPU.search(line[:2000])
        if match and readme is not None:
            return Sourced(match.group(0), readme.path, number, line.strip()[:200])
    return None
