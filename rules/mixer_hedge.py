"""mixer-hedge: online mixing of experts mixes full distributions with weights fixed before the token.

What it checks
    Whether every ingredient of a mixture of experts is a log-probability of the token.
Why it matters
    A value that is the same for every token of the vocabulary, such as an entropy, adds its weight once per
    token: the mixture sums to more than one.
What is allowed instead
    Distributions only; an entropy may set the weight, since it is known before the token.
How it is detected
    The static audit follows single tokens: positions are sums of window starts, lengths and loop counters, so
    that two reads of the same token are known to be one.
What it cannot see
    Whether each expert sums to one: that takes a run.
Rulings
    #745 (2026-03-27): an entropy among five experts.
Example
    an entropy is mixed at train_gpt.py:110 as if it were the token's loss
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_leaks.leak_family import clean_or_open, leak_findings
from harness.audit.token_leaks.leaks import LeakKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "mixer-hedge"


def check(case: Case) -> Iterator[Finding]:
    """One finding for each mixture with such an expert, else a pass with its witness."""
    mine = leak_findings(case, RULE, LeakKind.PSEUDO_EXPERT)
    yield from mine or [clean_or_open(case, RULE, "no expert of a mixture is anything but a probability")]
