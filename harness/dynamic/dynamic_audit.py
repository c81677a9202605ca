"""The dynamic audit of one submission: drive it small, run it again with other tokens, and compare.

Every run is the whole script, from its training to its last line, in a sandbox of its own. What a run does is
recorded beside the script, and everything is decided here from the records.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.dynamic.asked_settings import WHOLE_SECONDS, asked_settings
from harness.dynamic.audit_subject import read_subject
from harness.dynamic.claimed_label import claimed_label
from harness.dynamic.counterfactuals import Counterfactuals
from harness.dynamic.events import ForwardEvent
from harness.dynamic.printed_metrics import plain_label, printed_numbers
from harness.dynamic.probes.compared_scores import seen_before
from harness.dynamic.probes.model_files import last_artifact_write
from harness.dynamic.run_ladder import climb, first_plan
from harness.dynamic.run_pool import RunPool
from harness.logs.training_log import PassKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.probes.probe import ProbeResult, ScoredRun
    from harness.dynamic.run_causes import CauseKind, RunCause
    from harness.dynamic.run_files import RunFiles
    from harness.dynamic.run_ladder import Attempt
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.run_pool import MadeRun
    from harness.dynamic.tiny_data import TinyData
    from harness.evidence.seed_evidence import Evidence
    from harness.file_tree import FileTree
    from harness.ruleset import Limits
    from harness.sandbox.request import Sandbox
    from harness.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicAudit:
    """What running a submission showed. `failure` says why it could not be driven to its score.

    `fault` is the traceback of an error of our own that ended the audit, which then has a failure too.
    `step` is how it was driven (the later on the ladder, the less it says of the claimed run), `label` the
    printed name of the claimed score, `score` the number itself as the tiny run printed it. `is_claim_sure`
    says that the logs name the claimed score, or that the run printed only one final score,
    `is_claim_guessed` that no log names it and the last of several was taken. `adapts` says whether an
    optimizer stepped on validation tokens, or weights changed between passes over them;
    `learns_between_scores` whether scores that count were made with different weights, so that their order
    could show. Of `looked_before` counted tokens the losses were seen once before, behind the artifact.
    """

    results: tuple[ProbeResult, ...] = ()
    runs: tuple[MadeRun, ...] = ()
    failure: str | None = None
    fault: str | None = None
    step: str = ""
    label: str | None = None
    score: float | None = None
    is_claim_sure: bool = False
    is_claim_guessed: bool = False
    adapts: bool = False
    learns_between_scores: bool = False
    looked_before: int = 0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the user asked for (`asked_settings`), and what the first run was started with: environment, argv,
    constants, tokens."""
    lacking: tuple[CauseKind, ...] = ()
    """What of this machine ended a run or kept one from being made; elsewhere the answer may be another."""
    base: ScoredRun | None = None
    """The first run with everything it recorded."""


