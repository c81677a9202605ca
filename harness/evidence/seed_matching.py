"""Finds the run, and the pass in it, that a claimed score was read from.

A log file may hold retries, several seeds, evaluation-only runs and copies of other logs, so a claim is
matched to one run, and every other number of that seed is then taken from this run alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from harness.logs.training_log import EvalPass, PassKind, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.finding import Sourced
    from harness.logs.training_log import LogFile
    from harness.submission import SeedClaim

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
    places: dict[object, list[int]] = {}
    for log in logs:
        for run in log.runs:
            if run.duplicate_of is not None:
                continue
            alike = places.setdefault(_likeness(run), [])
            twin = next((place for place in alike if _is_copy(run, kept[place])), None)
            if twin is None:
                alike.append(len(kept))
                kept.append(run)
            elif _weight(run) > _weight(kept[twin]):
                kept[twin] = run
    return tuple(kept)


def _likeness(run: Run) -> object:
    """Equal for all copies of a run: its start and end of training, else its scores."""
    if run.has_training:
        return (run.first_losses, _trained_seconds(run))
    return tuple(score.val_bpb.value for score in run.passes)


def _weight(run: Run) -> tuple[int, bool, int]:
    return len(run.passes), run.seed_from_name is not None, len(run.sizes)


def _is_copy(one: Run, other: Run) -> bool:
    """Whether two runs of the same likeness are one run under two file names."""
    if one.file == other.file:
        return False  # the log reader has marked repeats inside a file
    if one.seed_from_name is not None and other.seed_from_name not in (None, one.seed_from_name):
        return False
    if one.seed and other.seed and one.seed.value != other.seed.value:
        return False
    if one.has_training:
        return other.has_training and len(one.first_losses) >= 2 and _scores_nest(one, other)
    return not other.has_training and bool(one.passes)


def _scores_nest(one: Run, other: Run) -> bool:
    """Whether one run prints no score that the other lacks: a model evaluated anew is no copy of its log."""
    ours, theirs = ({score.val_bpb.value for score in run.passes} for run in (one, other))
    return ours <= theirs or theirs <= ours


def _trained_seconds(run: Run) -> float | None:
    if run.stop is not None:
        return run.stop.train_seconds.value
    return run.last_train_seconds.value if run.last_train_seconds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSeeds:
    """The seed of every run: the printed one, else that of its file name, else of the run before it."""

    runs: tuple[Run, ...]
    seeds: tuple[int | None, ...]


def know_seeds(runs: Sequence[Run]) -> KnownSeeds:
    """Read the seeds of runs; a run that names none continues the last seed printed above it in its file."""
    printed: dict[str, int] = {}
    seeds: dict[int, int | None] = {}
    for run in sorted(runs, key=lambda run: (run.file, run.first_line)):
        if run.seed is not None:
            printed[run.file] = run.seed.value
            seeds[id(run)] = run.seed.value
        elif run.seed_from_name is not None:
            seeds[id(run)] = run.seed_from_name
        else:
            seeds[id(run)] = printed.get(run.file)
    return KnownSeeds(runs=tuple(runs), seeds=tuple(seeds[id(run)] for run in runs))


def runs_of_seed(seed: int, known: KnownSeeds, *, alone: bool = False) -> list[SeedRun]:
    """Runs that may be of a seed, the surest first.

    Doubt 0: it is printed, and the file name agrees or names none. 1: only the file name says so. 2: the
    file name says so but another seed is printed. 3: it is printed but the file name says another. 4: nothing
    names a seed; taken only when the submission has this one seed (`alone`).
    """
    found = []
    for run, continued in zip(known.runs, known.seeds, strict=True):
        printed, named = (run.seed.value if run.seed else None), run.seed_from_name
        if printed == seed:
            found.append(SeedRun(run=run, doubt=0 if named in (None, seed) else 3))
        elif named == seed:
            found.append(SeedRun(run=run, doubt=1 if printed is None else 2))
        elif printed is None and named is None and continued == seed:
            found.append(SeedRun(run=run, doubt=1))
        elif continued is None and alone:
            found.append(SeedRun(run=run, doubt=4))
    return sorted(found, key=lambda item: item.doubt)


def _decimals(value: float) -> int:
    return len(f"{value:.10f}".rstrip("0").partition(".")[2])


def fit_of(score: EvalPass, claimed: float, tolerance: float, near: float) -> Fit | None:
    """How a pass fits a claimed score; None when it does not."""
    off = abs(score.val_bpb.value - claimed)
    if off > max(tolerance, near) + 1e-9:
        return None
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
        agrees: int | None = None
        for place, score in enumerate(item.run.passes):
            fit = fit_of(score, claim.val_bpb.value, tolerance, near)
            if fit is not None:
                agrees = agreement(claim, item.run) if agrees is None else agrees
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


def _last_sum(by_kind: dict[str, list[tuple[str, Sourced[int]]]]) -> Sourced[int] | None:
    """The last total that is the sum of a printed model and code, where a smaller one that is not follows."""
    sums = {model.value + code.value for _, model in by_kind["model"] for _, code in by_kind["code"]}
    # An unlabelled total beside labelled ones is that of the uncompressed checkpoint.
    labelled = [total for label, total in by_kind["total"] if label]
    totals = labelled or [total for _, total in by_kind["total"]]
    proven = [total for total in totals if total.value in sums]
    if not proven or totals[-1].value in sums or totals[-1].value >= proven[-1].value:
        return None
    return proven[-1]


def rival_models(run: Run) -> tuple[Sourced[int], ...]:
    """Different sizes of the compressed model printed under the label that counts, empty when there is one.

    A size without a label may be that of the checkpoint before compression, which is no rival.
    """
    labelled = [(size.label.lower(), size.size_bytes) for size in run.sizes if size.what == "model"]
    totals = {size.size_bytes.value for size in run.sizes if size.what == "total"}
    return _rivals([(label, value) for label, value in labelled if value.value not in totals])


def _rivals(models: list[tuple[str, Sourced[int]]]) -> tuple[Sourced[int], ...]:
    label = next((label for label, _ in reversed(models) if label), "")
    different = {value.value: value for own, value in models if label and own == label}
    return tuple(different.values()) if len(different) > 1 else ()


def _counted_rival(
    by_kind: dict[str, list[tuple[str, Sourced[int]]]],
) -> tuple[Sourced[int], Sourced[int] | None] | None:
    """The model to count where one label stands before several sizes, and the total it adds up to."""
    rivals = _rivals(by_kind["model"])
    codes = {code.value for _, code in by_kind["code"]}
    proven = [
        (model, total)
        for model in rivals
        for _, total in by_kind["total"]
        if total.value - model.value in codes
    ]
    if proven:
        # A script that prunes until it fits prints a sum for each attempt; the last one is what it saved.
        return max(proven, key=lambda pair: pair[1].line or 0)
    return (max(rivals, key=lambda model: model.value), None) if rivals else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSizes:
    """What a run printed about the sizes of its artifact, bytes."""

    total: Sourced[int] | None = None
    code: Sourced[int] | None = None
    model: Sourced[int] | None = None


def sizes_of(run: Run) -> RunSizes:
    """The last labelled size of each kind.

    An unlabelled total or model beside labelled ones is the uncompressed checkpoint. Of two code sizes the
    one that makes model + code equal the total counts, else the last not called uncompressed. A total that is
    the sum of a printed model and code is not replaced by a smaller one printed later that is no such sum.
    Of several models under one label the last that adds up to a printed total counts, else the largest.
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

    total, model = _last_sum(by_kind) or last("total"), last("model")
    rival = _counted_rival(by_kind)
    if rival is not None:
        model, total = rival[0], rival[1] or total
    if total is not None and model is not None and model.value > total.value:
        # Only the checkpoint before compression was printed as a model size.
        model = next((v for _, v in reversed(by_kind["model"]) if v.value <= total.value), None)
    code = [value for label, value in by_kind["code"] if "uncompressed" not in label]
    code = code or [value for _, value in by_kind["code"]]
    if total is not None and model is not None:
        adds_up = [v for _, v in by_kind["code"] if v.value + model.value == total.value]
        code = adds_up or code
    return RunSizes(total=total, model=model, code=code[-1] if code else None)
