"""c2-normalized: a full distribution over the alphabet exists before the token, and sums to one.

What it checks
    The condition behind the rules on n-gram tables and mixtures, for the claimed score.
Why it matters
    A score is a code length only when the probabilities of all tokens sum to one.
What is allowed instead
    One distribution over the vocabulary, from the prefix alone.
How it is detected
    Where a rule on keys, gates, experts or bytes states a leak, this condition steps back behind it. It
    passes when single tokens were followed to the claimed number and nothing was mixed in for the scored
    token alone.
What it cannot see
    Native code, and whether a mixture sums to one in numbers: that takes a run.
Rulings
    #779 (2026-03-27), closures of 2026-03-27; named condition 2 in #1017.
Example
    the claimed score is judged at ngram-key-target, which it breaches
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_leaks.leak_family import clean_or_open, leaks_of
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import not_applicable, not_checked

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
    """Steps back behind the rule that states a leak, else passes with a witness."""
    leaks = sorted(leaks_of(case, *_STATED_AT), key=lambda leak: not leak.is_proven)
    if leaks and leaks[0].is_proven:
        other = _STATED_AT[leaks[0].kind]
        yield not_applicable(RULE, f"the claimed score is judged at {other}, which it breaches")
    elif leaks:
        yield not_checked(RULE, f"open until the question of {_STATED_AT[leaks[0].kind]} is answered")
    else:
        yield clean_or_open(case, RULE, "nothing is mixed into the score of the realised token alone")
