"""Finds the run, and the pass in it, that a claimed score was read from.

A log file may hold retries, several seeds, evaluation-only runs and copies of other logs, so a claim is
matched to one run, and every other number of that seed is then taken from this run alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from harness.training_log import EvalPass, PassKind, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.finding import Sourced
    from harness.submission import SeedClaim
    from harness.training_log import LogFile

# A run's own clock is printed in whole milliseconds; claims round it to a second.
SAME_SECONDS = 1.0


class Fit(IntEnum):
    """How well a pass fits a claimed score, best first."""

    EQUAL = 0  # a final pass, equal to the digits both print
    CLOSE = 1  # a final pass within the claim tolerance
    DIAGNOSTIC = 2  # a diagnostic pass within the claim tolerance
    NEAR = 3  # a final pass within the wider tolerance
    IN_TRAINING = 4  # a periodic validation, equal to the digits both print


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRun:
    """A run and how surely it is of a seed, 0 best (see `runs_of_seed`)."""

    run: Run
    doubt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best place of a claimed value."""

    run: Run
    counted: EvalPass
    fit: Fit


def distinct_runs(logs: Iterable[LogFile]) -> tuple[Run, ...]:
    """All runs without copies: repeats inside a file, and a log that stands under a second name.

    Two logs under different seed names are never merged, however equal: that is something to report.
    """
    kept: list[Run] = []
    for log in logs:
        for run in log.runs:
            if run.duplicate_of is not None:
                continue
            twin = next((place for place, other in enumerate(kept) if _is_copy(run, other)), None)
            if twin is None:
                kept.append(run)
            elif _weight(run) > _weight(kept[twin]):
                kept[twin] = run
    return tuple(kept)


def _weight(run: Run) -> tuple[int, bool, int]:
    return len(run.passes), run.seed_from_name is not None, len(run.sizes)


def _is_copy(one: Run, other: Run) -> bool:
    if one.file == other.file:
        return False  # the log reader has marked repeats inside a file
    if one.seed_from_name is not None and other.seed_from_name not in (None, one.seed_from_name):
        return False
    if one.seed and other.seed and one.seed.value != other.seed.value:
        return False
    if one.has_training != other.has_training or one.first_losses != other.first_losses:
        return False
    if one.has_training:
        return len(one.first_losses) >= 2 and _trained_seconds(one) == _trained_seconds(other)
    return bool(one.passes) and [p.val_bpb.value for p in one.passes] == [
        p.val_bpb.value for p in other.passes
    ]


def _trained_seconds(run: Run) -> float | None:
    if run.stop is not None:
        return run.stop.train_seconds.value
    return run.last_train_seconds.value if run.last_train_seconds else None


def seed_of_run(run: Run, runs: Sequence[Run]) -> int | None:
    """The printed seed, else the one in the file name, else that of the run before it in the same file."""
    if run.seed is not None:
        return run.seed.value
    if run.seed_from_name is not None:
        return run.seed_from_name
    before = [r for r in runs if r.file == run.file and r.first_line < run.first_line and r.seed is not None]
    last = max(before, key=lambda r: r.first_line, default=None)
    return last.seed.value if last is not None and last.seed is not None else None


def runs_of_seed(seed: int, runs: Sequence[Run], *, alone: bool = False) -> list[SeedRun]:
    """Runs that may be of a seed, the surest first.

    Doubt 0: it is printed, and the file name agrees or names none. 1: only the file name says so. 2: the
    file name says so but another seed is printed. 3: it is printed but the file name says another. 4: nothing
    names a seed; taken only when the submission has this one seed (`alone`).
    """
    found = []
    for run in runs:
        printed, named = (run.seed.value if run.seed else None), run.seed_from_name
        if printed == seed:
            found.append(SeedRun(run=run, doubt=0 if named in (None, seed) else 3))
        elif named == seed:
            found.append(SeedRun(run=run, doubt=1 if printed is None else 2))
        elif printed is None and named is None:
            known = seed_of_run(run, runs)
            if known == seed or (known is None and alone):
                found.append(SeedRun(run=run, doubt=1 if known == seed else 4))
    return sorted(found, key=lambda item: item.doubt)


def _decimals(value: float) -> int:
    return len(f"{value:.10f}".rstrip("0").partition(".")[2])


def fit_of(score: EvalPass, claimed: float, tolerance: float, near: float) -> Fit | None:
    """How a pass fits a claimed score; None when it does not."""
    off = abs(score.val_bpb.value - claimed)
    digits = min(_decimals(claimed), score.digits or _decimals(score.val_bpb.value))
    equal = off <= 0.6 * 10.0**-digits and off <= tolerance
    slack = 1e-9  # the subtraction of two printed decimals is not exact
    if score.kind is PassKind.FINAL:
        if equal:
            return Fit.EQUAL
        if off <= tolerance + slack:
            return Fit.CLOSE
        return Fit.NEAR if off <= near + slack else None
    if score.kind is PassKind.DIAGNOSTIC:
        return Fit.DIAGNOSTIC if off <= tolerance + slack else None
    if score.kind is PassKind.IN_TRAINING:
        return Fit.IN_TRAINING if equal and digits >= 4 else None
    return None


