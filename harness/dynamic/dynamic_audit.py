"""The dynamic audit of one submission: drive it small, run it again with other tokens, and compare.

Every run is the whole script, from its training to its last line, in a sandbox of its own. What a run does is
recorded beside the script, and everything is decided here from the records.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.alternative_forks import forked_alternatives
from harness.dynamic.audit_run import LIMITS, run_child
from harness.dynamic.audit_subject import read_subject
from harness.dynamic.claimed_label import claimed_label
from harness.dynamic.events import ForwardEvent, StepEvent
from harness.dynamic.printed_metrics import plain_label, printed_numbers
from harness.dynamic.probes.access_timeline import access_timeline
from harness.dynamic.probes.artifact_independence import artifact_independence
from harness.dynamic.probes.byte_denominator import byte_denominator
from harness.dynamic.probes.coverage import coverage
from harness.dynamic.probes.normalisation import PROBE as NORMALISATION
from harness.dynamic.probes.prefix_invariance import prefix_invariance
from harness.dynamic.probes.probe import ProbeResult, ScoredRun, scored_run
from harness.dynamic.probes.processing_order import processing_order, scored_last
from harness.dynamic.probes.replay import replay
from harness.dynamic.run_ladder import climb
from harness.dynamic.tiny_data import Layout, tiny_data
from harness.logs.training_log import PassKind
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.audit_subject import AuditSubject
    from harness.dynamic.run_ladder import Attempt
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.tiny_data import TinyData
    from harness.evidence.seed_evidence import Evidence
    from harness.file_tree import FileTree
    from harness.ruleset import Limits
    from harness.sandbox.request import Sandbox, SandboxLimits
    from harness.submission import Submission

# Inside a window of 256 and a chunk of 512, not at their borders: adapt-then-score looks clean there.
CUT_SHARE = 0.75
_OFF_BORDER = 37
# Where a made-up passage ends that stood in the stream before: a lookup knows how it goes on.
_PLANTED_SHARE = 0.62
WHOLE_SECONDS = 300.0
"""What all runs of one submission may take; probes that no time is left for are not run, and say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRun:
    """A run in the report: what was done to its tokens, how long it took, and how it ended."""

    name: str
    what: str
    seconds: float
    ending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicAudit:
    """What running a submission showed. `failure` says why it could not be driven to its score.

    `step` is how it was driven (the later on the ladder, the less it says of the claimed run), `label` the
    printed name of the claimed score, `score` the number itself as the tiny run printed it. `is_claim_sure`
    says that the logs name the claimed score, or that the run printed only one final score. `adapts` says
    whether an optimizer stepped on validation tokens, or weights changed between passes over them.
    """

    results: tuple[ProbeResult, ...] = ()
    runs: tuple[MadeRun, ...] = ()
    failure: str | None = None
    step: str = ""
    label: str | None = None
    score: float | None = None
    is_claim_sure: bool = False
    adapts: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
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
    on_run: Callable[[str], None] = lambda name: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> DynamicAudit:
    """Run the submission that lies in `folder` in all ways a verdict needs.

    Raises `SetupError` when this machine cannot run anything, `SubmissionError` when there is nothing to run
    or it cannot be copied safely. `on_run` gets the name of each run before it begins.
    """
    began = time.monotonic()
    subject = read_subject(folder, submission, files, evidence)
    label = claimed_label(submission, limits)
    auditing = _Auditing(subject, sandbox, label, began + whole_seconds, on_run, should_stop)
    failure = auditing.drive()
    if failure is None:
        auditing.compare()
    base = auditing.base
    metric = base.metric if base is not None else None
    return DynamicAudit(
        results=tuple(auditing.results),
        runs=tuple(auditing.runs),
        failure=failure,
        step=auditing.attempt.step.value if auditing.attempt is not None else "",
        label=metric.metric.label if metric is not None else label,
        score=metric.metric.value if metric is not None else None,
        is_claim_sure=base is not None and (label is not None or _prints_one_final_score(base)),
        adapts=base is not None and _adapts(base),
        notes=subject.notes,
        seconds=round(time.monotonic() - began, 1),
        base=base,
    )


