"""Builders of audits from events written by hand: rules are tested on a few events, not on whole programs."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from harness.audit.events import Event, ProfileAudit, Spot
from harness.audit.regions import Interval, Region, Split
from harness.audit.run_profile import ProfileKind, RunProfile
from harness.audit.submission_audit import SubmissionAudit, audited_sources
from harness.case import Profile
from tests.builders import make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

    from harness.case import Case

SCRIPT = "".join(f"step_{line} = {line}\n" for line in range(1, 101))


def at(line: int, file: str = "train_gpt.py") -> Spot:
    """A line of the script."""
    return Spot(file=file, line=line)


def val(*loops: tuple[int, Interval]) -> Region:
    """Validation tokens: all of them, or those of `(loop, (first, last))`."""
    return Region(split=Split.VALIDATION, loops=loops)


def train(*loops: tuple[int, Interval]) -> Region:
    """Training tokens."""
    return Region(split=Split.TRAINING, loops=loops)


def run_profile(name: str = "defaults", kind: ProfileKind = ProfileKind.DEFAULTS, **facts: Any) -> RunProfile:
    """A configuration that sets nothing, unless `facts` do."""
    return RunProfile(
        **{
            "name": name,
            "kind": kind,
            "environment": {},
            "attributes": {},
            "argv": (),
            "world_size": 8,
            "is_claim": True,
            "log_lines": (),
            "log_file": None,
            **facts,
        }
    )


def audit_of(
    *events: Event,
    finished: bool = True,
    configured: tuple[str, ...] = (),
    run: RunProfile | None = None,
    **facts: Any,
) -> SubmissionAudit:
    """An audit of one profile with these events; `facts` are further fields (scans, problems, failure)."""
    run = run or run_profile()
    profile = ProfileAudit(profile=run.name, events=events, finished=finished, configured=configured)
    return SubmissionAudit(profiles=(profile,), run_profiles=(run,), **facts)


def audited_case(
    root: Path,
    *events: Event,
    audit: SubmissionAudit | None = None,
    script: str = SCRIPT,
    profile: Profile = Profile.PRACTICE,
    as_of: datetime.date = datetime.date(2026, 5, 2),
    **files: str | bytes | None,
) -> Case:
    """A case of a good submission whose script the interpreter saw do `events`.

    `script` is what excerpts are taken from: line 7 of the default is "step_7 = 7". `files` as in
    `make_submission`. Pass `audit` for anything that `audit_of` builds beyond the events.
    """
    submission = make_submission(root, **{"train_gpt__py": script, **files})
    audit = dataclasses.replace(audit or audit_of(*events), sources=audited_sources(submission))
    return dataclasses.replace(make_case(submission, profile=profile, as_of=as_of), audit=audit)
