"""Choices made by a metric over validation that reach the claimed number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.events import Selected
from harness.audit.regions import Split
from harness.audit.score_order.evidence_chain import at, placed

if TYPE_CHECKING:
    from harness.audit.score_order.event_index import EventIndex
    from harness.audit.score_order.reading import OrderReading
    from harness.audit.submission_audit import SubmissionAudit
    from harness.finding import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChoice:
    """One comparison of results over validation. `is_in_artifact`: an artifact is written after it."""

    message: str
    places: tuple[Place, ...]
    is_in_artifact: bool


def selections_by_metric(audit: SubmissionAudit, reading: OrderReading) -> list[MetricChoice]:
    """The choices in order of time; those between passes that learned are stated at oracle-min."""
    index = reading.index
    stated = {breach.selected.id for breach in reading.breaches if breach.selected is not None}
    chosen = [each for each in index.all_of(Selected) if each.id not in stated and _is_by_metric(index, each)]
    return [_choice(audit, index, each) for each in chosen]


def _is_by_metric(index: EventIndex, selection: Selected) -> bool:
    compared = index.inside(selection.scores)
    if not any(score.region.split is Split.VALIDATION for score in compared):
        return False
    if selection.by == "validation-metric":
        return True
    # The lower of two whole results: a choice between evaluators rather than between a token's losses.
    return selection.by == "loss" and not selection.per_token and selection.score in index.claim_names


def _choice(audit: SubmissionAudit, index: EventIndex, selection: Selected) -> MetricChoice:
    compared = list(dict.fromkeys(score.forward for score in index.inside(selection.scores)))[:3]
    # The lower of two numbers chooses a number; weights are chosen by a comparison that a branch looks at.
    later = (export for export in index.exports if export.id > selection.id)
    written = next(later, None) if selection.by == "validation-metric" else None
    steps = [(spot, "result over validation that is compared") for spot in compared]
    steps.append((selection.at, "the better one is kept"))
    if written is not None:
        steps.append((written.at, "written afterwards"))
    claim = index.claim_sinks[0] if index.claim_sinks else None
    if claim is not None:
        steps.append((claim.at, "the claimed number is printed"))
    what = "what is written into the artifact" if written is not None else "what is reported"
    return MetricChoice(
        message=f"{at(selection.at)} compares results over validation and keeps the better one, which "
        f"decides {what}. Choose before evaluation, or by training data",
        places=placed(audit, steps, selection.at),
        is_in_artifact=written is not None,
    )
