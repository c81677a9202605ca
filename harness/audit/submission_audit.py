"""What the static audit found out about one submission, as rules read it (`case.audit`).

Rules never see syntax trees: they read the events of each run profile, the facts of the scans, and ask here
for the places to show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.audit.events import ProfileAudit, Spot, Unresolved
from harness.audit.run_profile import claim_index
from harness.finding import Place, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.audit.run_profile import RunProfile
    from harness.case import Case
    from harness.submission import SourceFile, Submission

EXCERPT_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProblem:
    """Something the audit as a whole could not do. `profile` is "" when it concerns all of them.

    `kind`: limit (a budget of the guarded process), auditor-error (our own fault), unparseable, no-script,
    scan-error.
    """

    kind: str
    message: str
    profile: str = ""
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionAudit:
    """The static audit of one submission.

    `profiles[i]` are the events of `run_profiles[i]`; profiles with equal configurations share their events.
    `failure` says why nothing could be audited at all (then `profiles` is empty); a rule that needs the audit
    is NOT-CHECKED with it. `scans` are the facts of syntax trees, by the name of the scan.
    """

    profiles: tuple[ProfileAudit, ...] = ()
    run_profiles: tuple[RunProfile, ...] = ()
    scans: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[AuditProblem, ...] = ()
    failure: str | None = None
    sources: Mapping[str, SourceFile] = field(default_factory=dict)
    _lines: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def claim(self) -> ProfileAudit:
        """The profile of the claimed score: of its logs, else of a command, else the defaults.

        Without any profile an unfinished one whose only event says so: nothing can look clean in it.
        """
        if not self.profiles:
            return not_audited(self.failure or "no run profile was audited")
        return self.profiles[self._claim_index()]

    @property
    def claim_run(self) -> RunProfile | None:
        """The configuration `claim` was audited with."""
        return self.run_profiles[self._claim_index()] if self.run_profiles else None

    def _claim_index(self) -> int:
        return claim_index(self.run_profiles)

    def run_of(self, audit: ProfileAudit) -> RunProfile | None:
        """The configuration behind a profile's events."""
        return next((run for run in self.run_profiles if run.name == audit.profile), None)

    def excerpt(self, spot: Spot) -> str | None:
        """The line of the (unpacked) script, without its indentation; None when it is not at hand."""
        source = self.sources.get(spot.file)
        if source is None or source.text is None:
            return None
        if spot.file not in self._lines:
            self._lines[spot.file] = source.text.split("\n")  # the parser's lines, not str.splitlines
        lines = self._lines[spot.file]
        if not 1 <= spot.line <= len(lines):
            return None
        return lines[spot.line - 1].strip()[:EXCERPT_CHARACTERS]

    def place(self, spot: Spot, note: str = "", role: Role = Role.RELATED) -> Place:
        """The spot as a place a reviewer can open, with its line and what happens there.

        Findings list such places in order of execution; reports number them.
        """
        source = self.sources.get(spot.file)
        return Place(
            file=spot.file,
            line=spot.line if spot.line >= 1 else None,
            unpacked=source is not None and source.unpacked,
            role=role,
            note=note,
            excerpt=self.excerpt(spot),
            is_step=True,
        )


def not_audited(why: str, reason: str = "not-audited", profile: str = "") -> ProfileAudit:
    """A profile nobody could walk: unfinished, and unresolved on the path of the score."""
    event = Unresolved(id=1, at=Spot(file="", line=0), reason=reason, detail=why, on_path=True)
    return ProfileAudit(profile=profile, events=(event,), finished=False)


def audited_sources(submission: Submission) -> dict[str, SourceFile]:
    """The files of the submission the audit may quote: the entry script and all it reaches."""
    entry = submission.code.entry
    files = ((entry,) if entry is not None else ()) + submission.code.closure
    return {source.path: source for source in files}


def why_no_audit(case: Case) -> str | None:
    """Why there is nothing to judge by, as a NOT-CHECKED message; None when the audit is at hand."""
    if case.audit is None:
        return "the static audit of the code was not run"
    if case.audit.failure is not None:
        return f"unresolved: {case.audit.failure}"
    return None
