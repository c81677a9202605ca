"""bytes-boundary-zero: control, unknown and unused tokens count no bytes, but their loss counts.

What it checks
    The byte count that a counted score implies, for one extra byte per document.
Why it matters
    50,000 document starts are 0.033 % of the bytes: small, but the same bias for every row.
What is allowed instead
    Give control, unknown and unused tokens zero bytes and keep their loss in the sum.
How it is detected
    Implied bytes 50,000 above those of the text, within a few hundred. It is a warning: the effect is below
    0.05 %.
What it cannot see
    Boundary tokens left out of the loss: that needs the static audit.
Rulings
    Default code on main since 2026-03-18. The byte-level stream shows the right way: 151,130,112 tokens,
    151,080,112 bytes, the difference being 50,000 document starts.
Example
    seed 42: 151,130,891 implied bytes, +0.0331 % against the 151,080,891 bytes of the validation text: each
    of the 50,000 document-start tokens is counted as one byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, passed, warned
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
        if found.rule != "bytes-boundary-zero" or found.agreement is not Agreement.OFF:
            if found.agreement is Agreement.EXACT:
                yield passed(
                    "bytes-boundary-zero", f"{said}: no room for 50,000 boundary bytes", *implied.places()
                )
            continue
        if implied.is_mixture:
            yield needs_human(
                "bytes-boundary-zero",
                f"{said}; as if {found.cause}, but {implied.label!r} names a mixture",
                *implied.places(),
                ask="Does the score divide by the bytes of the original text?",
            )
            continue
        yield warned(
            "bytes-boundary-zero",
            f"{said}: {found.cause}; give boundary tokens zero bytes",
            *implied.places(),
        )
    if not seen:
        yield not_checked(
            "bytes-boundary-zero", "no log prints val_loss, val_bpb and val_tokens of a counted score"
        )
