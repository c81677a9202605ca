"""Hostile submissions under the dynamic audit: what it says of them, and that the machine is as before."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.case import not_checked
from harness.dynamic.audit_run import AuditRun, run_child
from harness.dynamic.audit_subject import read_subject
from harness.dynamic.decisions import with_executed
from harness.dynamic.dynamic_audit import DynamicAudit
from harness.dynamic.probes.access_timeline import access_timeline
from harness.dynamic.probes.byte_denominator import byte_denominator
from harness.dynamic.probes.coverage import coverage
from harness.dynamic.probes.probe import ProbeResult, ScoredRun, powerless, scored_run
from harness.dynamic.run_ladder import LadderStep
from harness.dynamic.tiny_data import Layout, tiny_data
from harness.finding import RuleVerdict
from harness.folder_tree import FolderTree
from harness.probe_outcome import Outcome
from harness.sandbox.request import MIB, SandboxLimits
from harness.submission_reader import read_submission
from tests.attacks.whole_runs import SECRET, SHARED_FOLDERS, best_sandbox

if TYPE_CHECKING:
    from harness.dynamic.run_causes import RunCause

LIMITS = SandboxLimits(
    wall_seconds=300.0,
    memory_bytes=1536 * MIB,
    processes=64,
    written_bytes=32 * MIB,
    temporary_bytes=32 * MIB,
    log_bytes=MIB,
)
CONDITIONS = ("c1-causal", "c2-normalized", "c3-score-before-update", "c4-single-pass")
# What a run that nobody can tell from a legal one is taken to show when it is made again with other tokens.
_AGAIN = (
    ("replay", "reproducible"),
    ("prefix-invariance", "c1-causal"),
    ("processing-order", "c1-causal"),
    ("normalisation", "c2-normalized"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """The first run of an audit, and the audit if every further run were just as good."""

    run: AuditRun
    base: ScoredRun
    audit: DynamicAudit

    @property
    def cause(self) -> RunCause:
        """Why it reached no score."""
        assert self.run.cause is not None, self.run.log_lines[-5:]
        return self.run.cause

    @property
    def passed(self) -> list[str]:
        """Those of the four conditions, left open by reading, that the runs would pass."""
        return [rule for rule in CONDITIONS if self.verdicts(rule) == {RuleVerdict.PASS}]

    def verdicts(self, rule: str) -> set[RuleVerdict]:
        said = [not_checked(rule, "the code leaves it open")]
        return {finding.verdict for finding in with_executed(self.audit, rule, said)}

    def why_open(self, rule: str = "c1-causal") -> str:
        (finding,) = with_executed(self.audit, rule, [not_checked(rule, "open")])
        return finding.message


class AuditedMachine:
    """A submission beside a secret. `run` makes the first run of its audit and looks at the machine after."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, f"audited-{uuid.uuid4().hex}"
        self.submission, self.secret = folder / "ours" / "submission", folder / "ours" / "expected.json"
        self.submission.mkdir(parents=True)
        self.secret.write_text(SECRET)

    def run(self, script: str, *, limits: SandboxLimits = LIMITS) -> Audited:
        """Run `script`, in which MARK stands for a name that nothing else on the machine has."""
        sandbox = best_sandbox()
        if isinstance(sandbox, str):
            pytest.skip(f"no sandbox here: {sandbox}")
        marked = script.replace("MARK", self.mark).replace("SECRET_AT", str(self.secret))
        (self.submission / "train_gpt.py").write_text(marked, encoding="utf-8")
        files = FolderTree(self.submission)
        subject = read_subject(self.submission, read_submission(files), files)
        data = tiny_data(subject.vocabulary.key, Layout.SINGLE)
        before = _digests(self.folder)
        run = run_child(self.submission, subject.plan(subject.shrunk()), data, sandbox, limits)
        assert _digests(self.folder) == before, "something outside the run was changed"
        assert living_of_audits() == [], "a process outlived the run"
        for folder in (*SHARED_FOLDERS, str(Path.home())):
            names = os.listdir(folder)  # noqa: PTH208
            assert [each for each in names if self.mark in each or each.startswith(_our_runs())] == []
        assert SECRET not in "\n".join(run.log_lines)
        base = scored_run("base", run, stream_tokens=data.validation.size, label=None)
        return Audited(run=run, base=base, audit=_if_repeated(run, base, data.token_bytes()))


def _if_repeated(run: AuditRun, base: ScoredRun, byte_counts: object) -> DynamicAudit:
    if run.cause is not None:
        return DynamicAudit(failure=f"{run.cause.kind.value}: {run.cause.message}")
    again = [
        powerless(probe, condition, base)
        or ProbeResult(probe=probe, condition=condition, outcome=Outcome.CLEAN, sentence="it stays")
        for probe, condition in _AGAIN
    ]
    results = [coverage(base), byte_denominator(base, byte_counts=byte_counts), *access_timeline(base)]
    return DynamicAudit(
        results=(*results, *again),
        step=LadderStep.SMALL.value,
        is_claim_sure=True,
        adapts=True,
        learns_between_scores=True,
        base=base,
    )


def _our_runs() -> str:
    return f"golf-dynamic-{os.getpid()}"


def living_of_audits() -> list[int]:
    """Processes of runs of this test process: their mounts or their command lines name its folders."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "mountinfo").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if _our_runs().encode() in told:
            found.append(int(entry.name))
    return found


def small(**limits: float) -> SandboxLimits:
    """`LIMITS` with some of them lower."""
    return replace(LIMITS, **limits)


def _digests(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of everything."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (path.lstat().st_mode, content)
    return found
