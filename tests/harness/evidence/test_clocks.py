from __future__ import annotations

import dataclasses

import pytest

from harness.evidence.clocks import ActivityKind, kind_of, measure_clocks, seconds_text
from harness.evidence.seed_evidence import Match, SeedEvidence
from harness.finding import Sourced
from harness.logs.training_log import EvalPass, PassKind, Run, Timed, TrainingStop

LOG = "train.log"


def at(value: float, line: int, excerpt: str = "") -> Sourced[float]:
    return Sourced(value, LOG, line, excerpt or None)


def scored(
    line: int, bpb: float, *, seconds: float | None = None, loss: float | None = 2.0, label: str = "final"
) -> EvalPass:
    return EvalPass(
        label=label,
        kind=PassKind.FINAL,
        val_bpb=at(bpb, line),
        val_loss=None if loss is None else at(loss, line),
        seconds=None if seconds is None else at(seconds, line),
        digits=8,
        loss_digits=8,
    )


def timed(what: str, seconds: float, line: int, excerpt: str = "", reads: str = "unknown") -> Timed:
    return Timed(what=what, seconds=at(seconds, line, excerpt), after_stop=True, reads_data=reads)


def evidence(*passes: EvalPass, activities: tuple[Timed, ...] = (), train: float = 599.5) -> SeedEvidence:
    stop = TrainingStop(reason="wallclock_cap", train_seconds=at(train, 10), step=100, planned_steps=200)
    run = Run(file=LOG, first_line=1, last_line=99, stop=stop, passes=passes, timed=activities)
    return SeedEvidence(
        seed=42,
        claim=None,
        match=Match.CLAIM,
        run=run,
        training_run=run,
        counted=passes[-1] if passes else None,
    )


def test_calibration_after_the_stop_is_put_on_the_training_clock() -> None:
    clocks = measure_clocks(evidence(scored(30, 1.2), activities=(timed("calibration", 4.7, 12),)))
    assert clocks.training_total_seconds == pytest.approx(604.2)


def test_calibration_on_generated_data_is_not() -> None:
    activities = (timed("self-generation", 198.0, 12), timed("calibration", 9.0, 14))
    clocks = measure_clocks(evidence(scored(30, 1.2), activities=activities))
    assert clocks.training_total_seconds == pytest.approx(599.5)
    assert [each.kind for each in clocks.activities] == [ActivityKind.SELF_GENERATION] * 2


def test_quantisation_that_reads_training_data_is_calibration() -> None:
    each = timed("quantisation", 6.0, 12, reads="train")
    assert kind_of(each) is ActivityKind.CALIBRATION


def test_the_counted_pass_is_timed_by_its_rounded_twin() -> None:
    rounded = dataclasses.replace(scored(30, 1.2001, seconds=80.0), digits=4)
    clocks = measure_clocks(evidence(rounded, scored(31, 1.20013333)))
    assert clocks.evaluation_seconds == pytest.approx(80.0)


def test_a_mixture_takes_the_time_of_the_model_pass_around_it() -> None:
    mixture = scored(30, 0.93, seconds=550.0, loss=None, label="ppm_mixer")
    around = scored(31, 1.08, seconds=681.3, label="sliding")
    seed = evidence(around, mixture)
    run = dataclasses.replace(seed.run, passes=(mixture, around)) if seed.run else None
    clocks = measure_clocks(dataclasses.replace(seed, run=run, training_run=run, counted=mixture))
    assert clocks.evaluation_seconds == pytest.approx(681.3)


def test_a_phase_before_another_pass_is_on_the_headline_path() -> None:
    phase = timed("test-time-training", 162.0, 20)
    clocks = measure_clocks(
        evidence(scored(25, 1.3, seconds=2.0), scored(30, 1.2, seconds=80.0), activities=(phase,))
    )
    assert clocks.evaluation_seconds == pytest.approx(242.0)


def test_a_phase_directly_before_the_counted_pass_is_inside_it() -> None:
    phase = timed("test-time-training", 409.8, 29)
    clocks = measure_clocks(evidence(scored(30, 1.2, seconds=410.3), activities=(phase,)))
    assert clocks.evaluation_seconds == pytest.approx(410.3)


def test_one_activity_printed_twice_counts_once() -> None:
    twice = (timed("test-time-training", 162.0, 20), timed("test-time-training", 162.0, 21))
    clocks = measure_clocks(evidence(scored(25, 1.3), scored(30, 1.2, seconds=80.0), activities=twice))
    assert len(clocks.activities) == 1


def test_pieces_of_a_phase_are_left_to_its_total() -> None:
    piece = timed("prequant-ttt", 24.9, 20, "prequant_ttt:epoch 3/21 time=24.9s")
    whole = timed("prequant-ttt", 523.6, 41, "prequant_ttt:done total_time=523.6s")
    clocks = measure_clocks(evidence(scored(60, 1.2), activities=(piece, whole)))
    assert [each.seconds.value for each in clocks.activities] == [523.6]


def test_a_total_that_names_its_phase_is_that_phase() -> None:
    each = timed("total", 523.6, 41, "prequant_ttt:done total_time=523.6s")
    assert kind_of(each) is ActivityKind.PREQUANT_ADAPTATION


def test_everything_after_the_stop_counts_twins_once_and_totals_never() -> None:
    activities = (timed("calibration", 4.0, 12), timed("compression", 96.0, 14), timed("total", 900.0, 40))
    twin = scored(31, 1.2, seconds=500.2)
    clocks = measure_clocks(evidence(scored(30, 1.2, seconds=500.0), twin, activities=activities))
    assert clocks.after_stop_seconds == pytest.approx(600.0)


def test_minutes_are_good_to_three_seconds_only() -> None:
    run = Run(
        file=LOG,
        first_line=1,
        last_line=9,
        last_train_seconds=at(606.0, 5, "4500/4500 train_loss: 2.8 train_time: 10.1m tok/s: 9"),
    )
    seed = SeedEvidence(seed=1, claim=None, match=Match.NONE, run=run, training_run=run, counted=None)
    assert measure_clocks(seed).rounding_seconds == 3.0


def test_a_seed_without_runs_has_empty_clocks() -> None:
    seed = SeedEvidence(seed=1, claim=None, match=Match.NONE, run=None, training_run=None, counted=None)
    clocks = measure_clocks(seed)
    assert (clocks.training, clocks.evaluation_seconds, clocks.after_stop_seconds) == (None, None, 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(600.0, "600 s"), (600.038, "600.038 s"), (1046.1, "1,046.1 s"), (0.0, "0 s"), (100.0, "100 s")],
)
def test_seconds_read_like_people_write_them(seconds: float, words: str) -> None:
    assert seconds_text(seconds) == words
