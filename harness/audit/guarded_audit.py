"""Audits a submission that has been read: in the guarded process, or from audits already kept.

The result is always a `SubmissionAudit`; what could not be audited is in it as a failure or as problems, and
no limit that a hostile script hits costs more than its own audit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.audit.event_json import read_audit
from harness.audit.run_profile import run_profiles
from harness.audit.submission_audit import AuditProblem, SubmissionAudit, audited_sources
from harness.code.guarded_process import Guard, LimitHit, shared_worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.audit.kept_audits import KeptAudits
    from harness.audit.run_profile import RunProfile
    from harness.evidence.seed_evidence import Evidence
    from harness.file_tree import FileTree
    from harness.submission import SourceFile, Submission

# The passes count their own work; time is a backstop for what they do not count, and far from it: a machine
# that is busy with other work must not change a verdict.
GUARD = Guard(memory_bytes=2 * 2**30, cpu_seconds=240, wall_seconds=900.0, reply_bytes=128 * 2**20)
# What the child runs, relative to `harness`; a test compares it with the modules that are loaded there.
AUDITOR_CODE = (
    "audit/*.py",
    "audit/interpreter/**/*.py",
    "audit/libraries/**/*.py",
    "audit/profiles/*.py",
    "audit/scans/**/*.py",
    "audit/token_flow/**/*.py",
    "code/*.py",
)
AUDITOR = "harness.audit.audit_sources:audit_sources"


@cache
def auditor_digest() -> str:
    """A digest of the code that makes audits: rules and output formats may change without redoing them."""
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    harness = Path(__file__).resolve().parent.parent
    for pattern in AUDITOR_CODE:
        for path in sorted(harness.glob(pattern)):
            digest.update(f"{path.relative_to(harness)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """What the child is asked: `runs` are the run profiles in the order of its answer, the claim first."""

    runs: tuple[RunProfile, ...]
    argument: dict[str, Any]
    texts: tuple[bytes, ...]

    def key(self) -> str:
        """One key from the sources, the run profiles and the auditor's code."""
        digest = hashlib.sha256(auditor_digest().encode())
        for part in (json.dumps(self.argument, sort_keys=True).encode(), *self.texts):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.hexdigest()


def audit_request(
    submission: Submission, files: FileTree | None, evidence: Evidence | None
) -> AuditRequest | str:
    """The request for a submission, or in words why its code cannot be audited."""
    entry = submission.code.entry
    problem = _unreadable(entry)
    if problem is not None or entry is None:
        return problem or "there is no script to audit"
    runs = tuple(sorted(run_profiles(submission, files, evidence), key=lambda run: not run.is_claim))
    sources = audited_sources(submission)
    readable = {path: source.text for path, source in sources.items() if source.text is not None}
    return AuditRequest(
        runs=runs,
        argument={"entry": entry.path, "paths": list(readable), "runs": [run.as_json() for run in runs]},
        texts=tuple(text.encode("utf-8", "replace") for text in readable.values()),
    )


def audit_submission(
    submission: Submission,
    files: FileTree | None = None,
    evidence: Evidence | None = None,
    kept: KeptAudits | None = None,
) -> SubmissionAudit:
    """The static audit of a submission. Raises `SetupError` only when this machine cannot run the child.

    `files` and `evidence` say under which settings the claimed scores were made (see `run_profiles`).
    """
    sources = audited_sources(submission)
    request = audit_request(submission, files, evidence)
    if isinstance(request, str):
        return _failed(request, sources)
    key = request.key() if kept is not None else ""
    document = kept.get(key) if kept is not None else None
    if document is not None:
        try:
            return audit_of_document(document, request.runs, sources)
        except (ValueError, KeyError, TypeError):
            pass  # a damaged entry: computed afresh
    try:
        document = shared_worker(AUDITOR, GUARD).call(request.argument, request.texts)
    except LimitHit as hit:
        return _failed(f"the static audit hit a limit ({hit.limit}) on this script", sources)
    if kept is not None and not document["problems"]:
        kept.put(key, document)
    return audit_of_document(document, request.runs, sources)


def _unreadable(entry: SourceFile | None) -> str | None:
    if entry is None:
        return "there is no script to audit"
    if entry.text is None:
        return f"{entry.path} could not be read ({entry.parse_error or 'undecodable'})"
    if entry.parses is False:
        return f"{entry.path} is not Python that could run: {entry.parse_error or 'it does not parse'}"
    return None


def _failed(why: str, sources: Mapping[str, SourceFile]) -> SubmissionAudit:
    problem = AuditProblem(kind="not-audited", message=why)
    return SubmissionAudit(failure=why, problems=(problem,), sources=sources)


def audit_of_document(
    document: Mapping[str, Any], runs: Sequence[RunProfile], sources: Mapping[str, SourceFile]
) -> SubmissionAudit:
    """The audit that the child's JSON describes. Raises ValueError, KeyError or TypeError for other JSON."""
    audits = [read_audit(audit) for audit in document["audits"]]
    if len(audits) != len(runs):
        raise ValueError(f"{len(audits)} audits of {len(runs)} run profiles")
    named = [dataclasses.replace(audit, profile=run.name) for audit, run in zip(audits, runs, strict=True)]
    return SubmissionAudit(
        profiles=tuple(named),
        run_profiles=tuple(runs),
        scans=document["scans"],
        problems=tuple(AuditProblem(**problem) for problem in document["problems"]),
        sources=sources,
    )
