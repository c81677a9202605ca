"""c3-score-before-update: a token's score is fixed before anything is learned from it.

What it checks
    Every loss inside the claimed number: whether weights, adapters, shifts, tables or statistics had learned
    from its tokens when it was computed.
Why it matters
    It is the one condition all rules on test-time training come from.
What is allowed instead
    Score first, learn afterwards, as often as you like.
How it is detected
    The static audit follows validation tokens through the script in the claimed configuration. The chain of
    lines stands at the rule that fits the breach best; this one names it. It passes only when the printed
    number was reached, every score inside it is clean, the adaptation was seen, and nothing on the path
    stayed unresolved. A table that counts tokens in each pass before the lookup of that pass asks a person.
What it cannot see
    Code it cannot follow: then it is not checked, with the reason.
Rulings
    README fc6332a9c (2026-03-20), #44 (2026-03-19); the formal condition is from #1017.
Example
    broken: optimizer.step at train_gpt.py:1179 learns from the tokens that train_gpt.py:1834 scores later;
    the chain is at ttt-score-first
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Lookup, Update
from harness.audit.score_order.evidence_chain import at, score_spot
from harness.audit.score_order.family import (
    decisive_places,
    member_verdict,
    order_of,
    primary_rule,
    unproven,
)
from harness.audit.token_leaks.leak_family import leak_findings, leak_places, leaks_of, why_not_clean
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import failed, not_checked
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.submission_audit import SubmissionAudit
    from harness.audit.token_leaks.leaks import Leak
    from harness.case import Case
    from harness.finding import Finding

RULE = "c3-score-before-update"


def check(case: Case) -> Iterator[Finding]:
    """A short FAIL that names the rule with the chain, a PASS with witnesses, or the reason for neither."""
    reading = order_of(case)
    proven = [b for b in reading.breaches if b.is_proven] if reading is not None else []
    breach = next((b for b in proven if b.update.region.overlaps(b.score.region)), None)
    if breach is not None:
        rule = primary_rule(breach.shape, case.submission.track)
        yield failed(
            RULE,
            f"broken: {breach.update.how} at {at(breach.update.at)} learns from the tokens that "
            f"{at(score_spot(breach))} scores later; the chain is at {rule}",
            *decisive_places(case, breach),
        )
        return
    if proven:
        rule = primary_rule(proven[0].shape, case.submission.track)
        yield not_checked(RULE, f"the claimed score already breaks {rule}; the order was not judged")
        return
    if reading is not None and reading.breaches:
        yield unproven(case, reading, RULE)
        return
    counted = leaks_of(case, LeakKind.COUNTED_FIRST)
    if counted and case.audit is not None:
        yield _table(case.audit, counted)
        return
    asked = leak_findings(case, RULE, LeakKind.COUNTED_IN_TURN)
    if asked:
        yield asked[0]
        return
    unseen = _tables_not_followed(case)
    if unseen is not None and reading is not None and reading.is_clean:
        yield not_checked(RULE, unseen)
        return
    scores = reading.index.validation_scores() if reading is not None else ()
    lines = count_of(len({score.forward for score in scores}), "scoring line")
    yield member_verdict(
        case,
        RULE,
        clean=f"nothing had learned from a token when its loss was computed ({lines})",
        absent="",
    )


def _tables_not_followed(case: Case) -> str | None:
    """Why nobody knows what tables had counted; None when there are none, or all of it was seen."""
    claim = case.audit.claim if case.audit is not None else None
    if claim is None or not any(isinstance(each, Lookup | Update) for each in claim.token_events):
        return None
    return why_not_clean(case, of_order=True)


def _table(audit: SubmissionAudit, leaks: tuple[Leak, ...]) -> Finding:
    """A table that had counted the tokens it scores: the whole chain is stated at the rule on passes."""
    proven = next((leak for leak in leaks if leak.is_proven and leak.update is not None), None)
    if proven is None or proven.update is None:
        return not_checked(RULE, "depends on the question asked at two-pass-rescore")
    return failed(
        RULE,
        f"broken: the table at {at(proven.update.at)} counts the tokens that {at(proven.at.at)} scores with "
        "it later; the chain is at two-pass-rescore",
        *leak_places(audit, proven),
    )
