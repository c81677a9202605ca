"""The result of judging one submission: small, frozen, independent of the files it was read from.

Every output format renders a `Report`; `report_json` writes it and reads it back without loss, so a
cached result renders like a fresh one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.finding import Finding, RuleVerdict
    from harness.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionSummary:
    """Which submission was judged. `track` is record, non-record or unlimited.

    `date` is what submission.json says, `created_at` (ISO 8601) the pull request's, where known.
    """

    path: str
    entry: str
    repo_commit: str | None
    pr: int | None
    track: str
    author: str | None
    github_id: str | None
    name: str | None
    title: str | None
    claimed_val_bpb: float | None
    seeds: tuple[int, ...]
    date: str | None = None
    created_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedMeasured:
    """What the logs prove for one seed. Three clocks, in seconds, and bytes; None where nothing was printed.

    `train_seconds` is the printed training clock, `calibration_seconds` what read data after the stop,
    `eval_seconds` the counted pass, `all_eval_seconds` every evaluation pass after the stop and
    `after_stop_seconds` everything the log times after the stop.
    """

    seed: int | None
    val_bpb: float | None = None
    val_loss: float | None = None
    train_seconds: float | None = None
    calibration_seconds: float | None = None
    eval_seconds: float | None = None
    all_eval_seconds: float | None = None
    after_stop_seconds: float | None = None
    steps: int | None = None
    model_bytes: int | None = None
    total_bytes: int | None = None
    log: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Numbers of the whole submission. Bytes of code on three counts: readable, as shipped, packed by us."""

    code_bytes_raw: int | None = None
    code_bytes_shipped: int | None = None
    code_bytes_packed: int | None = None
    seeds: tuple[SeedMeasured, ...] = ()
    mean_val_bpb: float | None = None
    sample_std_val_bpb: float | None = None
    implied_val_bytes: float | None = None
    train_shards: int | None = None
    val_tokens: int | None = None
    hardware: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A verdict with everything a reader needs to agree or disagree with it.

    `findings` holds passes too (what was seen); `outcomes` the verdict of every rule of the catalogue.
    `unseen` says in words what could not be looked at. `statistics` is None without enough scores.
    `rule_errors` are rules that crashed: our bug, reported as NOT-CHECKED, never a submission's failure.
    `error` says why a submission could not be checked at all, with what to do; then `outcomes` is empty.
    `dynamic` is what running it showed (`harness.dynamic.audit_json`), None when it was not run.
    `essential` names the rules without whose check nothing is accepted, so that a reader sees which are open.
    """

    tool_version: str
    ruleset: str
    profile: str
    as_of: str
    submission: SubmissionSummary
    verdict: Verdict
    findings: tuple[Finding, ...]
    outcomes: Mapping[str, RuleVerdict]
    measured: Measured
    statistics: Mapping[str, float | int | str | None] | None = None
    unseen: tuple[str, ...] = ()
    rule_errors: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str | None = None
    essential: tuple[str, ...] = ()
    dynamic: Mapping[str, Any] | None = None
