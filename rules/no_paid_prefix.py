"""no-paid-prefix: validation tokens are not stored in the artifact, in any coding.

What it checks
    Validation tokens themselves inside what the script writes, and losses set to nothing where a stored token
    equals the target.
Why it matters
    Stored tokens are predicted with certainty: the artifact pays for a prefix instead of a model.
What is allowed instead
    Anything learned from training data.
How it is detected
    The static audit follows tokens from the validation files into what is serialised, and sees a loss per
    token that is scaled or replaced after its target was compared with another stored tensor. Both ask a
    person: what is stored, and whether it is in the artifact, is for them to say.
What it cannot see
    Tokens stored in another coding by another program: it is never a pass.
Rulings
    README 2cff08e1a (2026-03-20); #168 stored part of the validation set.
Example
    the loss of tokens is changed at train_gpt.py:318 where a stored tensor equals the target
    (train_gpt.py:317)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Spot
from harness.audit.regions import Split
from harness.audit.score_order.evidence_chain import at, placed
from harness.audit.score_order.family import order_of
from harness.audit.submission_audit import why_no_audit
from harness.case import needs_human, not_checked
from harness.evidence.code_facts import fact_place
from harness.evidence.validation_use import validation_tokens_given
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "no-paid-prefix"


def check(case: Case) -> Iterator[Finding]:
    """One finding."""
    stored = _stored(case)
    if stored is not None:
        yield stored
        return
    written = _written(case)
    reading = order_of(case)
    if reading is None and written is not None:
        yield written
        return
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
    if written is not None:
        yield written
        return
    yield not_checked(
        RULE,
        "no validation token was seen going into a written file; the bytes of the artifact were not opened",
    )


def _written(case: Case) -> Finding | None:
    """A call that writes validation tokens as they are, in whatever bytes."""
    fact = validation_tokens_given(case, "written")
    if fact is None:
        return None
    return needs_human(
        RULE,
        f"{fact['file']}:{fact['line']} writes validation tokens, turned into bytes, to a file",
        fact_place(case, fact, "writes validation tokens", Role.PRIMARY),
        ask="Is what is written there, or anything made from it, part of the artifact?",
    )


def _stored(case: Case) -> Finding | None:
    """A loss that vanishes where a stored token equals the target."""
    facts = case.audit.scans.get("stored_targets") if case.audit is not None else None
    if case.audit is None or not isinstance(facts, list) or not facts:
        return None
    file = str(facts[0]["file"])
    changed = Spot(file=file, line=int(facts[0]["line"]))
    compared = Spot(file=file, line=int(facts[0]["compared"]))
    steps = [(compared, "a stored tensor is compared with the targets"), (changed, "and changes their loss")]
    return needs_human(
        RULE,
        f"the loss of tokens is changed at {at(changed)} where a stored tensor equals the target "
        f"({at(compared)})",
        *placed(case.audit, steps, changed),
        ask="Does the stored tensor hold validation tokens?",
    )
