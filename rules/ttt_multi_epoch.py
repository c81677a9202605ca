"""ttt-multi-epoch: several epochs run only on tokens whose score is fixed.

What it checks
    Loops that repeat the same validation tokens around updates, and which of their passes is counted.
Why it matters
    From the second epoch on every token has been trained on: its loss is no prediction.
What is allowed instead
    Any number of epochs on a chunk after its loss is counted. Counting the first epoch's loss is one pass.
How it is detected
    The static audit walks each loop twice and compares tokens: a counted loss whose state learned from the
    same tokens in an earlier pass of a loop that does not advance.
What it cannot see
    How often a loop runs when the number comes from outside: then it asks.
Rulings
    #568 (2026-03-24), #512 and #620: the loss of the last epoch was counted. #549 (three epochs) and #1514
    train several epochs after the score.
Example
    a loop (2 epochs) repeats the same validation tokens: optimizer.step at train_gpt.py:952 learns from them
    in one epoch, and the loss counted at train_gpt.py:1201 belongs to a later one. Count the loss of the
    first epoch, before any update
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.family import member_verdict, own_findings
from harness.audit.score_order.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "ttt-multi-epoch"


def check(case: Case) -> Iterator[Finding]:
    """The breaches stated here, else what the claimed score does."""
    mine = own_findings(case, RULE)
    yield from mine
    if not mine:
        yield member_verdict(
            case,
            RULE,
            protocols={Protocol.MULTI_EPOCH},
            clean="the epochs run on tokens whose loss is already counted",
            absent="no loop repeats validation tokens around an update that reaches the claimed score",
        )
