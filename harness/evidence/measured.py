"""The numbers of a report: what the logs prove per seed, and the code on three counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.byte_count import count_bytes, count_code
from harness.evidence.clocks import measure_clocks
from harness.evidence.significance import mean, sample_std
from harness.evidence.validation_bytes import measure as measure_validation
from harness.evidence.validation_bytes import tokens_of
from harness.report import Measured, SeedMeasured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.case import Case
    from harness.evidence.byte_count import SeedBytes
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Sourced


def _value(sourced: Sourced[float] | Sourced[int] | None) -> float | None:
    return None if sourced is None else sourced.value


def _seed(evidence: SeedEvidence, in_bytes: SeedBytes) -> SeedMeasured:
    clocks = measure_clocks(evidence)
    counted = evidence.counted
    trained = evidence.training_run
    steps = trained.stop.step if trained and trained.stop else None
    if steps is None and trained is not None and trained.last_step is not None:
        steps = trained.last_step.value
    total, model = in_bytes.logged_total, in_bytes.model
    return SeedMeasured(
        seed=evidence.seed,
        val_bpb=counted.val_bpb.value if counted else None,
        val_loss=_value(counted.val_loss) if counted else None,
        train_seconds=_value(clocks.training),
        calibration_seconds=clocks.calibration_seconds if trained is not None else None,
        eval_seconds=clocks.evaluation_seconds,
        all_eval_seconds=clocks.all_evaluation_seconds if clocks.counted else None,
        after_stop_seconds=clocks.after_stop_seconds if clocks.counted else None,
        steps=steps,
        model_bytes=model.value if model else None,
        total_bytes=total.value if total else None,
        log=counted.val_bpb.file if counted else None,
        line=counted.val_bpb.line if counted else None,
    )


def _only(values: Iterable[int | str | None]) -> int | str | None:
    """The value all seeds share; None when they differ or none has it."""
    distinct = {value for value in values if value is not None}
    return distinct.pop() if len(distinct) == 1 else None


def _hardware(seeds: Iterable[SeedEvidence]) -> str | None:
    described = set()
    for seed in seeds:
        for run in (seed.training_run, seed.run):
            if run is None:
                continue
            if run.processor is not None and run.gpu_name is None:
                described.add(run.processor.value)
                break
            count = run.gpu_count or run.world_size
            if count is not None:
                kind = run.gpu_name.value if run.gpu_name else "GPU of unknown kind"
                described.add(f"{count.value}x {kind}")
                break
    return ", ".join(sorted(described)) or None


def measure(case: Case) -> Measured:
    """Everything a report states as a number; None where no log or file says it."""
    code = count_code(case.submission.code)
    seeds = case.evidence.seeds
    rows = tuple(_seed(seed, in_bytes) for seed, in_bytes in zip(seeds, count_bytes(case), strict=True))
    scores = [row.val_bpb for row in rows if row.val_bpb is not None]
    implied = [found.value for seed in seeds if (found := measure_validation(seed)) and found.value]
    trained = [seed.training_run for seed in seeds if seed.training_run is not None]
    shards = _only(run.train_shards.value for run in trained if run.train_shards is not None)
    tokens = _only(printed.value for seed in seeds if (printed := tokens_of(seed)))
    return Measured(
        code_bytes_raw=code.readable,
        code_bytes_shipped=code.shipped,
        code_bytes_packed=code.packed,
        seeds=rows,
        mean_val_bpb=mean(scores) if scores else None,
        sample_std_val_bpb=sample_std(scores),
        implied_val_bytes=mean(implied) if implied else None,
        train_shards=shards if isinstance(shards, int) else None,
        val_tokens=tokens if isinstance(tokens, int) else None,
        hardware=_hardware(seeds),
    )
