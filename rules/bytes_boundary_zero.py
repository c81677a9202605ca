"""bytes-boundary-zero: control, unknown and unused tokens count no bytes, but their loss counts.

What it checks
    The byte count that a counted score implies, for one extra byte per document.
Why it matters
    50,000 document starts are 0.033 % of the bytes: small, but the same bias for every row.
What is allowed instead
    Give control, unknown and unused tokens zero bytes and keep their loss in the sum.
How it is detected
    Implied bytes 0.0325 to 0.0340 % above those of the text, 50,000 being 0.0331 %. It is a warning, for a
    mixture too: the effect is below 0.05 %. In the code, the function that makes the table is one of accepted
    records, or what it makes of ten sample tokens is computed; a wrong count asks a person.
What it cannot see
    Boundary tokens left out of the loss: that needs the static audit.
Rulings
    Default code on main since 2026-03-18. The byte-level stream shows the right way: 151,130,112 tokens,
    151,080,112 bytes, the difference being 50,000 document starts.
Example
    seed 42: 62,021,632 tokens x 2.02682737 / (ln 2 x 1.20000000) imply 151,130,891 bytes, +0.0331 %
    against the 151,080,891 bytes of the validation text: each of the 50,000 document-start tokens is
    counted as one byte; count the loss of boundary tokens, and zero bytes for them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import warned
from harness.evidence.byte_code import judge_byte_tables
from harness.evidence.byte_surplus import judge_surplus
from harness.finding import RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "bytes-boundary-zero"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed whose score implies a byte count, and one for a fault in the code."""
    tables = list(judge_byte_tables(case, RULE))
    yield from tables
    yield from judge_surplus(
        case,
        RULE,
        is_read=any(one.verdict is RuleVerdict.PASS for one in tables),
        absent="no room for 50,000 boundary bytes",
        advice="count the loss of boundary tokens, and zero bytes for them",
        tell=warned,
    )
