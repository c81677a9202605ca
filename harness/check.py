"""From a target to a report: read, collect evidence, judge, measure."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import __version__
from harness.audit.guarded_audit import audit_submission
from harness.case import Case, Profile
from harness.engine import judge
from harness.errors import GolfError
from harness.evidence.measured import measure
from harness.evidence.seed_evidence import collect_evidence
from harness.evidence.statistics_block import statistics_of
from harness.report import Measured, Report, SubmissionSummary
from harness.ruleset import RULES_DIR, load_ruleset
from harness.submission_reader import read_submission
from harness.targets import Target, open_target
from harness.verdict import Verdict, submission_verdict

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable
    from pathlib import Path

    from harness.audit.kept_audits import KeptAudits
    from harness.audit.submission_audit import SubmissionAudit
    from harness.dynamic.dynamic_audit import DynamicAudit
    from harness.dynamic.dynamic_check import CheckedRuns, DynamicOptions
    from harness.evidence.seed_evidence import Evidence
    from harness.evidence.standing_record import Frontier, Reference
    from harness.file_tree import FileTree
    from harness.git.pull_request import Clone
    from harness.ruleset import Limits
    from harness.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """How to judge. `as_of` None means the pull request's date where known, else the newest rules.

    `rules` are the ids to run. `reference` is the record to beat when named on the command line; else it is
    looked up in `frontier`, the standing records found in the clone, by pull-request order. `dynamic` says
    how submissions are run for the dynamic audit, None that they are not.
    """

    profile: Profile = Profile.PRACTICE
    as_of: datetime.date | None = None
    rules: tuple[str, ...] = ()
    rules_dir: Path = RULES_DIR
    reference: Reference | None = None
    frontier: Frontier | None = None
    dynamic: DynamicOptions | None = None

    def key(self) -> str:
        """Everything that can change a result, as text (a part of the cache key)."""
        dynamic = dataclasses.replace(self.dynamic, keep=None) if self.dynamic is not None else None
        facts = dataclasses.asdict(dataclasses.replace(self, frontier=None, dynamic=dynamic))
        frontier = dataclasses.asdict(self.frontier) if self.frontier else None
        return json.dumps([facts, frontier], default=str, sort_keys=True)


def could_not_check(target: Target, message: str, options: CheckOptions, seconds: float = 0.0) -> Report:
    """The report of a submission nobody could look at: says why; never a failure of the submission."""
    return Report(
        tool_version=__version__,
        ruleset=load_ruleset(options.rules_dir).newest.isoformat(),
        profile=options.profile.value,
        as_of=options.as_of.isoformat() if options.as_of else "",
        submission=SubmissionSummary(
            path=target.label,
            entry=target.entry or "",
            repo_commit=target.revision,
            pr=target.pr,
            track="",
            author=None,
            github_id=None,
            name=None,
            title=target.info.title if target.info else None,
            claimed_val_bpb=None,
            seeds=(),
        ),
        verdict=Verdict.COULD_NOT_CHECK,
        findings=(),
        outcomes={},
        measured=Measured(),
        error=message,
        seconds=seconds,
    )


def _summary(submission: Submission, seeds: tuple[int, ...]) -> SubmissionSummary:
    origin, json_file = submission.origin, submission.json
    return SubmissionSummary(
        path=origin.path,
        entry=origin.entry,
        repo_commit=origin.commit,
        pr=origin.pr,
        track=submission.track.value,
        author=json_file.author.value if json_file.author else origin.author,
        github_id=json_file.github_id.value if json_file.github_id else None,
        name=json_file.name.value if json_file.name else None,
        title=origin.title,
        claimed_val_bpb=json_file.headline.value if json_file.headline else None,
        seeds=seeds,
        date=json_file.date.value if json_file.date else None,
        created_at=origin.created_at.isoformat() if origin.created_at else None,
    )


# Problems of a log file that mean some of its text was not seen.
_UNREAD = frozenset({"binary", "too-large", "unreadable"})


def _unread_in_logs(submission: Submission) -> tuple[str, ...]:
    """What of the logs was not read: a score judged from the rest must not look like one judged from all."""
    return tuple(
        problem.message for log in submission.logs for problem in log.problems if problem.kind in _UNREAD
    )


def needs_audit(options: CheckOptions) -> bool:
    """Whether a selected rule looks at the static audit."""
    rules = load_ruleset(options.rules_dir).rules
    return any(rules[rule].needs_audit for rule in options.rules or rules)


def _auditor_errors(audit: SubmissionAudit | None) -> tuple[str, ...]:
    """Crashes of our own auditor: a bug, reported as the crash of a rule is."""
    problems = audit.problems if audit is not None else ()
    return tuple(
        f"static-audit: {problem.message}"
        for problem in problems
        if problem.kind in {"auditor-error", "scan-error"}
    )


def _unaudited(audit: SubmissionAudit | None) -> tuple[str, ...]:
    """What the audit could not look at, for the reader of the report."""
    problems = audit.problems if audit is not None else ()
    return tuple(
        f"static audit: {problem.message}"
        for problem in problems
        if problem.kind not in {"auditor-error", "scan-error"}
    )


def _dynamic(
    submission: Submission,
    files: FileTree | None,
    evidence: Evidence,
    limits: Limits,
    options: CheckOptions,
    on_run: Callable[[str], None],
) -> CheckedRuns | None:
    if options.dynamic is None or files is None:
        return None
    from harness.dynamic.dynamic_check import run_dynamic_audit

    return run_dynamic_audit(submission, files, evidence, limits, options.dynamic, on_run=on_run)


def _dynamic_errors(dynamic: DynamicAudit | None) -> tuple[str, ...]:
    """A crash of the dynamic audit: a bug of ours, reported as the crash of a rule is."""
    fault = dynamic.fault if dynamic is not None else None
    return () if fault is None else (f"dynamic-audit: {fault}",)


def _unshown(dynamic: DynamicAudit | None) -> tuple[str, ...]:
    """What running did not show, for the reader of the report."""
    if dynamic is None:
        return ()
    from harness.dynamic.decisions import powerless_words

    return tuple(powerless_words(dynamic))


def check_submission(
    submission: Submission,
    options: CheckOptions,
    files: FileTree | None = None,
    kept: KeptAudits | None = None,
    on_run: Callable[[str], None] = lambda name: None,
) -> Report:
    """Judge a submission that has been read.

    `files` is its folder, for the lines of logs that the audit compares the code with; `kept` are audits
    of earlier runs. `on_run` hears of each run of the dynamic audit before it begins.
    """
    ruleset = load_ruleset(options.rules_dir)
    created = submission.origin.created_at
    as_of = options.as_of or (created.date() if created else ruleset.newest)
    limits = ruleset.limits(as_of)
    evidence = collect_evidence(submission, limits)
    reference = options.reference
    if reference is None and options.frontier is not None:
        reference = options.frontier.before(submission.origin.pr)
    audit = audit_submission(submission, files, evidence, kept) if needs_audit(options) else None
    runs = _dynamic(submission, files, evidence, limits, options, on_run)
    case = Case(
        submission=submission,
        evidence=evidence,
        limits=limits,
        profile=options.profile,
        as_of=as_of,
        reference=reference,
        audit=audit,
        dynamic=runs.audit if runs is not None else None,
    )
    judgement = judge(case, ruleset, options.rules or tuple(ruleset.rules), options.as_of)
    seeds = tuple(seed.seed for seed in evidence.seeds if seed.seed is not None)
    return Report(
        tool_version=__version__,
        ruleset=ruleset.newest.isoformat(),
        profile=options.profile.value,
        as_of=as_of.isoformat(),
        submission=_summary(submission, seeds),
        verdict=submission_verdict(judgement.outcomes, ruleset.essential),
        essential=tuple(sorted(ruleset.essential)),
        findings=judgement.findings,
        outcomes=judgement.outcomes,
        measured=measure(case),
        statistics=statistics_of(case),
        unseen=(
            *submission.problems,
            *_unread_in_logs(submission),
            *_unaudited(case.audit),
            *_unshown(case.dynamic),
        ),
        dynamic=runs.document if runs is not None else None,
        rule_errors=(
            *judgement.rule_errors,
            *_auditor_errors(case.audit),
            *_dynamic_errors(case.dynamic),
        ),
    )


def check_target(
    target: Target,
    clone: Clone | None,
    options: CheckOptions,
    kept: KeptAudits | None = None,
    on_run: Callable[[str], None] = lambda name: None,
) -> Report:
    """Read and judge one target; one that cannot be read gives a could-not-check report, not an error."""
    start = time.perf_counter()
    try:
        package = load_ruleset(options.rules_dir).package
        opened = open_target(target, clone, package["core_files"])
        submission = read_submission(opened.tree, opened.origin, opened.changes, package["track_folders"])
        report = check_submission(submission, options, opened.tree, kept, on_run)
    except GolfError as error:
        return could_not_check(target, str(error), options, time.perf_counter() - start)
    return dataclasses.replace(report, seconds=round(time.perf_counter() - start, 4))
