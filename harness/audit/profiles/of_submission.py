"""All run profiles of a submission, in order of provenance, with what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.run_profile import ProfileKind, RunProfile

if TYPE_CHECKING:
    from harness.evidence.seed_evidence import Evidence
    from harness.file_tree import FileTree
    from harness.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedProfiles:
    """The profiles, and what could not be taken in: commands over the limit, unreadable logs."""

    profiles: tuple[RunProfile, ...]
    problems: tuple[str, ...] = ()


def profiles_of(
    submission: Submission,
    files: FileTree | None,
    evidence: Evidence | None,
) -> CollectedProfiles:
    """The official run, with nothing set."""
    defaults = RunProfile(name="defaults", kind=ProfileKind.DEFAULTS, is_claim=True)
    return CollectedProfiles(profiles=(defaults,))
