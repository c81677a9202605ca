"""What the seeds of a submission came to together: scores, spread, comparison, and what is left open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.evidence.significance import bytes_per_token, compare, mean, sample_std
from harness.exit_status import Exit
from harness.runs.run_record import RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.evidence.significance import Comparison
    from harness.evidence.standing_record import Reference
    from harness.executors.executor import JobOutcome
    from harness.runs.projection import Projection
    from harness.runs.run_record import Notice, RunRecord

# Notices about what scripts of this challenge usually do; any other asks a person to look.
_USUAL_NOTICES = frozenset({"validation-in-training", "process"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """One seed: its record, None where no attempt left one, and what the executor says of it."""

    seed: int
    record: RunRecord | None
    is_secret: bool = False
    was_found: bool = False
    fault: str = ""

    @classmethod
    def of(cls, outcome: JobOutcome, secret: Sequence[int]) -> SeedResult:
        """The result of a job."""
        return cls(
            seed=outcome.job.seed,
            record=outcome.record,
            is_secret=outcome.job.seed in secret,
            was_found=outcome.was_found,
            fault=outcome.fault,
        )

    @property
    def status(self) -> RunStatus:
        """Of the record; could-not-run where there is none."""
        return self.record.status if self.record is not None else RunStatus.COULD_NOT_RUN

    @property
    def score(self) -> float | None:
        """Bits per byte of a finished run, measured where we could."""
        return self.record.val_bpb if self.record is not None and self.status is RunStatus.FINISHED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """All seeds of one submission. `secret` ones are compared with the others and counted in no mean."""

    name: str
    track: str
    results: tuple[SeedResult, ...]
    reference: Reference | None = None
    margin_nats: float = 0.0
    projection: Projection | None = None
    is_stopped: bool = False  # somebody ended it before all seeds were over
    remarks: tuple[str, ...] = ()  # about all seeds together, for a person to look at

    @property
    def chosen(self) -> tuple[SeedResult, ...]:
        """Those the user named."""
        return tuple(each for each in self.results if not each.is_secret)

    @property
    def scores(self) -> tuple[float, ...]:
        """Of the finished seeds the user named."""
        return tuple(each.score for each in self.chosen if each.score is not None)

    @property
    def is_complete(self) -> bool:
        """Whether every seed the user named finished with a score."""
        return bool(self.chosen) and len(self.scores) == len(self.chosen)

    @property
    def is_measured(self) -> bool:
        """Whether every score is ours, none the script's word."""
        finished = [
            each.record for each in self.results if each.record is not None and each.score is not None
        ]
        return bool(finished) and all(record.measured is not None for record in finished)

    @property
    def mean(self) -> float | None:
        """Bits per byte."""
        return mean(self.scores) if self.scores else None

    @property
    def std(self) -> float | None:
        """Sample standard deviation; None below two seeds."""
        return sample_std(self.scores)

    @property
    def not_eligible(self) -> tuple[str, ...]:
        """Why no run here is a record run, each reason once."""
        records = [each.record for each in self.results if each.record is not None]
        return tuple(dict.fromkeys(why for record in records for why in record.not_eligible))

    @property
    def open_questions(self) -> tuple[tuple[int, Notice], ...]:
        """What a person should look at: seed and notice."""
        return tuple(
            (each.seed, notice)
            for each in self.results
            if each.record is not None and each.status is RunStatus.FINISHED
            for notice in each.record.notices
            if notice.kind not in _USUAL_NOTICES
        )

    def comparison(self) -> Comparison | None:
        """Against the named record; None without one or without scores."""
        if self.reference is None or not self.scores:
            return None
        per_token = next(
            (found for each in self.chosen if (found := _bytes_per_token(each)) is not None), None
        )
        return compare(
            self.scores, self.reference.scores, margin_nats=self.margin_nats, bytes_per_token=per_token
        )

    def exit_status(self, *, zero_on_review: bool = False) -> Exit:
        """130 stopped, 1 a submission's own failure, 4 could not run, 3 something is left open, else 0."""
        statuses = {each.status for each in self.results}
        if self.is_stopped or RunStatus.INTERRUPTED in statuses:
            return Exit.INTERRUPTED
        if RunStatus.FAILED in statuses:
            return Exit.FAIL
        if RunStatus.COULD_NOT_RUN in statuses or not self.results:
            return Exit.NOT_CHECKED
        is_open = bool(self.open_questions or self.remarks) or not self.is_measured or not self.is_complete
        return Exit.REVIEW if is_open and not zero_on_review else Exit.OK

    def as_json(self) -> dict[str, Any]:
        """Plain data, records whole."""
        return {
            "schema_version": 1,
            "submission": self.name,
            "track": self.track,
            "seeds": [_result_json(each) for each in self.results],
            "scores_are_measured": self.is_measured,
            "mean_val_bpb": self.mean,
            "sample_std_val_bpb": self.std,
            "comparison": _comparison_json(self.reference, self.comparison()),
            "projection": self.projection.as_json() if self.projection is not None else None,
            "record_eligible": self.is_complete and not self.not_eligible,
            "not_eligible": list(self.not_eligible),
            "open_questions": [
                {"seed": seed, "kind": notice.kind, "message": notice.message}
                for seed, notice in self.open_questions
            ],
            "remarks": list(self.remarks),
        }


def _bytes_per_token(result: SeedResult) -> float | None:
    record = result.record
    if record is None:
        return None
    score = record.measured or record.claimed
    if score.val_loss_nats is None or score.val_bpb is None:
        return None
    return bytes_per_token(score.val_loss_nats, score.val_bpb)


def _result_json(result: SeedResult) -> dict[str, Any]:
    record = result.record
    return {
        "seed": result.seed,
        "is_secret": result.is_secret,
        "was_found": result.was_found,
        "status": result.status.value,
        "fault": result.fault,
        "record": {"record_id": record.record_id, **record.as_json()} if record is not None else None,
    }


def _comparison_json(reference: Reference | None, found: Comparison | None) -> Mapping[str, Any] | None:
    if reference is None or found is None:
        return None
    from harness.evidence.significance import Welch

    tests = {"no_margin": found.no_margin, "with_margin": found.with_margin, "one_sample": found.one_sample}
    return {
        "reference": reference.name,
        "source": reference.source,
        "scores": list(found.old),
        "gain_bpb": found.gain.bpb,
        "gain_nats_per_token": found.gain.nats_per_token,
        "margin_bpb": found.margin_bpb,
        **{f"p_{name}": test.p if isinstance(test, Welch) else None for name, test in tests.items()},
    }
