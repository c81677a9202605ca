"""Facts of the static audit's scans as rules use them: at hand or not, and as places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.audit.events import Spot
from harness.audit.scans.setting_values import holds
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.case import Case
    from harness.finding import Place

_NATIVE = {"native", "compiler"}


def scan_facts(case: Case, scan: str) -> Any:
    """What the scan found, None when there is no audit or the scan did not finish."""
    if case.audit is None or case.audit.failure is not None:
        return None
    return case.audit.scans.get(scan)


def fact_place(
    case: Case, fact: Mapping[str, Any], note: str = "", role: Role = Role.RELATED, prefix: str = ""
) -> Place:
    """The place of a fact; `prefix` picks another pair of its keys ("read_file", "read_line")."""
    assert case.audit is not None
    spot = Spot(file=str(fact[f"{prefix}file"]), line=int(fact[f"{prefix}line"]))
    return case.audit.place(spot, note, role)


def native_code(case: Case) -> str | None:
    """The first call of native code or a compiler that the claimed run does not switch off."""
    run = case.audit.claim_run if case.audit is not None else None
    for fact in scan_facts(case, "hidden_code") or ():
        if fact["kind"] not in _NATIVE:
            continue
        if any(holds(way, run) is not False for way in fact.get("ways", [[]])):
            return f"{fact['call']} at {fact['file']}:{fact['line']} runs native code, which is not read here"
    return None


def unseen_code(case: Case) -> str | None:
    """Why the sources may not show everything: the first call that hides code; None when nothing does."""
    hidden = scan_facts(case, "hidden_code")
    if hidden is None:
        return "the code was not scanned"
    for fact in hidden:
        return f"{fact['call']} at {fact['file']}:{fact['line']} runs code that cannot be read here"
    return None


def of_the_logs(case: Case) -> str:
    """Words for a pass that rests on printed numbers while the code cannot be read; "" when it can."""
    unseen = unseen_code(case)
    return "" if unseen is None else f" (by the log alone: {unseen})"