class _Auditing:
    """The runs of one audit, in the order in which they are worth their time."""

    def __init__(
        self,
        subject: AuditSubject,
        sandbox: Sandbox,
        label: str | None,
        deadline: float,
        on_run: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.results: list[ProbeResult] = []
        self.runs: list[MadeRun] = []
        self.attempt: Attempt | None = None
        self.base: ScoredRun | None = None
        self._subject = subject
        self._sandbox = sandbox
        self._label = label
        self._deadline = deadline
        self._on_run = on_run
        self._should_stop = should_stop
        key = subject.vocabulary.key
        plain = tiny_data(key, Layout.SINGLE)
        count = plain.validation.size
        self._place = int(count * _PLANTED_SHARE)
        self._cut = int(count * CUT_SHARE) + _OFF_BORDER
        self._data = plain.with_planted(self._place)
        self._several = tiny_data(key, Layout.SEVERAL)

    def drive(self) -> str | None:
        """The first run that reaches a score; the reason when none does."""
        self._on_run("base")
        began = time.monotonic()
        attempts = climb(
            self._subject, self._data, self._sandbox, self._limits(), should_stop=self._should_stop
        )
        for attempt in attempts:
            ending = attempt.run.cause.message if attempt.run.cause is not None else "printed its score"
            seconds = attempt.run.outcome.seconds
            self.runs.append(
                MadeRun(name="base", what=f"driven {attempt.step.value}", seconds=seconds, ending=ending)
            )
        last = attempts[-1] if attempts else None
        if last is None or last.run.cause is not None:
            cause = last.run.cause if last is not None else None
            told = f"{cause.kind.value}: {cause.message}" if cause is not None else "nothing was run"
            at = f" (line {cause.line})" if cause is not None and cause.line is not None else ""
            spent = time.monotonic() - began
            return f"could not be driven to its score in {len(attempts)} ways and {spent:.0f} s: {told}{at}"
        self.attempt = last
        self.base = self._scored("base", last.run, self._data)
        return None

    def compare(self) -> None:
        """Everything that is decided against the first run."""
        base = self.base
        assert base is not None
        self.results += [coverage(base), byte_denominator(base, byte_counts=self._data.token_bytes())]
        self.results += access_timeline(base)
        again = self._run("replay", "the same tokens again", self._data)
        if again is None:
            self._left_out("replay", "reproducible")
            return
        same = replay(base, again)
        self.results.append(same)
        if same.outcome is Outcome.NOT_REPRODUCIBLE:
            return
        self._compare_prefixes(base)
        self._compare_alternatives(base)
        self._compare_artifacts(base)
        if not any(result.outcome is Outcome.BREACH for result in self.results):
            self._compare_orders()

    def _compare_prefixes(self, base: ScoredRun) -> None:
        changed = self._run(
            "suffix",
            f"tokens from position {self._cut:,} on replaced",
            self._data.with_suffix_replaced(self._cut),
        )
        if changed is None:
            self._left_out("prefix-invariance", "c1-causal")
            return
        counts = self._data.token_bytes()
        self.results.append(prefix_invariance(base, changed, cut=self._cut, byte_counts=counts))

    def _compare_alternatives(self, base: ScoredRun) -> None:
        if self.attempt is None or not self._has_time(2.0):
            self._left_out(NORMALISATION, "c2-normalized")
            return
        self._on_run("forks")
        began = time.monotonic()
        result = forked_alternatives(
            base, self._data, self._place, self.attempt.plan, self._run_forks, self._rerun_scored
        )
        tried = int(result.numbers.get("alternatives", 0))
        self.runs.append(
            MadeRun(
                name="forks",
                what=f"each of {tried} tokens at position {self._place:,}",
                seconds=round(time.monotonic() - began, 1),
                ending=result.outcome.value,
            )
        )
        self.results.append(result)

    def _compare_artifacts(self, base: ScoredRun) -> None:
        whole = np.ones(self._data.validation.size, dtype=np.bool_)
        other = self._run("other", "all validation tokens replaced", self._data.with_replaced(whole))
        if other is None:
            self._left_out("artifact-independence", "no-val-in-artifact")
            return
        replaced = int((self._data.validation != self._data.other).sum())
        self.results.append(artifact_independence(base, other, replaced=replaced))

    def _compare_orders(self) -> None:
        """Several documents: what was scored before the last ones must not know them."""
        first = self._run("documents", "several documents", self._several)
        last = scored_last(first) if first is not None else None
        changed = None
        if first is not None and last is not None:
            where = np.zeros(self._several.validation.size, dtype=np.bool_)
            where[last] = True
            changed = self._run(
                "last documents", "tokens scored last replaced", self._several.with_replaced(where)
            )
        if first is None or (last is not None and changed is None):
            self._left_out("processing-order", "c1-causal")
        elif last is None or changed is None:
            self.results.append(
                ProbeResult(
                    probe="processing-order",
                    condition="c1-causal",
                    outcome=Outcome.NO_POWER,
                    sentence=first.why_not or "where the counted scores belong in the stream is unknown",
                )
            )
        else:
            self.results.append(processing_order(first, changed, replaced=last))

    def _run(self, name: str, what: str, data: TinyData) -> ScoredRun | None:
        """Another run as the first; None where no time is left for it."""
        if self.attempt is None or not self._has_time(1.0):
            return None
        self._on_run(name)
        run = run_child(
            self._subject.folder,
            self.attempt.plan,
            data,
            self._sandbox,
            self._limits(),
            names=self._subject.vocabulary.names,
            should_stop=self._should_stop,
        )
        ending = run.cause.message if run.cause is not None else "printed its score"
        self.runs.append(MadeRun(name=name, what=what, seconds=round(run.outcome.seconds, 1), ending=ending))
        return self._scored(name, run, data)

    def _run_forks(self, plan: RunPlan) -> AuditRun | None:
        if not self._has_time(1.5):
            return None
        return run_child(
            self._subject.folder,
            plan,
            self._data,
            self._sandbox,
            self._limits(),
            names=self._subject.vocabulary.names,
            may_write_data=True,
            should_stop=self._should_stop,
        )

    def _rerun_scored(self, token: int) -> ScoredRun | None:
        data = self._data.with_token(self._place, token)
        return self._run("token", f"token {token} at position {self._place:,} from the start", data)

    def _scored(self, name: str, run: AuditRun, data: TinyData) -> ScoredRun:
        return scored_run(name, run, stream_tokens=data.validation.size, label=self._label)

    def _has_time(self, runs: float) -> bool:
        """Whether `runs` more runs as long as the first still fit."""
        assert self.attempt is not None
        needed = runs * self.attempt.run.outcome.seconds
        return not self._should_stop() and time.monotonic() + needed <= self._deadline

    def _limits(self) -> SandboxLimits:
        left = max(1.0, self._deadline - time.monotonic())
        return replace(LIMITS, wall_seconds=min(LIMITS.wall_seconds or left, left))

    def _left_out(self, probe: str, condition: str) -> None:
        self.results.append(
            ProbeResult(
                probe=probe,
                condition=condition,
                outcome=Outcome.NOT_RUN,
                sentence="no time was left for the runs it needs",
            )
        )


def _prints_one_final_score(base: ScoredRun) -> bool:
    finals = {
        plain_label(each.label)
        for each in printed_numbers(base.record)
        if each.kind is PassKind.FINAL and each.unit == "bpb"
    }
    return len(finals) == 1


def _adapts(base: ScoredRun) -> bool:
    """Whether anything was learned from validation tokens in the run."""
    if any(step.source == "val" for step in base.record.of(StepEvent)):
        return True
    weights = {
        event.weights for event in base.record.of(ForwardEvent) if event.source == "val" and not event.grad
    }
    return len(weights) > 1
