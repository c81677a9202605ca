"""code-bytes-compressed-claim: a packed code size is counted while the readable script is shipped.

What it checks
    Whether the total a submission states stays within the cap only because the code was counted as it would
    be after packing, while the folder holds the readable script.
Why it matters
    The README caps "code bytes". A readable script of 150,000 bytes next to a packed count of 30,000 hides
    about 120,000 bytes of the cap, which is as much as the gap between many rows.
What is allowed instead
    Ship the packed script as train_gpt.py (a readable copy may lie beside it); its size on disk counts.
How it is detected
    Model bytes plus the entry script as shipped are over the cap while every stated total is within it. Our
    own packing (lzma and base85 of the unminified code) is given as a second opinion.
What it cannot see
    Whether the packed script would run: nobody shipped it.
Rulings
    #1530, 2026-04-11, merged 2026-04-29 (A3), and every later row: counted packed, accepted.
    #1959, 2026-05-02 (A2): the readable code was counted. Undecided: D2.
Example
    3 of 3 seeds: stated at most 15,996,842 bytes, but train_gpt.py as shipped (158,429 bytes) makes
    16,033,980, 33,980 over the cap of 16,000,000; packed by us the code has 38,012 bytes. Accepted rows
    since #1530 were measured packed; ship the packed script to settle it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_applicable, not_checked, passed
from harness.evidence.byte_count import count_bytes
from harness.evidence.cap_standing import Standing, standing_of
from harness.finding import Place, Role
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "code-bytes-compressed-claim"


def check(case: Case) -> Iterator[Finding]:
    """One finding for all seeds, with the numbers of the largest."""
    entry = case.submission.code.entry
    if entry is None:
        yield not_applicable(RULE, "there is no entry script")
        return
    cap = case.limits.integer("artifact.cap_bytes")
    seeds = [seed for seed in count_bytes(case) if seed.entry_total is not None]
    if not seeds:
        yield not_checked(
            RULE,
            "no compressed model size in the logs: the shipped total is unknown",
        )
        return
    hidden = [seed for seed in seeds if standing_of(seed, cap) is Standing.OVER_AS_SHIPPED]
    worst = max(hidden or seeds, key=lambda seed: seed.entry_total or 0)
    total = worst.entry_total or 0
    if not hidden:
        yield passed(
            RULE,
            f"{entry.path} counts with its {entry.shipped_bytes:,} bytes as shipped: {total:,} in total",
        )
        return
    stated = max((value.value for seed in hidden for value in seed.stated), default=None)
    said = f"stated at most {stated:,} bytes" if stated is not None else "no total is stated"
    packed = worst.code.packed
    ours = f"; packed by us the code has {packed:,} bytes" if packed is not None else ""
    yield needs_human(
        RULE,
        f"{len(hidden)} of {count_of(len(seeds), 'seed')}: {said}, but {entry.path} as shipped "
        f"({entry.shipped_bytes:,} bytes) makes {total:,}, {total - cap:,} over the cap of {cap:,}{ours}. "
        "Accepted rows since #1530 were measured packed; ship the packed script to settle it.",
        Place(file=entry.path, note=f"{entry.shipped_bytes:,} bytes as shipped"),
        *_related(worst.places()),
        ask="May this row count its code packed although the readable script is shipped (D2)?",
    )


def _related(places: tuple[Place, ...]) -> Iterator[Place]:
    for place in places:
        yield Place(
            file=place.file, line=place.line, role=Role.RELATED, note=place.note, excerpt=place.excerpt
        )
