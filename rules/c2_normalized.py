"""c2-normalized: a full distribution over the alphabet exists before the token, and sums to one.

What it checks
    The condition behind the rules on n-gram tables and mixtures, for the claimed score.
Why it matters
    A score is a code length only when the probabilities of all tokens sum to one.
What is allowed instead
    One distribution over the vocabulary, from the prefix alone.
How it is detected
    Logits that were computed from the very tokens they score (an expression cuts the targets out of
    validation, and its result goes into both) fail here. Where a rule on keys, gates, experts or bytes states
    a leak, this condition steps back behind it. A loss
    that is scaled, shifted, clipped or smoothed where it is made or added up asks a person. It passes when
    single tokens were followed to the claimed number, nothing was mixed in for the scored token alone, and
    every claimed score is the library's cross entropy over all columns (or the entry of a log-softmax) that
    is only added up and averaged on its way. A mixture never passes: that takes a run.
What it cannot see
    Native code, and what a network does to the logits: any logits make a distribution.
Rulings
    #779 (2026-03-27), closures of 2026-03-27; named condition 2 in #1017.
Example
    the claimed score is judged at ngram-key-target, which it breaches
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Mixed
from harness.audit.score_order.family import own_findings
from harness.audit.token_leaks.leak_family import clean_or_open, leaks_of
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import needs_human, not_applicable, not_checked
from harness.evidence.code_facts import fact_place
from harness.evidence.counted_loss import altered_losses, why_not_plain
from harness.finding import Role, RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "c2-normalized"

_STATED_AT = {
    LeakKind.KEY_TARGET: "ngram-key-target",
    LeakKind.PSEUDO_EXPERT: "mixer-hedge",
    LeakKind.SPREAD: "byte-ppm-mixture",
    LeakKind.TARGET_GATE: "ngram-target-gate",
    LeakKind.ORACLE: "oracle-min",
    LeakKind.TARGET_ONLY: "ngram-cache",
}


def check(case: Case) -> Iterator[Finding]:
    """States logits that hold their target; steps back behind other leaks; asks about altered losses."""
    inside = own_findings(case, RULE)
    if inside:
        yield from inside
        return
    leaks = sorted(leaks_of(case, *_STATED_AT), key=lambda leak: not leak.is_proven)
    if leaks and leaks[0].is_proven:
        other = _STATED_AT[leaks[0].kind]
        yield not_applicable(RULE, f"the claimed score is judged at {other}, which it breaches")
    elif leaks:
        yield not_checked(RULE, f"open until the question of {_STATED_AT[leaks[0].kind]} is answered")
    else:
        yield _of_the_loss(case)


def _of_the_loss(case: Case) -> Finding:
    altered = altered_losses(case)
    if altered:
        first = altered[0]
        return needs_human(
            RULE,
            f"the loss counted at {first['file']}:{first['line']} is {first['what']}: what is left is no "
            "negative log-probability. Add up the losses as they are",
            *(
                fact_place(case, one, one["what"], Role.PRIMARY if one is first else Role.RELATED)
                for one in altered
            ),
            ask="Is the claimed number the mean of something else than -log p of the realised tokens?",
        )
    found = clean_or_open(case, RULE, "every claimed score is a cross entropy that is only added up")
    if found.verdict is not RuleVerdict.PASS or case.audit is None:
        return found
    if any(isinstance(each, Mixed) for each in case.audit.claim.token_events):
        return not_checked(RULE, "unresolved: whether the mixture sums to one; that takes a run")
    missing = why_not_plain(case)
    return found if missing is None else not_checked(RULE, f"unresolved: {missing}")
