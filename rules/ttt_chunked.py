"""ttt-chunked: a chunk is scored with the state of earlier chunks, then trained on.

What it checks
    Weights that learn from validation while it is scored: what they had learned when each chunk was scored.
Why it matters
    A chunk that is scored after its own update has been seen.
What is allowed instead
    Score a whole chunk with the weights of earlier chunks, then train on that chunk, any number of epochs.
How it is detected
    The static audit follows which tokens every update takes and which updates the state held when a chunk's
    loss was computed. A breach is stated once, at ttt-score-first or ttt-multi-epoch.
What it cannot see
    Boundaries of single tokens that index arithmetic hides, and scripts it cannot follow: then it says so.
Rulings
    #549 (2026-03-24) is the accepted form: chunks of 32,768 tokens, three epochs each after its score.
Example
    every chunk is scored before the weights learn from it: scored at train_gpt.py:943, optimizer.step at
    train_gpt.py:988 comes after it, printed at train_gpt.py:1391
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.family import member_verdict, own_findings
from harness.audit.score_order.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "ttt-chunked"


def check(case: Case) -> Iterator[Finding]:
    """The breaches stated here, else what the claimed score does."""
    mine = own_findings(case, RULE)
    yield from mine
    if not mine:
        yield member_verdict(
            case,
            RULE,
            protocols={Protocol.CHUNKED},
            clean="every chunk is scored before the weights learn from it",
            absent="the claimed score uses no weights trained on validation chunk by chunk",
        )
