"""Reads of training data after the training loop, under the settings of the claimed run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.audit.scans.setting_values import holds, value_of
from harness.evidence.code_facts import scan_facts

if TYPE_CHECKING:
    from harness.case import Case

# A cap is recognised by its size, in seconds or milliseconds, before a reserve is subtracted.
_SECONDS = (400.0, 660.0)


def late_reads(case: Case) -> list[dict[str, Any]]:
    """Reads after the loop whose conditions the claimed run does not refute."""
    facts = scan_facts(case, "training_reads")
    if facts is None or case.audit is None:
        return []
    run = case.audit.claim_run
    return [read for read in facts["reads"] if holds(read["tests"], run) is not False]


def seconds_of_cap(case: Case) -> float | None:
    """The seconds at which the training loop stops, a reserve subtracted; None when settings do not say."""
    facts = scan_facts(case, "training_reads")
    if facts is None or case.audit is None:
        return None
    run = case.audit.claim_run
    found: list[float] = []
    for cap in facts["caps"]:
        numbers = [_number(value_of(one, run)) for one in cap["is"]]
        minus = sum(_number(value_of(one, run)) or 0.0 for one in cap["minus"])
        for number in numbers:
            for scale in (1.0, 1_000.0):
                low, high = _SECONDS
                if number is not None and low <= number / scale <= high:
                    found.append((number - minus) / scale)
    return min(found, default=None)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
