"""What a probe says, and what it looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.dynamic.events import StepEvent
from harness.dynamic.explained_metrics import Metrics
from harness.dynamic.printed_metrics import claimed_number, plain_label
from harness.dynamic.rank_union import united
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.dynamic.counted_scores import CountedScore
    from harness.dynamic.event_record import EventRecord
    from harness.dynamic.explained_metrics import ExplainedMetric


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The answer of one probe.

    `condition` is what a breach breaks: "c1-causal", "c3-score-before-update", "c4-single-pass",
    "no-val-in-artifact", "bytes", "val-full", "no-train-data-at-eval", "no-network-at-eval",
    "doc-boundary-isolation", "reproducible". `runs` names the runs that show it.
    """

    probe: str
    condition: str
    outcome: Outcome
    numbers: Mapping[str, float] = field(default_factory=dict)
    sentence: str
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Teller:
    """Makes the answers of one probe about the runs named `runs`; `condition` is what it is about."""

    probe: str
    condition: str
    runs: tuple[str, ...] = ()

    def __call__(
        self,
        outcome: Outcome,
        sentence: str,
        numbers: Mapping[str, float] | None = None,
        *,
        condition: str | None = None,
        runs: tuple[str, ...] | None = None,
    ) -> ProbeResult:
        """An answer; `condition` and `runs` where they are others than usual."""
        return ProbeResult(
            probe=self.probe,
            condition=self.condition if condition is None else condition,
            outcome=outcome,
            numbers=dict(numbers or {}),
            sentence=sentence,
            runs=self.runs if runs is None else runs,
        )


class SeenRun(Protocol):
    """A run as the parent has it: what it recorded, and the files it left (bytes, sha256)."""

    @property
    def events(self) -> EventRecord:
        """The record."""

    @property
    def artifacts(self) -> Mapping[str, tuple[int, str]]:
        """Files by path."""

    @property
    def by_rank(self) -> tuple[EventRecord, ...]:
        """The records of all ranks where there are several."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredRun:
    """A run with the claimed number taken apart, or why it could not be. `name` says what was done to it."""

    name: str
    record: EventRecord
    artifacts: Mapping[str, tuple[int, str]]
    stream_tokens: int
    metric: ExplainedMetric | None
    why_not: str

    @property
    def learns(self) -> bool:
        """Whether an optimizer made a step on validation tokens."""
        return any(step.source == "val" for step in self.record.of(StepEvent))

    @property
    def score(self) -> CountedScore:
        """The counted losses; only where `metric` is there."""
        assert self.metric is not None
        return self.metric.score


def scored_run(name: str, run: SeenRun, *, stream_tokens: int, label: str | None) -> ScoredRun:
    """Find the claimed number of `run` and take it apart. `label` is that of the claim, None for the last."""
    record = united(run.by_rank) if run.by_rank else run.events
    metric, why_not = None, record.why_powerless() or ""
    if not why_not:
        metrics = Metrics(record, stream_tokens)
        claimed = claimed_number(metrics.printed, label)
        if claimed is None:
            shown = sorted({plain_label(each.label) for each in metrics.printed})[:5]
            wanted = f"the claimed score ({label})" if label is not None else "a score"
            why_not = f"{name}: {wanted} was not printed; printed were: {', '.join(shown) or 'none'}"
        else:
            metric = metrics.explain(claimed)
            if metric is None:
                why_not = (
                    f"{name}: no sum that was seen gives the printed {claimed.label or 'score'} "
                    f"{claimed.printed:.{claimed.digits}f}"
                )
            else:
                why_not = record.why_powerless(metric.score.sites) or ""
    return ScoredRun(
        name=name,
        record=record,
        artifacts=run.artifacts,
        stream_tokens=stream_tokens,
        metric=metric,
        why_not=why_not,
    )


def powerless(probe: str, condition: str, *runs: ScoredRun) -> ProbeResult | None:
    """The answer where one of `runs` has no score to look at or a record with holes, else None."""
    for run in runs:
        if run.metric is None or run.why_not:
            return ProbeResult(
                probe=probe,
                condition=condition,
                outcome=Outcome.NO_POWER,
                sentence=run.why_not or f"{run.name}: no score",
                runs=tuple(each.name for each in runs),
            )
    return None
