"""no-train-data-at-eval: no training data is read once the training time is over.

What it checks
    Reads of training files after the training loop, and the seconds its cap leaves for them.
Why it matters
    The README allows training data at evaluation only when its bits are paid for in the artifact.
What is allowed instead
    Stop training early: a reserve subtracted from the cap leaves time for calibration. Or calibrate on data
    the model generates itself.
How it is detected
    The order of calls from the entry script; objects made from the training file pattern; and the number the
    training loop compares its clock with, computed under the settings of the claimed run. Without a reserve
    a read after the loop asks a person. How long it took is calibration-in-train-budget's matter.
What it cannot see
    Reads in native or executed text, and data under another file name.
Rulings
    #569 and #639 (2026-03-24) collected Hessians from training data after 600 s.
Example
    train_gpt.py:948 reads training data after the training loop of train_gpt.py:886, whose cap of 600 s
    keeps nothing back
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.submission_audit import why_no_audit
from harness.case import needs_human, not_checked, passed
from harness.evidence.calibration_code import late_reads, seconds_of_cap
from harness.evidence.code_facts import fact_place, scan_facts, unseen_code
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "no-train-data-at-eval"


def check(case: Case) -> Iterator[Finding]:
    """One finding."""
    facts = scan_facts(case, "training_reads")
    if facts is None or facts["training_loop"] is None:
        why = why_no_audit(case) or "unresolved: no training loop was found in the code"
        yield not_checked(RULE, why)
        return
    loop = facts["training_loop"]
    reads = late_reads(case)
    cap = seconds_of_cap(case)
    nominal = case.limits.number("time.train_cap_seconds")
    if reads and (cap is None or cap >= nominal):
        first = reads[0]
        kept = "whose cap is unknown" if cap is None else f"whose cap of {cap:,.0f} s keeps nothing back"
        yield needs_human(
            RULE,
            f"{first['file']}:{first['line']} reads training data after the training loop of "
            f"{loop['file']}:{loop['line']}, {kept}",
            fact_place(case, first, "after the training loop", Role.PRIMARY),
            fact_place(case, first, "reads training data", prefix="read_"),
            fact_place(case, loop, "training loop"),
            ask="Does this read happen after the training seconds of the claimed run are spent?",
        )
        return
    hidden = unseen_code(case)
    if hidden is not None or facts.get("is_cut"):
        yield not_checked(RULE, f"unresolved: {hidden or 'the script makes more calls than are followed'}")
    elif reads:
        yield passed(
            RULE,
            f"training data read after the loop at {reads[0]['file']}:{reads[0]['line']} is inside the "
            f"{nominal - (cap or 0):,.1f} s that the cap keeps back",
            fact_place(case, reads[0], "after the training loop", Role.PRIMARY),
        )
    else:
        yield passed(
            RULE,
            "no training data is read after the training loop",
            fact_place(case, loop, "training loop", Role.PRIMARY),
        )
