"""ngram-key-target: the token being scored is not in the key of the lookup that scores it.

What it checks
    Every table of tokens the script counts into and mixes into the claimed score: whether one key holds
    context and the token being scored together.
Why it matters
    A count under hash(context, target) is looked up for the token that came and for no other: nobody sums it
    over the vocabulary, and colliding keys lend it counts. The result is no distribution.
What is allowed instead
    Keys of context alone, whole rows, normalised. Keys with the token just scored are fine when counting.
How it is detected
    The static audit follows single tokens: positions are sums of window starts, lengths and loop counters, so
    that two reads of the same token are known to be one.
What it cannot see
    Native code, and tables that are read in a way nobody can follow: then it says what is missing.
Rulings
    #779 (2026-03-27) and its lineage: 727, 814, 913, 940. Hashed embeddings of input tokens were accepted.
Example
    the count mixed into the score at train_gpt.py:1187 is looked up at train_gpt.py:1172 under a key that
    holds the token being scored
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_leaks.leak_family import clean_or_open, leak_findings
from harness.audit.token_leaks.leaks import LeakKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "ngram-key-target"


def check(case: Case) -> Iterator[Finding]:
    """One finding for each mixture with such a lookup, else a pass with its witness."""
    mine = leak_findings(case, RULE, LeakKind.KEY_TARGET)
    yield from mine or [clean_or_open(case, RULE, "no key of a lookup holds the token it scores")]
