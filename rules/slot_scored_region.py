"""slot-scored-region: no delta is optimised on the loss of positions about to be scored.

What it checks
    Biases and shifts optimised for a batch of validation tokens, and the positions scored with them.
Why it matters
    A shift fitted to the loss of a position carries the answer to that position.
What is allowed instead
    Score the positions first. A shift may learn from them for later positions.
How it is detected
    The static audit follows a leaf that receives gradients for one batch into the logits of the counted
    loss, and compares its tokens with the scored ones.
What it cannot see
    Masks that leave positions out: those questions are asked at slot-context-only.
Rulings
    README: only tokens already graded. #1240 showed the dependence for all 240 pairs it tested; no such
    submission was accepted.
Example
    a shift is optimised on the loss of the very positions that are then scored with it: optimizer.step at
    train_gpt.py:1412 (called from train_gpt.py:1630), and the score at train_gpt.py:1630. Score the
    positions before the shift learns from them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.family import member_verdict, own_findings
from harness.audit.score_order.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "slot-scored-region"


def check(case: Case) -> Iterator[Finding]:
    """The breaches stated here, else what the claimed score does."""
    mine = own_findings(case, RULE)
    yield from mine
    if not mine:
        yield member_verdict(
            case,
            RULE,
            protocols={Protocol.CONTEXT_SHIFT},
            clean="no shift learns from a position before its score",
            absent="no shift is optimised per batch on validation tokens",
        )
