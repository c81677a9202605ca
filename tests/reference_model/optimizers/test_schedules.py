from __future__ import annotations

import pytest

from reference_model.config import OptimizerConfig, ScheduleConfig
from reference_model.optimizers.schedules import lr_scale, muon_momentum, ttt_cosine

BY_STEPS = ScheduleConfig(iterations=100, warmdown_iters=40, max_wallclock_seconds=0)
BY_CLOCK = ScheduleConfig(iterations=10_000, warmdown_iters=3000, max_wallclock_seconds=600)


def test_without_a_clock_the_rate_falls_linearly_over_the_last_steps() -> None:
    assert [lr_scale(step, 0.0, BY_STEPS) for step in (0, 59, 60, 80, 99)] == [1, 1, 1, 0.5, 0.025]


def test_with_a_clock_the_decay_of_pr940_starts_at_step_3405() -> None:
    pace_ms = 93.67  # its mean step; 600 s are then 6,405 steps
    assert lr_scale(3405, 3405 * pace_ms, BY_CLOCK) == 1
    assert lr_scale(3407, 3407 * pace_ms, BY_CLOCK) < 1


def test_with_a_clock_the_rate_reaches_zero_when_the_clock_ends() -> None:
    assert lr_scale(6000, 300_000.0, BY_CLOCK) == 1
    assert lr_scale(4500, 450_000.0, BY_CLOCK) == pytest.approx(0.5)
    assert lr_scale(6000, 600_000.0, BY_CLOCK) == 0
    assert lr_scale(6000, 600_500.0, BY_CLOCK) == 0


def test_a_machine_too_slow_for_the_warmdown_decays_from_the_second_step() -> None:
    assert lr_scale(0, 0.0, BY_CLOCK) == 1
    assert lr_scale(1, 1000.0, BY_CLOCK) == pytest.approx(599 / 3000)


def test_no_warmdown_keeps_the_rate() -> None:
    assert lr_scale(99, 1e9, ScheduleConfig(warmdown_iters=0)) == 1


def test_a_warmdown_longer_than_the_run_starts_below_one() -> None:
    assert lr_scale(0, 0.0, ScheduleConfig(iterations=10, warmdown_iters=40, max_wallclock_seconds=0)) == 0.25


def test_momentum_rises_linearly_and_stays() -> None:
    config = OptimizerConfig(
        muon_momentum=0.99, muon_momentum_warmup_start=0.92, muon_momentum_warmup_steps=1500
    )
    assert muon_momentum(0, config) == 0.92
    assert muon_momentum(750, config) == pytest.approx(0.955)
    assert muon_momentum(1500, config) == muon_momentum(9000, config) == 0.99


def test_no_warmup_starts_at_the_final_momentum() -> None:
    assert muon_momentum(0, OptimizerConfig(muon_momentum=0.95, muon_momentum_warmup_steps=0)) == 0.95


def test_ttt_rate_is_a_half_cosine_from_first_to_last_chunk() -> None:
    rates = [ttt_cosine(chunk, 5, 0.002) for chunk in range(5)]
    assert rates[0] == 0.002
    assert rates[2] == pytest.approx(0.001)
    assert rates[4] == pytest.approx(0, abs=1e-18)


def test_a_single_ttt_chunk_gets_the_full_rate() -> None:
    assert ttt_cosine(0, 1, 0.002) == 0.002
