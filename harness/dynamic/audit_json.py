"""A dynamic audit as plain data: in the JSON report, and kept beside the picture of its first run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.dynamic.decisions import CONDITIONS, why_not_clean
from harness.dynamic.phases import phases

if TYPE_CHECKING:
    from harness.dynamic.dynamic_audit import DynamicAudit
    from harness.dynamic.phases import Phase

_PHASES_AT_MOST = 60


def audit_as_json(audit: DynamicAudit) -> dict[str, Any]:
    """Everything that was decided and from what, and the course of the first run."""
    course = phases(audit.base) if audit.base is not None else []
    return {
        "failure": audit.failure,
        "step": audit.step,
        "label": audit.label,
        "score": audit.score,
        "is_claim_sure": audit.is_claim_sure,
        "is_claim_guessed": audit.is_claim_guessed,
        "adapts": audit.adapts,
        "learns_between_scores": audit.learns_between_scores,
        "seconds": audit.seconds,
        "looked_before": audit.looked_before,
        "not_cleared": {rule: why for rule in CONDITIONS if (why := why_not_clean(audit, rule)) is not None},
        "lacking": [cause.value for cause in audit.lacking],
        "notes": list(audit.notes),
        "settings": dict(audit.settings),
        "results": [
            {
                "probe": result.probe,
                "condition": result.condition,
                "outcome": result.outcome.value,
                "sentence": result.sentence,
                "numbers": dict(result.numbers),
                "runs": list(result.runs),
            }
            for result in audit.results
        ],
        "runs": [
            {"name": run.name, "what": run.what, "seconds": run.seconds, "ending": run.ending}
            for run in audit.runs
        ],
        "course": [_phase(each) for each in _ends(course)],
        "course_left_out": max(len(course) - _PHASES_AT_MOST, 0),
    }


def _ends(course: list[Phase]) -> list[Phase]:
    half = _PHASES_AT_MOST // 2
    return course if len(course) <= _PHASES_AT_MOST else [*course[:half], *course[-half:]]


def _phase(phase: Phase) -> dict[str, Any]:
    return {
        "kind": phase.kind,
        "what": phase.what,
        "first_event": phase.first,
        "count": phase.count,
        "lowest": phase.lowest,
        "highest": phase.highest,
        "counted": phase.counted,
        "times": phase.times,
        "cycle": phase.cycle,
    }
