"""bytes-byte-fallback: a byte token counts exactly one byte.

What it checks
    The byte count that a counted score implies, for the surplus of byte tokens counted by their printed name.
Why it matters
    A byte token prints as `<0xE2>`: counting its characters or three bytes adds bytes the text does not have.
What is allowed instead
    Count one byte for every byte token.
How it is detected
    Implied bytes 4.05 to 4.20 % above those of the text, as in the one tokenizer this happened to.
What it cannot see
    Tokenizers that fall back to bytes rarely: below 1e-4 of the bytes nothing shows.
Rulings
    A merged row was taken off the board on 2026-04-26 (7427de232, #1806): 27 tokens were counted as three
    bytes, 157,319,833 against 151,073,604 bytes (#1289).
Example
    seed 42: 37,000,000 tokens x 2.90000000 / (ln 2 x 0.98397500) imply 157,322,000 bytes, +4.13 % against the
    151,080,891 bytes of the validation text: byte-fallback tokens are counted as three bytes, not one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, passed
from harness.headline_runs import seed_label
from harness.validation_bytes import Agreement, diagnose, equation, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed whose score implies a byte count."""
    seen = False
    for seed in case.evidence.seeds:
        implied = measure(seed)
        found = diagnose(implied, case.limits) if implied is not None else None
        if implied is None or found is None:
            continue
        seen = True
        said = f"{seed_label(seed.seed)}: {equation(implied, case.limits)}"
        if found.rule != "bytes-byte-fallback" or found.agreement is not Agreement.OFF:
            if found.agreement is Agreement.EXACT:
                yield passed(
                    "bytes-byte-fallback",
                    f"{said}: no room for byte tokens counted thrice",
                    *implied.places(),
                )
            continue
        if implied.is_mixture:
            yield needs_human(
                "bytes-byte-fallback",
                f"{said}; as if {found.cause}, but {implied.label!r} names a mixture",
                *implied.places(),
                ask="Does the score divide by the bytes of the original text?",
            )
            continue
        yield failed(
            "bytes-byte-fallback",
            f"{said}: {found.cause}; count one byte for each byte token",
            *implied.places(),
        )
    if not seen:
        yield not_checked(
            "bytes-byte-fallback", "no log prints val_loss, val_bpb and val_tokens of a counted score"
        )
