"""no-paid-prefix: validation tokens are not stored in the artifact, in any coding.

What it checks
    Validation tokens themselves inside what the script writes.
Why it matters
    Stored tokens are predicted with certainty: the artifact pays for a prefix instead of a model.
What is allowed instead
    Anything learned from training data.
How it is detected
    The static audit follows tokens from the validation files into what is serialised. That asks a person:
    whether the written bytes are the artifact is for them to say.
What it cannot see
    Tokens that were put into the artifact by another program; without that it is never a pass.
Rulings
    README 2cff08e1a (2026-03-20); #168 stored part of the validation set.
Example
    validation tokens read at train_gpt.py:812 are inside what train_gpt.py:1290 writes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.regions import Split
from harness.audit.score_order.evidence_chain import at, placed
from harness.audit.score_order.family import order_of
from harness.audit.submission_audit import why_no_audit
from harness.case import needs_human, not_checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "no-paid-prefix"


def check(case: Case) -> Iterator[Finding]:
    """One finding."""
    reading = order_of(case)
    if reading is None:
        yield not_checked(RULE, why_no_audit(case) or "the static audit of the code was not run")
        return
    index = reading.index
    for export in index.exports:
        inside = [index.reads[name] for name in export.reads if name in index.reads]
        read = next((each for each in inside if each.split is Split.VALIDATION), None)
        if read is not None:
            steps = [(read.at, "validation tokens are read"), (export.at, "and written")]
            yield needs_human(
                RULE,
                f"validation tokens read at {at(read.at)} are inside what {at(export.at)} writes",
                *(placed(case.audit, steps, export.at) if case.audit is not None else ()),
                ask="Is what is written there, or anything made from it, part of the artifact?",
            )
            return
    yield not_checked(
        RULE,
        "no validation token was seen going into a written file; the bytes of the artifact were not opened",
    )
