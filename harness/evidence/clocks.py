"""Three clocks per seed: training, the counted evaluation pass, and everything after the stop.

A log's `train_time` leaves out warm-up, compilation, periodic validation and whatever follows the stop, and
its `eval_time` covers one pass. This module says which printed seconds belong on which clock: calibration
that reads data after the stop goes on the training clock, and phases that the counted score needs go on the
evaluation clock. All values are seconds and keep the line they were printed on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.finding import Role
from harness.logs.training_log import PassKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Place, Sourced
    from harness.logs.training_log import EvalPass, Run, Timed


class ActivityKind(StrEnum):
    """What a timed activity does, and with it whose clock it is on."""

    CALIBRATION = "calibration"  # reads training data to change the artifact: training clock
    SELF_GENERATION = "self-generated calibration"  # reads no data, but takes time
    PACKING = "quantising and compressing"  # neither data nor score
    WARM_UP = "warm-up and compilation"
    UNPACKING = "decompression"
    PREQUANT_ADAPTATION = "adaptation before quantisation"  # headline path
    ADAPTATION = "adaptation on validation tokens"  # headline path when a pass stands between
    PRECOMPUTE = "n-gram precompute"  # headline path
    WHOLE = "a sum over several phases"  # overlaps the others, never added
    OTHER = "other"


# `Timed.what` of the log grammar, and which clock it is on.
_KIND_OF_NAME = {
    "calibration": ActivityKind.CALIBRATION,
    "self-generation": ActivityKind.SELF_GENERATION,
    "quantisation": ActivityKind.PACKING,
    "compression": ActivityKind.PACKING,
    "decompression": ActivityKind.UNPACKING,
    "warm-up": ActivityKind.WARM_UP,
    "prequant-ttt": ActivityKind.PREQUANT_ADAPTATION,
    "ngram-precompute": ActivityKind.PRECOMPUTE,
    "test-time-training": ActivityKind.ADAPTATION,
    "artifact-production": ActivityKind.WHOLE,
    "total": ActivityKind.WHOLE,
}
# One piece of a phase whose total is printed as well ("epoch 3/21 time=24.9s", "batch 5/61 time=3331ms").
_PIECE = re.compile(r"\b\d+/\d+\b|\bepoch\b|\bchunk[ =\[]|\bbatch\b|_docs\b")
# Words that name a phase on a line whose duration is called a total ("prequant_ttt:done total_time=523.6s").
_KIND_OF_LINE = tuple(
    (kind, re.compile(words, re.IGNORECASE))
    for kind, words in (
        (ActivityKind.WARM_UP, r"warm.?up|compil"),
        (ActivityKind.PREQUANT_ADAPTATION, r"pre[-_ ]?quant[-_ ]?\w{0,10}[-_ ]?ttt|ttt[-_ ]pre[-_ ]?quant"),
        (ActivityKind.ADAPTATION, r"^\W{0,8}(?:\w{1,20}_)?ttt\w{0,20}[: ]"),
    )
)
# Decimals of a minute ("train_time: 10.0m") leave three seconds either way.
_IN_MINUTES = re.compile(r"\d\.\d\s?m\b(?!s)")
_MINUTE_ROUNDING_SECONDS = 3.0
# Two prints of one timer differ by rounding and by what runs between them.
SAME_PHASE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A timed activity after the stop, with its kind.

    `outside_timer` is the log's own word for it, unless the line stands where the log's timer runs.
    """

    kind: ActivityKind
    what: str
    seconds: Sourced[float]
    outside_timer: bool = False

    def place(self, role: Role = Role.RELATED) -> Place:
        """Where its duration is printed."""
        return self.seconds.place(f"{self.kind.value}, {seconds_text(self.seconds.value)}", role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The seconds of one seed.

    `training` is the printed training clock at the stop, `rounding_seconds` how far its print may be off.
    `counted` is the counted pass's own time, `counted_encloses` the model pass a mixture line is part of.
    `headline_path` are separate phases after the stop that the counted score needs; `stated_total` is the
    log's own `total_eval_time`. `activities` is everything timed after the stop, pieces left out.
    """

    seed: int | None
    training: Sourced[float] | None
    rounding_seconds: float
    reserve: Sourced[float] | None
    activities: tuple[Activity, ...]
    counted: Sourced[float] | None
    counted_label: str
    counted_encloses: Sourced[float] | None
    headline_path: tuple[Activity, ...]
    stated_total: Sourced[float] | None
    passes: tuple[EvalPass, ...]

    def of_kind(self, *kinds: ActivityKind) -> tuple[Activity, ...]:
        """The activities after the stop of these kinds."""
        return tuple(activity for activity in self.activities if activity.kind in kinds)

    @property
    def calibration_seconds(self) -> float:
        """Seconds after the stop that read training data, or data the log does not name."""
        return total(self.of_kind(ActivityKind.CALIBRATION))

    @property
    def training_total_seconds(self) -> float | None:
        """The training clock with calibration after the stop put on it."""
        return None if self.training is None else self.training.value + self.calibration_seconds

    @property
    def evaluation_seconds(self) -> float | None:
        """The counted pass with the separate phases it needs."""
        if self.counted is None:
            return None
        own = max(self.counted.value, self.counted_encloses.value if self.counted_encloses else 0.0)
        return own + total(self.headline_path)

    @property
    def all_evaluation_seconds(self) -> float:
        """Every timed evaluation pass after the stop, diagnostics included; lines of one pass count once."""
        seen: list[float] = []
        for each in self.passes:
            if each.seconds is not None and not any(abs(each.seconds.value - s) < 1.0 for s in seen):
                seen.append(each.seconds.value)
        return sum(seen) + total(self.headline_path)

    @property
    def after_stop_seconds(self) -> float:
        """Everything the log times after the stop."""
        beside = [activity for activity in self.activities if activity not in self.headline_path]
        inside = {ActivityKind.ADAPTATION, ActivityKind.PRECOMPUTE, ActivityKind.WHOLE}
        return self.all_evaluation_seconds + total(a for a in beside if a.kind not in inside)


def seconds_text(seconds: float) -> str:
    """Seconds as people read them: 600 s, 600.038 s, 1,046.1 s."""
    return f"{seconds:,.3f}".rstrip("0").rstrip(".") + " s"


def total(activities: Iterable[Activity]) -> float:
    """The summed seconds of activities."""
    return sum(activity.seconds.value for activity in activities)


def measure_clocks(seed: SeedEvidence) -> Clocks:
    """What the logs of one seed time. Values are None where nothing was printed."""
    trained = seed.training_run
    scored = seed.run or trained
    runs = [run for run in (trained, scored) if run is not None]
    activities = _activities(runs[:1] if trained is scored else runs, trained)
    passes = _passes_after_stop(scored)
    counted, encloses = _counted_time(seed.counted, passes)
    training = _training(trained)
    return Clocks(
        seed=seed.seed,
        training=training,
        rounding_seconds=_rounding(training),
        reserve=trained.gptq_reserve_seconds if trained else None,
        activities=activities,
        counted=counted or (scored.total_eval_seconds if scored and seed.counted else None),
        counted_label=seed.counted.label if seed.counted else "",
        counted_encloses=encloses,
        headline_path=_headline_path(seed.counted, counted, passes, activities),
        stated_total=scored.total_eval_seconds if scored else None,
        passes=passes,
    )


def _training(run: Run | None) -> Sourced[float] | None:
    if run is None:
        return None
    printed = run.stop.train_seconds if run.stop is not None else run.last_train_seconds
    longest = run.longest_train_seconds
    if printed is not None and longest is not None and longest.value > printed.value + SAME_PHASE_SECONDS:
        return longest  # the run went on training after the line that says it stopped
    return printed


def _rounding(training: Sourced[float] | None) -> float:
    if training is None or training.excerpt is None or not _IN_MINUTES.search(training.excerpt):
        return 0.0
    return _MINUTE_ROUNDING_SECONDS


def kind_of(timed: Timed, *, data_is_generated: bool = False) -> ActivityKind:
    """What a timed activity does. `data_is_generated`: this run made its calibration data itself."""
    line = timed.seconds.excerpt or ""
    kind = _KIND_OF_NAME.get(timed.what, ActivityKind.OTHER)
    if kind in {ActivityKind.WHOLE, ActivityKind.ADAPTATION, ActivityKind.OTHER}:
        kind = next((named for named, words in _KIND_OF_LINE if words.search(line)), kind)
    if timed.what == "quantisation" and timed.reads_data == "train":
        kind = ActivityKind.CALIBRATION
    generated = data_is_generated or timed.reads_data in {"none", "self-generated"}
    return ActivityKind.SELF_GENERATION if kind is ActivityKind.CALIBRATION and generated else kind


def _activities(runs: list[Run], trained: Run | None) -> tuple[Activity, ...]:
    found: list[Activity] = []
    for run in runs:
        generated = any(kind_of(timed) is ActivityKind.SELF_GENERATION for timed in run.timed)
        for timed in run.timed:
            text = timed.seconds.excerpt or timed.what
            in_training = run is trained and run.stop is not None and not timed.after_stop
            if in_training or _PIECE.search(text.lower()):
                continue
            kind = kind_of(timed, data_is_generated=generated)
            activity = Activity(
                kind=kind,
                what=timed.what,
                seconds=timed.seconds,
                outside_timer="outside" in text.lower() and not timed.inside_eval_timer,
            )
            if not any(_same(activity, other) for other in found):
                found.append(activity)
    return tuple(found)


def _same(one: Activity, other: Activity) -> bool:
    """Two lines that time one activity ("ttt:done elapsed=162.0s", "ttt:elapsed=162.0s")."""
    near = (
        one.seconds.file == other.seconds.file
        and abs((one.seconds.line or 0) - (other.seconds.line or 0)) <= 3
    )
    return near and one.kind is other.kind and abs(one.seconds.value - other.seconds.value) < 1.0


def _passes_after_stop(run: Run | None) -> tuple[EvalPass, ...]:
    if run is None:
        return ()
    stop_line = run.stop.train_seconds.line if run.stop is not None else None
    return tuple(
        each
        for each in run.passes
        if each.kind in {PassKind.FINAL, PassKind.DIAGNOSTIC}
        and (stop_line is None or (each.val_bpb.line or 0) > stop_line)
    )


def _counted_time(
    counted: EvalPass | None, passes: tuple[EvalPass, ...]
) -> tuple[Sourced[float] | None, Sourced[float] | None]:
    """The counted pass's time, and that of the model pass around it when the counted line is a mixture."""
    if counted is None:
        return None, None
    seconds = counted.seconds if _took_time(counted) else None
    if seconds is None:
        equal = [each for each in passes if _took_time(each) and _same_score(each, counted)]
        nearest = min(
            equal, key=lambda each: abs((each.val_bpb.line or 0) - (counted.val_bpb.line or 0)), default=None
        )
        seconds = _longest_copy(nearest, equal).seconds if nearest else None
    if counted.val_loss is not None or seconds is None:
        return seconds, None
    # A line without a loss of its own blends the probabilities of a model pass and needs its time.
    later = [each for each in passes if (each.val_bpb.line or 0) > (counted.val_bpb.line or 0)]
    around = next((each.seconds for each in later[:1] if each.val_loss is not None), None)
    return seconds, around if around is not None and around.value >= seconds.value else None


def _took_time(each: EvalPass) -> bool:
    """False where no time, or one that no evaluation can take, is printed."""
    return each.seconds is not None and each.seconds.value > 0


def _longest_copy(chosen: EvalPass, passes: list[EvalPass]) -> EvalPass:
    """The slowest of the passes that print the same name and the very same numbers as `chosen`.

    One pass has one duration: where its line stands twice with two times, the shorter one proves nothing.
    """

    def numbers(each: EvalPass) -> tuple[object, ...]:
        return each.label, each.val_bpb.value, each.digits, each.val_loss.value if each.val_loss else None

    copies = [each for each in passes if numbers(each) == numbers(chosen)]
    return max(copies, key=lambda each: each.seconds.value if each.seconds else 0.0)


def _same_score(one: EvalPass, other: EvalPass) -> bool:
    """Equal scores as far as both were printed (the `_exact` line repeats a rounded one)."""
    digits = min(one.digits or 4, other.digits or 4)
    return abs(one.val_bpb.value - other.val_bpb.value) <= 0.51 * 10.0**-digits


def _headline_path(
    counted: EvalPass | None,
    seconds: Sourced[float] | None,
    passes: tuple[EvalPass, ...],
    activities: tuple[Activity, ...],
) -> tuple[Activity, ...]:
    """Phases outside the counted pass's own timer that its score needs.

    A phase printed before another evaluation pass, which stands before the counted line, cannot be inside
    the counted pass's timer (`seconds`); nor can one that took longer than it. A precompute counts when the
    log itself says it is outside the timer.
    """
    if counted is None:
        return ()
    counted_line = counted.val_bpb.line or 0
    needed = {ActivityKind.PREQUANT_ADAPTATION, ActivityKind.ADAPTATION}
    path = []
    for activity in activities:
        line = activity.seconds.line or 0
        if activity.seconds.file != counted.val_bpb.file or line >= counted_line:
            continue
        between = any(
            line < (each.val_bpb.line or 0) < counted_line and not _same_score(each, counted)
            for each in passes
        )
        longer = seconds is not None and activity.seconds.value > seconds.value + SAME_PHASE_SECONDS
        separate = activity.kind is ActivityKind.PRECOMPUTE and activity.outside_timer
        if separate or (activity.kind in needed and (between or longer)):
            path.append(activity)
    return tuple(path)
