"""c1-causal: the probability of a token depends on the artifact and on tokens already committed only.

What it checks
    With `--dynamic`: whether scores stay when tokens that are scored later are others. Without: whether the
    code that makes the scores can be read at all (native libraries, compilers, executed text).
Why it matters
    A score that looks at the token it predicts, or at later ones, is no prediction.
What is allowed instead
    Helpers whose sources are in the folder and which see the prefix only.
How it is detected
    It never passes without a run: later tokens are exchanged, and the scores before them must stay, bit for
    bit (docs/dynamic_audit.md). Until then it says what in the code keeps even a reader from knowing.
What it cannot see
    Without a run masks and kernels of attention, and anything numerical; with one what happens at full size
    only.
Rulings
    Named condition 1 in #1017; audit notes of 2026-05-02.
Example
    unresolved: ctypes.CDLL at train_gpt.py:243 runs code that cannot be read here; only a run with exchanged
    later tokens tells
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.submission_audit import why_no_audit
from harness.case import not_checked
from harness.evidence.code_facts import fact_place, scan_facts, unseen_code
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "c1-causal"


def check(case: Case) -> Iterator[Finding]:
    """One finding that says what is missing."""
    missing = why_no_audit(case)
    if missing is not None:
        yield not_checked(RULE, missing)
        return
    hidden = scan_facts(case, "hidden_code")
    if hidden:
        yield not_checked(
            RULE,
            f"unresolved: {unseen_code(case)}; only a run with exchanged later tokens tells (--dynamic)",
            fact_place(case, hidden[0], "runs code that cannot be read", Role.PRIMARY),
        )
    else:
        yield not_checked(
            RULE, "no code is hidden from a reader; only a run with exchanged later tokens tells (--dynamic)"
        )