def audit_by_running(
    folder: Path,
    submission: Submission,
    files: FileTree,
    evidence: Evidence,
    limits: Limits,
    sandbox: Sandbox,
    *,
    whole_seconds: float = WHOLE_SECONDS,
    thorough: bool = False,
    workers: int | None = None,
    ranks: int = 1,
    device: str = "cpu",
    files_of_runs: RunFiles | None = None,
    on_run: Callable[[str], None] = lambda name: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> DynamicAudit:
    """Run the submission that lies in `folder` in all ways a verdict needs.

    Raises `SetupError` when this machine cannot run anything, `SubmissionError` when there is nothing to run
    or it cannot be copied safely. `on_run` gets the name of each run before it begins, maybe in another
    thread, one at a time. `thorough` takes four runs more (`counterfactuals`),
    `workers` go side by side. `ranks` and `device` are those of each run (`run_plan`). `files_of_runs` takes
    the log and the record of each, that of the last attempt to drive it as "base".
    """
    began = time.monotonic()
    subject = read_subject(folder, submission, files, evidence)
    claimed = claimed_label(submission, limits)
    label = claimed.label if claimed is not None else None
    results: list[ProbeResult] = []
    base, is_sure = None, False
    notes = subject.notes
    made = Counterfactuals(subject.vocabulary.key, label)
    with RunPool(
        subject,
        sandbox,
        began + whole_seconds,
        on_run=on_run,
        should_stop=should_stop,
        workers=workers,
        files=files_of_runs,
    ) as pool:
        pool.tell("base")
        with pool.slot() as slot:
            beside = made.begin_beside(first_plan(subject, ranks=ranks, device=device), pool)
            if pool.workers < 2:
                beside.forget()  # it would only stand in the way of the others
            attempts = climb(
                subject,
                made.data,
                sandbox,
                pool.limits(),
                ranks=ranks,
                device=device,
                slot=slot,
                files=pool.files_of("base"),
                should_stop=pool.should_stop,
            )
            if not attempts or attempts[-1].run.cause is not None or attempts[-1].plan != beside.plan:
                beside.forget()
        pool.keep_attempts(attempts)
        notes = (*notes, *(attempts[-1].settings.notes if attempts else ()))
        failure = why_not_driven(attempts, time.monotonic() - began)
        if failure is None:
            finals = _final_labels(attempts[-1].run)
            shown = claimed.in_run(finals) if claimed is not None else None
            is_sure = shown == label if claimed is not None else len(set(map(plain_label, finals))) == 1
            if shown is not None and shown != label:
                notes = (*notes, f"the claimed score, {label} in the logs, is taken to be printed as {shown}")
                made = Counterfactuals(subject.vocabulary.key, shown)
            base = made.scored("base", attempts[-1].run, made.data)
            if subject.knobs.reached:
                base = replace(
                    base, metric=None, why_not=f"the script knows the audit: {subject.knobs.reached[0]}"
                )
            results = made.judged(base, attempts[-1], pool, beside, thorough=thorough)
    metric = base.metric if base is not None else None
    return DynamicAudit(
        results=tuple(results),
        runs=tuple(pool.made),
        failure=failure,
        step=attempts[-1].step.value if base is not None else "",
        label=metric.metric.label if metric is not None else label,
        score=metric.metric.value if metric is not None else None,
        is_claim_sure=is_sure,
        is_claim_guessed=base is not None and claimed is None and not is_sure,
        adapts=base is not None and _adapts(base),
        learns_between_scores=base is not None and _learns_between_scores(base),
        looked_before=_looked_before(base) if base is not None else 0,
        notes=notes,
        seconds=round(time.monotonic() - began, 1),
        settings={
            **asked_settings(ranks=ranks, device=device, thorough=thorough, whole_seconds=whole_seconds),
            **(_settings(attempts[-1].plan, made.data) if attempts else {}),
        },
        lacking=pool.lacking,
        base=base,
    )


def _settings(plan: RunPlan, data: TinyData) -> dict[str, Any]:
    return {
        "environment": dict(plan.environment),
        "argv": list(plan.argv),
        "constants": {**plan.literals, **plan.local_literals},
        "train_tokens": int(data.train.size),
        "validation_tokens": int(data.validation.size),
    }


def why_not_driven(attempts: Sequence[Attempt], seconds: float) -> str | None:
    """Why no attempt reached a score; None when the last one did."""
    causes = [attempt.run.cause for attempt in attempts]
    if causes and causes[-1] is None:
        return None
    # The first way is the claimed run's; the last may have met something else.
    told = list(dict.fromkeys(_words(cause) for cause in (*causes[:1], *causes[-1:]) if cause is not None))
    last = f"; the last of them: {told[1]}" if len(told) > 1 else ""
    ways = "one way" if len(causes) == 1 else f"{len(causes)} ways"
    return (
        f"could not be driven to its score in {ways} and {seconds:.0f} s: "
        f"{told[0] if told else 'nothing was run'}{last}"
    )


def _words(cause: RunCause) -> str:
    at = f" (line {cause.line})" if cause.line is not None else ""
    return f"{cause.kind.value}: {cause.message}{at}"


def _final_labels(run: AuditRun) -> list[str]:
    """Of the final scores that a run printed, in order."""
    return [
        each.label
        for each in printed_numbers(run.events)
        if each.kind is PassKind.FINAL and each.unit == "bpb"
    ]


def _adapts(base: ScoredRun) -> bool:
    """Whether anything was learned from validation tokens in the run."""
    if base.learns:
        return True
    weights = {
        event.weights for event in base.record.of(ForwardEvent) if event.source == "val" and not event.grad
    }
    return len(weights) > 1


def _learns_between_scores(base: ScoredRun) -> bool:
    """Whether the passes that gave the counted losses saw different weights."""
    passes = [event for event in base.record.of(ForwardEvent) if event.source == "val"]
    if base.metric is None or not passes:
        return False
    numbers = np.array([event.number for event in passes])
    before = np.searchsorted(numbers, np.unique(base.score.scored_at), side="right") - 1
    return len({passes[at].weights for at in before.tolist() if at >= 0}) > 1


def _looked_before(base: ScoredRun) -> int:
    """Counted tokens whose loss an earlier pass had shown, once the artifact was there."""
    if base.metric is None:
        return 0
    after = last_artifact_write(base) or 0
    score = base.score
    return seen_before(base, score.positions, score.scored_at, after=after, counts_passes=True).scored
