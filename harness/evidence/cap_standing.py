"""Where one seed stands against the byte cap: which of its totals is over it, and what that can mean.

The order of the tests is the policy of the catalogue, sections 4.1 and 8 (D1 to D3); several rules report
parts of it, so it is decided once, here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.evidence.byte_count import SeedBytes


class Standing(StrEnum):
    """One seed's standing, worst cause first."""

    OVER_EVEN_PACKED = "over-even-packed"  # model plus the smallest code we can make is over
    OVER_STATED = "over-stated"  # every total the submission states is over, nothing smaller is shipped
    OVER_UNTIL_WRAPPED = "over-until-wrapped"  # a stated total is over, the shipped script brings it under
    CONTRADICTORY = "contradictory"  # one stated total is over, another under, and the shipped code is over
    OVER_AS_SHIPPED = "over-as-shipped"  # stated under; model plus the shipped entry script is over (D2)
    OVER_WITH_HELPERS = "over-with-helpers"  # stated under; only the helper files take it over (D3)
    OVER_WITH_DATA = "over-with-data"  # code and model fit; only data files that the code opens are too much
    WITHIN = "within"
    CLAIM_ONLY = "claim-only"  # a total is claimed, but no run proves it
    UNKNOWN = "unknown"


def _within(total: int | None, cap_bytes: int) -> bool:
    return total is not None and total <= cap_bytes


def _over(total: int | None, cap_bytes: int) -> bool:
    return total is not None and total > cap_bytes


def standing_of(seed: SeedBytes, cap_bytes: int) -> Standing:
    """The standing of one seed; a total equal to the cap is within it (D1)."""
    if _over(seed.least_total, cap_bytes):
        return Standing.OVER_EVEN_PACKED
    stated_over = [total for total in seed.stated if total.value > cap_bytes]
    if stated_over and _within(seed.shipped_total, cap_bytes):
        return Standing.OVER_UNTIL_WRAPPED
    if stated_over and len(stated_over) < len(seed.stated):
        return Standing.CONTRADICTORY
    if stated_over:
        return Standing.OVER_STATED
    if not seed.stated and seed.model is None:
        return Standing.UNKNOWN
    if _over(seed.entry_total, cap_bytes):
        return Standing.OVER_AS_SHIPPED
    if _over(seed.shipped_total, cap_bytes):
        return Standing.OVER_WITH_HELPERS
    if _over(seed.data_total, cap_bytes):
        return Standing.OVER_WITH_DATA
    if seed.logged_total is None and not (seed.has_run and _within(seed.shipped_total, cap_bytes)):
        return Standing.CLAIM_ONLY
    return Standing.WITHIN
