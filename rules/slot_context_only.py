"""slot-context-only: a delta optimised on scored positions of the window only.

What it checks
    Biases and shifts optimised per batch on positions other than those scored with them.
Why it matters
    Windows overlap: the context of one is the target of another when a batch shares one shift.
What is allowed instead
    Undecided. One shift per window, on positions whose loss is already counted, is the careful form.
How it is detected
    The static audit sees a shift that learns from validation tokens and a score that uses it, and either
    different tokens or masks that it cannot follow. That asks a person.
What it cannot see
    Which positions a mask selects.
Rulings
    #1336 (2026-04-04) asked and was not answered; no such submission was accepted or refused.
Example
    a shift is optimised on validation tokens of the batch by optimizer.step at train_gpt.py:1399 (called
    from train_gpt.py:1702), and the batch is scored with it at train_gpt.py:1702
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.family import member_verdict, own_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "slot-context-only"


def check(case: Case) -> Iterator[Finding]:
    """The breaches stated here, else what the claimed score does."""
    mine = own_findings(case, RULE)
    yield from mine
    if not mine:
        yield member_verdict(
            case,
            RULE,
            protocols=(),
            clean="no shift is optimised on validation tokens of its batch",
            absent="no shift is optimised per batch on validation tokens",
        )
