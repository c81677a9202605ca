"""ttt-carry-over: adapter state kept for later documents is built from scored tokens only.

What it checks
    Adapters that keep what they learned from one validation document when the next is scored.
Why it matters
    What is carried over must come from tokens whose score is fixed.
What is allowed instead
    A warm start or an average built from documents already scored.
How it is detected
    The static audit follows an adapter that is not reset from its updates to the scores of other documents.
    A breach is stated once, at ttt-score-first.
What it cannot see
    The order in which ranks claim documents at run time.
Rulings
    #1787 (2026-04-29) carries one adapter matrix from document to document.
Example
    the adapter carries over what scored documents taught it: scored at train_gpt.py:1820, optimizer.step at
    train_gpt.py:1851 comes after it, printed at train_gpt.py:2310
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.family import member_verdict, own_findings
from harness.audit.score_order.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "ttt-carry-over"


def check(case: Case) -> Iterator[Finding]:
    """The breaches stated here, else what the claimed score does."""
    mine = own_findings(case, RULE)
    yield from mine
    if not mine:
        yield member_verdict(
            case,
            RULE,
            protocols={Protocol.CARRY_OVER},
            clean="the adapter carries over what scored documents taught it",
            absent="no adapter keeps what it learned from one validation document for the next",
        )
