"""Documented ways to run the script whose verdict differs from that of the claimed one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.breach_wording import message_of
from harness.audit.score_order.evidence_chain import breach_places
from harness.audit.score_order.family import order_of
from harness.audit.score_order.reading import read_order
from harness.audit.score_order.setting_words import named_settings
from harness.case import needs_human, noted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.run_profile import RunProfile
    from harness.case import Case
    from harness.finding import Finding

PROFILES_COMPARED = 8


def differing_profiles(case: Case, rule: str) -> Iterator[Finding]:
    """One finding for the first other profile that breaches while the claimed one does not.

    A claim that a log shows stands as audited, and the other profile is a remark. Without a log nobody knows
    which of the two made the number, so a person is asked.
    """
    audit, reading = case.audit, order_of(case)
    if audit is None or reading is None or reading.breaches:
        return
    claim = audit.claim_run
    for run, events in list(zip(audit.run_profiles, audit.profiles, strict=True))[:PROFILES_COMPARED]:
        if events is audit.claim or claim is None or run.name == claim.name:
            continue
        other = read_order(events)
        proven = next((breach for breach in other.breaches if breach.is_proven), None)
        if proven is None:
            continue
        how = _configuration(run, claim)
        message = f"{how} the verdict differs: {message_of(proven)}"
        places = breach_places(audit, other.index, proven)
        if claim.kind.value == "log":
            yield noted(rule, f"{message}. The log of the claimed score shows {_shown(claim)}", *places)
        else:
            ask = f"Was the claimed score produced {how[0].lower()}{how[1:]}?"
            yield needs_human(rule, message, *places, ask=ask)
        return


def _configuration(run: RunProfile, claim: RunProfile) -> str:
    said = named_settings(run, claim)
    if said:
        return f"With {said}"
    undone = named_settings(claim, run)
    return f"Without {undone}" if undone else f"As configured by {run.name}"


def _shown(claim: RunProfile) -> str:
    said = named_settings(claim)
    return said or "another configuration"