def _same(claimed: Sourced[int] | None, seen: Iterable[int | None]) -> bool:
    return claimed is not None and claimed.value in set(seen)


def agreement(claim: SeedClaim, run: Run) -> int:
    """How many of a claim's other numbers this run printed: bytes, steps, training time."""
    sizes: dict[str, list[int]] = {"total": [], "model": [], "code": []}
    for size in run.sizes:
        sizes.setdefault(size.what, []).append(size.size_bytes.value)
    seconds = _trained_seconds(run)
    stop_step = run.stop.step if run.stop else None
    return sum(
        (
            _same(claim.total_bytes, sizes["total"]),
            _same(claim.model_bytes, sizes["model"]),
            _same(claim.code_bytes, sizes["code"]),
            _same(claim.steps, (stop_step, run.last_step.value if run.last_step else None)),
            bool(
                claim.train_seconds
                and seconds is not None
                and abs(claim.train_seconds.value - seconds) <= SAME_SECONDS
            ),
        )
    )


def best_match(
    claim: SeedClaim, candidates: Sequence[SeedRun], tolerance: float, near: float
) -> Found | None:
    """The pass a claim was read from.

    The better fit wins, then the surer seed, then the run that printed more of the claim's other numbers,
    then the line with more digits, then the later one.
    """
    if claim.val_bpb is None:
        return None
    ranked = []
    for order, item in enumerate(candidates):
        agrees = agreement(claim, item.run)
        for place, score in enumerate(item.run.passes):
            fit = fit_of(score, claim.val_bpb.value, tolerance, near)
            if fit is not None:
                key = (fit, item.doubt, -agrees, -score.digits, -order, -place)
                ranked.append((key, Found(run=item.run, counted=score, fit=fit)))
    return min(ranked, key=lambda entry: entry[0])[1] if ranked else None


def last_final(run: Run) -> EvalPass | None:
    """The last candidate for the counted score a run printed."""
    return run.final_passes[-1] if run.final_passes else None


def last_scored(runs: Sequence[Run]) -> Run | None:
    """The last run with a final score, else the last that trained, else the last."""
    for wanted in ([r for r in runs if r.final_passes], [r for r in runs if r.has_training], runs):
        if wanted:
            return wanted[-1]
    return None


def training_run_for(run: Run, runs: Sequence[Run], own: Sequence[Run]) -> Run | None:
    """The run that trained what `run` scored: itself, or a training run of the same seed.

    Of several, the one that printed the same size, else the one before it in the same file, else the last.
    """
    if run.has_training:
        return run
    trained = [other for other in own if other.has_training]
    if not trained:
        alone = [other for other in runs if other.has_training]
        trained = alone if len(alone) == 1 and alone[0].seed is None and run.seed is None else []
    sizes = {size.size_bytes.value for size in run.sizes if size.what != "code"}
    same_size = [t for t in trained if sizes & {size.size_bytes.value for size in t.sizes}]
    same_file = [t for t in trained if t.file == run.file and t.first_line < run.first_line]
    for choice in (same_size, same_file, trained):
        if choice:
            return choice[-1]
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSizes:
    """What a run printed about the sizes of its artifact, bytes."""

    total: Sourced[int] | None = None
    code: Sourced[int] | None = None
    model: Sourced[int] | None = None


def sizes_of(run: Run) -> RunSizes:
    """The last labelled size of each kind.

    An unlabelled total or model beside labelled ones is the uncompressed checkpoint. Of two code sizes the
    one that makes model + code equal the total counts, else the last not called uncompressed.
    """
    by_kind: dict[str, list[tuple[str, Sourced[int]]]] = {"total": [], "model": [], "code": []}
    totals = {(size.size_bytes.line, size.size_bytes.value) for size in run.sizes if size.what == "total"}
    for size in run.sizes:
        if size.what == "model" and (size.size_bytes.line, size.size_bytes.value) in totals:
            continue  # the words of one line name both; a printed number is one size
        by_kind.setdefault(size.what, []).append((size.label.lower(), size.size_bytes))

    def last(what: str) -> Sourced[int] | None:
        labelled = [value for label, value in by_kind[what] if label] or [v for _, v in by_kind[what]]
        return labelled[-1] if labelled else None

    total, model = last("total"), last("model")
    if total is not None and model is not None and model.value > total.value:
        # Only the checkpoint before compression was printed as a model size.
        model = next((v for _, v in reversed(by_kind["model"]) if v.value <= total.value), None)
    code = [value for label, value in by_kind["code"] if "uncompressed" not in label]
    code = code or [value for _, value in by_kind["code"]]
    if total is not None and model is not None:
        adds_up = [v for _, v in by_kind["code"] if v.value + model.value == total.value]
        code = adds_up or code
    return RunSizes(total=total, model=model, code=code[-1] if code else None)
