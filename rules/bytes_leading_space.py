"""bytes-leading-space: the space mark of a token counts one byte, once.

What it checks
    The byte count that a counted score implies, for the surplus that counting each word's space twice leaves.
Why it matters
    Every sixth byte of English text is a space: counting it twice improves every score by a seventh.
What is allowed instead
    Add one byte for a token's leading space mark if the token before it is no boundary token, as train_gpt.py
    on main does, and strip the mark before counting the rest.
How it is detected
    Implied bytes 16.5 to 18.0 % above those of the text: every known case lies between 16.7 and 17.7 %. In
    the code, the function that makes the tables is one of accepted records, or what it makes of ten sample
    tokens is computed, and each line that adds the space is read; a wrong one asks a person.
What it cannot see
    A space rule that is wrong for few tokens, in code that could not be computed.
Rulings
    Default code on main since 2026-03-18; issue #1719 (2026-04-18) names the error. #1698, #1712 and #1734
    show 16.7 to 17.5 %: 176,332,748 bytes; #1734 was withdrawn by its author.
Example
    seed 42: 40,540,160 tokens x 2.60000000 / (ln 2 x 0.86235000) imply 176,334,402 bytes, +16.72 %
    against the 151,080,891 bytes of the validation text: the space mark of a token is counted twice, or
    counted after a document boundary; count each space mark once, as train_gpt.py on main does
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.byte_code import adds_space_rightly, judge_byte_tables, judge_space_counting
from harness.evidence.byte_surplus import judge_surplus
from harness.finding import RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "bytes-leading-space"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed whose score implies a byte count, and one for a fault in the code."""
    added = list(judge_space_counting(case, RULE))
    tables = list(judge_byte_tables(case, RULE))
    yield from added
    # A right table passes only together with the line that adds the space.
    shown = [one for one in tables if one.verdict is not RuleVerdict.PASS or adds_space_rightly(case)]
    yield from shown
    yield from judge_surplus(
        case,
        RULE,
        is_read=any(one.verdict is RuleVerdict.PASS for one in shown),
        absent="no room for a doubled space",
        advice="count each space mark once, as train_gpt.py on main does",
    )
