"""What a rule says of events written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.finding import Role
from tests.builders import findings_of
from tests.harness.audit.audit_builder import audited_case

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event
    from harness.finding import Finding

NON_RECORD = "records/track_non_record_16mb/2026-04-01_Example"


def judged(rule: str, root: Path, events: tuple[Event, ...], **more: Any) -> Finding:
    """The only finding of the rule."""
    findings = findings_of(rule, audited_case(root, *events, **more))
    assert len(findings) == 1, findings
    return findings[0]


def primary_line(finding: Finding) -> int | None:
    """The line a reviewer looks at first."""
    return next(place.line for place in finding.places if place.role is Role.PRIMARY)


def lines(finding: Finding) -> list[int | None]:
    """The lines of a finding in the order shown."""
    return [place.line for place in finding.places]
