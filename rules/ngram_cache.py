"""ngram-cache: a causal cache only reweights the whole distribution.

What it checks
    Whether a table of tokens is mixed into the probability of the scored token alone.
Why it matters
    An entry taken for the token that came, beside a distribution nobody renormalises, may sum to more than
    one: the score is then no code length.
What is allowed instead
    Mix the normalised row of the whole vocabulary into the whole distribution, then take the target.
How it is detected
    The static audit follows single tokens: positions are sums of window starts, lengths and loop counters, so
    that two reads of the same token are known to be one.
What it cannot see
    Whether rows sum to one: that takes a run. So a person decides where nothing worse is in the mixture.
Rulings
    #659 and #779 (2026-03-25), closures of 2026-03-27. #1514 and #2135 were accepted: one hinted token,
    tilted in closed form.
Example
    the table's entry of the scored token alone is mixed into its score at train_gpt.py:1187
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_leaks.leak_family import clean_or_open, leak_findings, leaks_of
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import not_applicable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "ngram-cache"

_WORSE = {
    LeakKind.KEY_TARGET: "ngram-key-target",
    LeakKind.TARGET_GATE: "ngram-target-gate",
    LeakKind.PSEUDO_EXPERT: "mixer-hedge",
    LeakKind.SPREAD: "byte-ppm-mixture",
    LeakKind.ORACLE: "oracle-min",
}


def check(case: Case) -> Iterator[Finding]:
    """A question for each such mixture; nothing where another rule states the leak."""
    mine = leak_findings(case, RULE, LeakKind.TARGET_ONLY)
    worse = leaks_of(case, *_WORSE)
    if mine:
        yield from mine
    elif worse:
        yield not_applicable(RULE, f"the claimed score is judged at {_WORSE[worse[0].kind]}")
    else:
        yield clean_or_open(case, RULE, "no table entry is mixed into the scored token alone")
