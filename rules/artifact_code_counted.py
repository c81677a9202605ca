"""artifact-code-counted: the code that a run needs counts towards the cap, at least the entry script.

What it checks
    Whether the totals a submission states include code at all, and whether the logged code size was taken of
    the script that does the work.
Why it matters
    A total that is only the model hides 15,000 to 150,000 bytes, more than the margin of most rows.
What is allowed instead
    Count the entry script as train_gpt.py on main does: its bytes in UTF-8, added to the compressed model.
How it is detected
    A stated total equal to the compressed model alone counts no code. It fails when model plus the tightest
    code we can pack is over the cap, and is a warning otherwise. A logged code size far below the shipped
    code is left to code-bytes-compressed-claim.
What it cannot see
    Code downloaded at run time or hidden in a package; that needs the static audit.
Rulings
    README FAQ, a15093ada, 2026-03-18 (A1): code bytes plus compressed model bytes.
    #1412, merged (A3): 15,976,275 claimed was the model alone, tolerated.
Example
    seed 1337: submission.json states 15,976,275 bytes, which is the compressed model without any code;
    with the code as shipped it is 16,056,404 (cap 16,000,000). State model plus code
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, not_applicable, not_checked, passed, warned
from harness.evidence.byte_count import count_bytes
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.byte_count import SeedBytes
    from harness.finding import Finding, Sourced

RULE = "artifact-code-counted"


def _without_code(seed: SeedBytes) -> list[Sourced[int]]:
    """The stated totals that are nothing but the model."""
    return [total for total in seed.stated if seed.model is not None and total.value == seed.model.value]


def check(case: Case) -> Iterator[Finding]:
    """One finding for each seed whose total leaves the code out, one for the others."""
    cap = case.limits.integer("artifact.cap_bytes")
    if case.submission.code.entry is None:
        yield not_applicable(RULE, "there is no entry script to count")
        return
    counted: list[SeedBytes] = []
    open_seeds = 0
    for seed in count_bytes(case):
        bare = _without_code(seed)
        if bare:
            total = bare[0]
            message = (
                f"{seed.name}: {total.file} states {total.value:,} bytes, which is the compressed model "
                f"without any code; with the code as shipped it is {seed.shipped_total or 0:,} (cap "
                f"{cap:,}). State model plus code"
            )
            over = seed.least_total is not None and seed.least_total > cap
            tell = failed if over else warned
            yield tell(RULE, message, total.place("total without code"))
        elif seed.logged_code is not None and seed.logged_total is not None:
            counted.append(seed)
        else:
            open_seeds += 1
    if counted:
        seed = counted[0]
        code = seed.logged_code
        assert code is not None
        yield passed(
            RULE,
            f"{count_of(len(counted), 'log')} adding {code.value:,} bytes of code to the model",
            code.place("code size in the total"),
        )
    elif open_seeds:
        yield not_checked(
            RULE,
            "no log prints both a code size and a total; those two lines would decide",
        )
