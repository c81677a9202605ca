"""sig-p01: the gain of 0.005 nats is shown at p < 0.01.

What it checks
    One-sided Welch test on per-seed scores, H0 "the gain is at most 0.005 nats per token", p below 0.01.
Why it matters
    Three seeds spread over 0.0004 to 0.0009 BPB; a mean alone cannot tell a gain from luck.
What is allowed instead
    More seeds, a larger gain, or a pure systems speed-up, which needs no margin. Staff have not applied this
    test since the chain of 2026-04-28 (sig-p025-chain); in practice it is only a remark.
How it is detected
    t = (d - margin) / sqrt(va/n + vb/m) with sample variances from per-seed values, never from a stated
    deviation; against a record with a single run, a one-sample test that takes its score as exact. With
    three seeds on both sides steps below about 0.004 BPB cannot pass: the message says so.
What it cannot see
    Reproduction runs that staff had and the repository has not (#1855). One run on the submission's side
    cannot be tested at all: that is not-checked, not a breach.
Rulings
    README a15093ada, 2026-03-18 (A1): p < 0.01. #374, 2026-03-22 (A2): no significant win.
    #1902, 2026-04-29 (A2): p < 0.25 without margin from there on.
Example
    p = 0.9497 for a gain of 0.005 nats, p < 0.01 is needed: mean 1.07983 of 3 logged scores 1.07928,
    1.07997, 1.08025, against #1493 with mean 1.08100 of 3 scores: 0.00117 BPB lower ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile, failed, not_checked, noted, passed
from harness.evidence.record_comparison import chain_covers, compare_with_record
from harness.evidence.significance import NotTestable, p_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "sig-p01"

# With n = m = 3 and the lineage's spread the test has no power below this step (rule catalogue, 4.4).
_HOPELESS_STEP_BPB = 0.004


def check(case: Case) -> Iterator[Finding]:
    """The README's test of the README's margin."""
    found = compare_with_record(case)
    if isinstance(found, str):
        yield not_checked(RULE, found)
        return
    numbers = found.numbers
    test = numbers.one_sample if len(numbers.old) == 1 else numbers.with_margin
    wanted = case.limits.number("significance.p_readme")
    if isinstance(test, NotTestable):
        yield not_checked(RULE, f"not testable, {test.reason}: {found.sides()}", *found.places())
    elif test.p < wanted:
        yield passed(RULE, f"{p_in_words(test)} below {wanted}: {found.words()}", *found.places())
    elif not found.sample.proven:
        yield not_checked(RULE, f"claims that no log proves: {found.words()}", *found.places())
    else:
        small = 0 <= numbers.gain.bpb < _HOPELESS_STEP_BPB and len(numbers.new) <= 3
        hint = " Three seeds a side cannot show a step this small." if small else ""
        # Where the chain decides this is only a remark; the text profile knows no chain.
        say = noted if case.profile is not Profile.TEXT and chain_covers(case) else failed
        yield say(
            RULE,
            f"{p_in_words(test)} for a gain of {numbers.margin_nats} nats, p < {wanted} is needed: "
            f"{found.words()}.{hint}",
            *found.places(),
        )
