"""ttt-per-document: adapters start afresh for other documents and score before they train.

What it checks
    Adapters beside the weights that learn from validation: their resets, and what they had learned when each
    part of a document was scored.
Why it matters
    An adapter that trains on a document before scoring it repeats what it read.
What is allowed instead
    Reset the adapter for new documents; within one, score a part, then train on it.
How it is detected
    The static audit follows the adapter's updates and resets to every score. A breach is stated once, at
    ttt-score-first or ttt-multi-epoch.
What it cannot see
    Documents that share an adapter within a batch where only masks keep them apart.
Rulings
    #77 (2026-03-19) and #1530 (2026-04-29) are accepted forms; #568 and #620 scored after their own epochs.
Example
    every part of a document is scored before its adapter learns from it: scored at train_gpt.py:2305,
    optimizer.step at train_gpt.py:2330 comes after it, printed at train_gpt.py:2790
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.family import member_verdict, own_findings
from harness.audit.score_order.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "ttt-per-document"


def check(case: Case) -> Iterator[Finding]:
    """The breaches stated here, else what the claimed score does."""
    mine = own_findings(case, RULE)
    yield from mine
    if not mine:
        yield member_verdict(
            case,
            RULE,
            protocols={Protocol.PER_DOCUMENT},
            clean="every part of a document is scored before its adapter learns from it",
            absent="the claimed score uses no adapter that is trained on validation and reset",
        )
