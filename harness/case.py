"""What a rule is given: one submission, its evidence, the limits in force, and the standing record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.finding import Confidence, Finding, Place, RuleVerdict

if TYPE_CHECKING:
    import datetime

    from harness.audit.submission_audit import SubmissionAudit
    from harness.dynamic.dynamic_audit import DynamicAudit
    from harness.evidence.seed_evidence import Evidence
    from harness.evidence.standing_record import Reference
    from harness.ruleset import Limits
    from harness.submission import Submission


class Profile(StrEnum):
    """How literally rules are read: the README, its enforced practice, or the formal conditions of #1017."""

    TEXT = "text"
    PRACTICE = "practice"
    FORMAL = "formal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything a rule may look at.

    `reference` is the record to beat, None when none is known. `audit` is the static audit of the code, None
    when no selected rule needs it. `dynamic` is what running the submission showed, None when it was not run.
    """

    submission: Submission
    evidence: Evidence
    limits: Limits
    profile: Profile
    as_of: datetime.date
    reference: Reference | None = None
    audit: SubmissionAudit | None = None
    dynamic: DynamicAudit | None = None


def passed(rule: str, message: str, *places: Place, confidence: Confidence = Confidence.HIGH) -> Finding:
    """A pass, with what was seen."""
    return Finding(rule=rule, verdict=RuleVerdict.PASS, message=message, places=places, confidence=confidence)


def failed(rule: str, message: str, *places: Place, confidence: Confidence = Confidence.HIGH) -> Finding:
    """A proven breach: only with direct evidence (a measured number, a quoted line)."""
    return Finding(rule=rule, verdict=RuleVerdict.FAIL, message=message, places=places, confidence=confidence)


def warned(rule: str, message: str, *places: Place, confidence: Confidence = Confidence.HIGH) -> Finding:
    """Something that should be mended but does not decide the verdict."""
    return Finding(rule=rule, verdict=RuleVerdict.WARN, message=message, places=places, confidence=confidence)


def noted(rule: str, message: str, *places: Place, confidence: Confidence = Confidence.HIGH) -> Finding:
    """A remark on a pass."""
    return Finding(rule=rule, verdict=RuleVerdict.INFO, message=message, places=places, confidence=confidence)


def needs_human(
    rule: str, message: str, *places: Place, ask: str, confidence: Confidence = Confidence.MEDIUM
) -> Finding:
    """A suspicion or an undecided dispute; `ask` is the one yes/no question a reviewer must answer."""
    return Finding(
        rule=rule,
        verdict=RuleVerdict.NEEDS_HUMAN,
        message=message,
        places=places,
        confidence=confidence,
        ask=ask,
    )


def not_checked(rule: str, message: str, *places: Place) -> Finding:
    """The evidence is missing; says which evidence would decide."""
    return Finding(rule=rule, verdict=RuleVerdict.NOT_CHECKED, message=message, places=places)


def not_applicable(rule: str, message: str) -> Finding:
    """The rule is about something this submission does not have or claim."""
    return Finding(rule=rule, verdict=RuleVerdict.NOT_APPLICABLE, message=message)
