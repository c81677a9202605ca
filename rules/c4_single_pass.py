"""c4-single-pass: each position is scored once, without rescoring or a choice among passes.

What it checks
    Whether the claimed number comes from a second look: later epochs, the lower of several losses, a second
    pass with adapted weights or filled tables, a first score that is discarded.
Why it matters
    Whoever may score again can keep what the answer taught.
What is allowed instead
    One pass over validation; its scores are the result.
How it is detected
    The static audit compares all scores of the same tokens inside the claimed number. The chain of lines
    stands at the rule that fits best; this one names it.
What it cannot see
    Code it cannot follow: then it is not checked, with the reason.
Rulings
    #573 (2026-03-24), #685, #907, #991; the formal condition is from #1017.
Example
    broken: train_gpt.py:1588 scores tokens that optimizer.step at train_gpt.py:1420 has learned from since
    their first score; the chain is at two-pass-rescore
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.breach import Shape
from harness.audit.score_order.evidence_chain import at, score_spot
from harness.audit.score_order.family import (
    decisive_places,
    member_verdict,
    order_of,
    primary_rule,
    unproven,
)
from harness.audit.token_leaks.kept_losses import open_choice
from harness.audit.token_leaks.leak_family import leaks_of
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import failed, not_checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "c4-single-pass"

_AGAIN = {
    Shape.EPOCHS,
    Shape.LOWEST_OF_PASSES,
    Shape.RESCORE,
    Shape.TABLE_FIRST,
    Shape.DISCARDED_SCORE,
}


def check(case: Case) -> Iterator[Finding]:
    """A short FAIL that names the rule with the chain, a PASS with witnesses, or the reason for neither."""
    reading = order_of(case)
    proven = [b for b in reading.breaches if b.is_proven] if reading is not None else []
    scored = (breach for breach in proven if breach.shape in _AGAIN and breach.unused is None)
    again = next(scored, None)
    if again is not None and again.selected is not None:
        yield failed(
            RULE,
            f"broken: of several scores of the same tokens the lower is kept at {at(again.selected.at)}; the "
            f"chain is at {primary_rule(again.shape, case.submission.track)}",
            *decisive_places(case, again),
        )
    elif again is not None:
        rule = primary_rule(again.shape, case.submission.track)
        yield failed(
            RULE,
            f"broken: {at(score_spot(again))} scores tokens that {again.update.how} at "
            f"{at(again.update.at)} has learned from since their first score; the chain is at {rule}",
            *decisive_places(case, again),
        )
    elif proven:
        yield not_checked(RULE, "the claimed score already breaks c3-score-before-update; passes not judged")
    elif reading is not None and reading.breaches:
        yield unproven(case, reading, RULE)
    elif leaks_of(case, LeakKind.COUNTED_FIRST):
        yield not_checked(RULE, "a table had counted the tokens it scores: see two-pass-rescore")
    elif open_choice(case) is not None or leaks_of(case, LeakKind.ORACLE):
        yield not_checked(RULE, "several losses of the same tokens are in the claimed number: see oracle-min")
    else:
        yield member_verdict(case, RULE, clean="one pass over validation makes the claimed number", absent="")
