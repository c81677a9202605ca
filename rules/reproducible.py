"""reproducible: a run can be repeated from the package: its random numbers come from the seed it is given.

What it checks
    Whether the script seeds the random numbers of its network at all, and with more than a constant.
Why it matters
    Logs of three seeds show the spread of a method only if the seed reaches the weights; without it nobody
    can run the same thing again.
What is allowed instead
    `torch.manual_seed(args.seed)` or the like, wherever the seed is set.
How it is detected
    The static audit looks for calls that seed the network's random numbers in the code that the script
    reaches. None, or constants alone, is a warning. It never passes: that takes a second run.
What it cannot see
    Whether a second run gives the same number.
Rulings
    README a15093ada, 2026-03-18 (A1): results that cannot be reproduced can be disqualified at any time.
    Nobody was refused for the seeding of a script.
Example
    train_gpt.py:31 reads SEED, but no call seeds the random numbers of the network: runs of different seeds
    differ by chance alone
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.submission_audit import why_no_audit
from harness.case import not_checked, warned
from harness.evidence.code_facts import fact_place, scan_facts, unseen_code
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "reproducible"


def check(case: Case) -> Iterator[Finding]:
    """One finding."""
    facts = scan_facts(case, "seeds")
    entry = case.submission.code.entry
    if facts is None or entry is None:
        yield not_checked(RULE, why_no_audit(case) or "the code was not scanned for seeds")
        return
    hidden = unseen_code(case)
    if any(not call["constant"] for call in facts["calls"]):
        yield not_checked(RULE, "the script seeds its random numbers; only a second run shows the same score")
    elif hidden is not None or not _makes_a_network(case):
        yield not_checked(RULE, f"unresolved: {hidden or 'no training loop was found in the code'}")
    elif facts["calls"]:
        call = facts["calls"][0]
        yield warned(
            RULE,
            f"{call['file']}:{call['line']} seeds the random numbers of the network with a constant, so "
            "every run draws the same ones whatever seed its log names; seed with the setting",
            fact_place(case, call, "a constant", Role.PRIMARY),
        )
    elif facts["reads"]:
        read = facts["reads"][0]
        yield warned(
            RULE,
            f"{read['file']}:{read['line']} reads SEED, but no call seeds the random numbers of the network: "
            "runs of different seeds differ by chance alone",
            fact_place(case, read, "the seed is read, and not used", Role.PRIMARY),
        )
    else:
        yield warned(
            RULE,
            f"{entry.path} never seeds the random numbers of the network: nobody can repeat the run",
        )


def _makes_a_network(case: Case) -> bool:
    reads = scan_facts(case, "training_reads")
    return reads is not None and reads["training_loop"] is not None
