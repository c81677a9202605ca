"""bytes-byte-fallback: a byte token counts exactly one byte.

What it checks
    The byte count that a counted score implies, for the surplus of byte tokens counted by their printed name.
Why it matters
    A byte token prints as `<0xE2>`: counting its characters or three bytes adds bytes the text does not have.
What is allowed instead
    Count one byte for every byte token.
How it is detected
    Implied bytes 4.05 to 4.20 % above those of the text, as in the one tokenizer this happened to. In the
    code, the function that makes the table is one of accepted records, or what it makes of ten sample tokens
    is computed; a wrong count asks a person.
What it cannot see
    Tokenizers that fall back to bytes rarely: below 1e-4 of the bytes nothing shows.
Rulings
    A merged row was taken off the board on 2026-04-26 (7427de232, #1806): 27 tokens were counted as three
    bytes, 157,319,833 against 151,073,604 bytes (#1289).
Example
    seed 42: 37,000,000 tokens x 2.90000000 / (ln 2 x 0.98397500) imply 157,322,000 bytes, +4.13 % against
    the 151,080,891 bytes of the validation text: byte-fallback tokens are counted as three bytes, not
    one; count one byte for each byte token
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.byte_code import judge_byte_tables
from harness.evidence.byte_surplus import judge_surplus
from harness.finding import RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "bytes-byte-fallback"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed whose score implies a byte count, and one for a fault in the code."""
    tables = list(judge_byte_tables(case, RULE))
    yield from tables
    yield from judge_surplus(
        case,
        RULE,
        is_read=any(one.verdict is RuleVerdict.PASS for one in tables),
        absent="no room for byte tokens counted thrice",
        advice="count one byte for each byte token",
    )
