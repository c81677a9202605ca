"""Which settings a verdict holds for, and where they come from."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.audit.events import BranchProven
from harness.audit.run_profile import Setting
from harness.wording import listed

if TYPE_CHECKING:
    from harness.audit.events import ProfileAudit
    from harness.audit.run_profile import RunProfile
    from harness.audit.submission_audit import SubmissionAudit

SETTINGS_SHOWN = 3
# Which of many settings a sentence names first; the verdict does not depend on it.
_TELLING = re.compile(r"ttt|slot|adapt|eval|prequant|ngram|cache|epoch|calib", re.IGNORECASE)


def settings_behind(audit: SubmissionAudit | None) -> str:
    """The sentence that names the settings of the claimed profile, "" when it is the defaults."""
    if audit is None or audit.claim_run is None:
        return ""
    said = named_settings(with_proven(audit.claim_run, audit.claim))
    return f". So configured: {said}" if said else ""


def with_proven(run: RunProfile, audit: ProfileAudit) -> RunProfile:
    """The run with the settings that its log shows by what it prints; they go over documented ones."""
    proven = {
        event.setting: Setting(
            value=str(event.taken),
            source=f"{event.log.file}:{event.log.line}",
            file=event.log.file,
            line=event.log.line,
        )
        for event in audit.events
        if isinstance(event, BranchProven) and event.setting
    }
    names = {name.lower() for name in proven}
    kept = {name: one for name, one in run.environment.items() if name.lower() not in names}
    return replace(run, environment=kept, attributes={**run.attributes, **proven})


def named_settings(run: RunProfile, other: RunProfile | None = None) -> str:
    """Settings of a profile with their sources: "TTT_ENABLED=1 from README.md:31".

    With another profile only those that differ from it.
    """
    given = {**run.attributes, **run.environment}
    base = {**other.attributes, **other.environment} if other is not None else {}
    differing = {
        name: one for name, one in given.items() if name not in base or base[name].value != one.value
    }
    telling = sorted(name for name in differing if _TELLING.search(name))
    if not telling and other is None:
        return ""
    names = telling or sorted(differing)
    words = [f"{name}={differing[name].value} from {differing[name].source}" for name in names]
    return listed(words, SETTINGS_SHOWN)
