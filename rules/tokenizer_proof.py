"""tokenizer-proof: a changed tokenizer or dataset comes with proof that val_bpb is right.

What it checks
    Whether the scored stream is a known one, and if not, whether its bytes are those of the text.
Why it matters
    A tokenizer decides what a token's bytes are: most wrong scores came from changed ones.
What is allowed instead
    Any tokenizer whose bytes, summed over the validation set, are the 151,080,891 of the text.
How it is detected
    The printed token count and the byte count implied by loss and score. A known stream, or a new one whose
    implied bytes agree within 1e-4, passes; anything else asks a person for the proof.
What it cannot see
    Whether the ids decode to the text: that needs the tokenizer and the data.
Rulings
    README: changed tokenizers are examined harder. sp4096 (#1218, #1334), sp8192 (#1394) and CaseOps (#1729)
    were accepted; one with a wrong byte table was taken off the board (7427de232, 2026-04-26).
Example
    49,999,872 validation tokens belong to no known stream (the nearest, CaseOps 8192, has 47,853,343);
    49,999,872 tokens x 2.85458602 / (ln 2 x 1.04026259) imply 197,944,567 bytes, +31.02 % against the
    151,080,891 bytes of the validation text
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, noted, passed
from harness.evidence.validation_bytes import (
    Agreement,
    diagnose,
    equation,
    known_streams,
    measure,
    stream_of_tokens,
    tokens_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Sourced

RULE = "tokenizer-proof"


def check(case: Case) -> Iterator[Finding]:
    """One finding per distinct stream."""
    seen: set[int] = set()
    for seed in case.evidence.seeds:
        tokens = tokens_of(seed)
        if tokens is not None and tokens.value not in seen:
            seen.add(tokens.value)
            yield _judge(case, seed, tokens)
    if not seen:
        yield not_checked(RULE, "no log prints val_tokens: the tokenizer's stream is unknown")


def _judge(case: Case, seed: SeedEvidence, tokens: Sourced[int]) -> Finding:
    stream = stream_of_tokens(tokens.value, case.limits)
    place = tokens.place("validation tokens")
    if stream is not None:
        return passed(
            RULE,
            f"{tokens.value:,} validation tokens: the {stream.name} stream, accepted",
            place,
        )
    implied = measure(seed)
    found = diagnose(implied, case.limits) if implied is not None else None
    nearest = min(known_streams(case.limits), key=lambda each: abs(each.tokens - tokens.value))
    said = (
        f"{tokens.value:,} validation tokens belong to no known stream (the nearest, {nearest.name}, has "
        f"{nearest.tokens:,})"
    )
    if implied is None or found is None:
        return needs_human(
            RULE,
            f"{said}, and no loss is printed beside the score to check its bytes",
            place,
            ask="Does the README prove that the byte count of this tokenizer is that of the text?",
        )
    if found.agreement is Agreement.SUBSET and found.stream is not None:
        return noted(
            RULE,
            f"{said}, but their bytes per token are those of {found.stream.name}: a part of it (see "
            "val-full)",
            place,
        )
    if found.agreement is Agreement.EXACT:
        return passed(RULE, f"{said}, but its bytes agree: {equation(implied, case.limits)}", place)
    return needs_human(
        RULE,
        f"{said}; {equation(implied, case.limits)}",
        place,
        *implied.places()[:1],
        ask="Does the README prove that the byte count of this tokenizer is that of the text?",
    )
