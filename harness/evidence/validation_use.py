"""What the scans say of validation results and tokens used in a script, under the settings of the claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.audit.scans.setting_values import holds
from harness.case import needs_human
from harness.evidence.code_facts import fact_place, scan_facts
from harness.finding import Role

if TYPE_CHECKING:
    from harness.case import Case
    from harness.finding import Finding

_EFFECTS = {
    "stops": ("leaves its loop by it", "stops by the result"),
    "weights": ("loads weights by it", "chooses weights by the result"),
    "setting": ("keeps a value for it that is used later", "keeps a value by the result"),
}


def choice_by_result(case: Case, rule: str, *, for_artifact: bool) -> Finding | None:
    """A question about the first choice by a result over validation, made for the artifact or after it."""
    for fact in _in_force(case, "validation_choices"):
        if (fact["in_training"] or fact["writes_later"]) is not for_artifact:
            continue
        what, note = _EFFECTS[fact["effect"]]
        ask = (
            "Does this choice, made by the result on validation, decide what is in the artifact?"
            if for_artifact
            else "Is this choice, made by the result on validation, inside the claimed number?"
        )
        return needs_human(
            rule,
            f"{fact['file']}:{fact['line']} compares results over validation and {what}. Choose before "
            "evaluation, or by training data",
            fact_place(case, fact, "evaluates validation", prefix="evaluated_"),
            fact_place(case, fact, note, Role.PRIMARY),
            ask=ask,
        )
    return None


def validation_tokens_given(case: Case, kind: str) -> dict[str, Any] | None:
    """The first call that is given validation tokens: `kind` is written or statistics."""
    return next((fact for fact in _in_force(case, "validation_stored") if fact["kind"] == kind), None)


def _in_force(case: Case, scan: str) -> list[dict[str, Any]]:
    """Facts whose conditions the claimed run does not refute."""
    facts = scan_facts(case, scan)
    if facts is None or case.audit is None:
        return []
    run = case.audit.claim_run
    return [fact for fact in facts if holds(fact["tests"], run) is not False]
