"""ttt-multi-phase: global updates between phases use documents already scored.

What it checks
    Weights that learn from validation beside per-document adapters, between phases of the scored pass.
Why it matters
    A global step that takes documents of the next phase trains on what is scored next.
What is allowed instead
    Collect scored documents, step the weights on them, score later documents with the new weights.
How it is detected
    The static audit follows the collected documents into the update and the new weights into later scores.
    A breach is stated once, at ttt-score-first.
What it cannot see
    The order in which ranks claim documents at run time.
Rulings
    #1610, #1626 and #1736 (2026-04-29) are accepted forms.
Example
    the weights step on documents already scored: scored at train_gpt.py:2441, optimizer.step at
    train_gpt.py:2380 comes after it, printed at train_gpt.py:2902
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.family import member_verdict, own_findings
from harness.audit.score_order.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "ttt-multi-phase"


def check(case: Case) -> Iterator[Finding]:
    """The breaches stated here, else what the claimed score does."""
    mine = own_findings(case, RULE)
    yield from mine
    if not mine:
        yield member_verdict(
            case,
            RULE,
            protocols={Protocol.MULTI_PHASE},
            clean="the weights step on documents already scored",
            absent="the claimed score uses no global step between phases of per-document adapters",
        )
