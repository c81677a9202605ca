"""sig-p025-chain: the mean beats the accepted frontier with one-sided p < 0.25.

What it checks
    One-sided Welch test without margin on per-seed scores against the best row of an earlier pull request.
Why it matters
    This is the screen that decides rows since 2026-04-28; a worse p-value means no row.
What is allowed instead
    More seeds, or filing as non-record. A score worse than the frontier is chrono-open's matter.
How it is detected
    t = d / sqrt(va/n + vb/m) with sample variances, p from Student's t; both samples are printed. The test
    was applied to pull requests from #1494 on (`significance.chain_first_pr`); older ones are left alone.
What it cannot see
    Which samples staff used: stated values of #1945, #1953 and #2014 come from population deviations, that
    of #1855 from three more runs outside the repository. So a miss asks a person, it never rejects. With one
    seed nothing can be tested.
Rulings
    #1899 and #1900, 2026-04-28 (A3): the chain. #1902, 2026-04-29 (A2): the table rebuilt with it.
    #1797, 2026-04-29 (A2): technically fine, missed it. #1855 (A3): own seeds give p = 0.32, accepted with
    reproduction runs. #1667 (A3): accepted at p = 0.228, #1610 at 0.202.
Example
    p = 0.3242 against the frontier, below 0.25 is needed: mean 1.06108 of 3 logged scores 1.05989, 1.06125,
    1.06209, against #1851 with mean 1.06145 of 3 scores: 0.00038 BPB lower ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_applicable, not_checked, passed
from harness.evidence.record_comparison import chain_covers, compare_with_record
from harness.evidence.significance import NotTestable, p_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "sig-p025-chain"


def check(case: Case) -> Iterator[Finding]:
    """The chain's test against the frontier."""
    if not chain_covers(case):
        first = case.limits.integer("significance.chain_first_pr")
        yield not_applicable(RULE, f"the chain covers pull requests from #{first} on")
        return
    found = compare_with_record(case)
    if isinstance(found, str):
        yield not_checked(RULE, found)
        return
    numbers = found.numbers
    test = numbers.one_sample if len(numbers.old) == 1 else numbers.no_margin
    wanted = case.limits.number("significance.p_chain")
    if isinstance(test, NotTestable):
        yield not_checked(RULE, f"not testable, {test.reason}: {found.sides()}", *found.places())
    elif test.p < wanted and not found.sample.proven:
        yield not_checked(RULE, f"{p_in_words(test)}, from claims only: {found.words()}", *found.places())
    elif test.p < wanted:
        yield passed(RULE, f"{p_in_words(test)} below {wanted}: {found.words()}", *found.places())
    else:
        yield needs_human(
            RULE,
            f"{p_in_words(test)} against the frontier, below {wanted} is needed: {found.words()}",
            *found.places(),
            ask=f"Do further runs of this code bring p below {wanted} against {found.reference.name}?",
        )
