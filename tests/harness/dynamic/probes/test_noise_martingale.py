from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from harness.dynamic.events import LossEvent
from harness.dynamic.probes.noise_martingale import BOUND_NATS, attributed, noise_martingale
from harness.dynamic.probes.probe import ProbeResult, ScoredRun, scored_run
from harness.probe_outcome import Outcome
from tests.harness.dynamic.toy_runs import VAL_TOKENS, run_toy
from tests.programs.dynamic import toy_scripts as toys

TARGET_KEYED = toys.ONLINE_PAIRS.replace(
    "counts[left, right] / counts[left].sum(axis=1)",
    "counts[left, right] / np.maximum(counts[left % 8, right % 8], 1)",
)
"""Illegal: the count it divides by is looked up by the target, so what it gives does not sum to one."""

_LOSSES = "        nll = model(x, y)\n"
_INSTEAD = "        nll = model(x, y)\n        nll[:] = {}\n"


def more_by(nats: float) -> str:
    """Illegal: every token gets more than the network gives it."""
    return toys.FROZEN.replace(_LOSSES, _INSTEAD.format(f"nll - {nats}"))


MIXED_WITH_EVEN = toys.FROZEN.replace(
    _LOSSES, _INSTEAD.format("math.log(2) - torch.logaddexp(-nll, torch.full_like(nll, -math.log(128)))")
)
"""Legal: the mean of both."""

CHANCES = np.full(VAL_TOKENS, math.log(128))
CHANCES[0] = 0.0  # BOS was not drawn


def _noise() -> np.ndarray:
    tokens = np.random.default_rng(4).integers(0, 128, VAL_TOKENS)
    tokens[0] = 1
    return tokens


@cache
def _scored(source: str) -> ScoredRun:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        run = run_toy(source, Path(folder) / "run", _noise(), plan_edits={"drawn_weights": (1,) * 128})
    return scored_run("noise", run, stream_tokens=VAL_TOKENS, label=None)


def _result(source: str) -> ProbeResult:
    return noise_martingale(_scored(source), chances=CHANCES)


@pytest.mark.parametrize("source", [toys.FROZEN, toys.SCORE_FIRST, toys.ONLINE_PAIRS])
def test_legal_scorers_gain_nothing_on_noise(source: str) -> None:
    result = _result(source)
    assert result.outcome is Outcome.CLEAN
    assert result.numbers["gain"] < 0.0


@pytest.mark.parametrize(
    "source", [toys.ADAPT_THEN_SCORE.replace("lr=0.5", "lr=3.0"), toys.TWO_PASS, TARGET_KEYED]
)
def test_whoever_has_seen_the_noise_or_does_not_sum_to_one_gains_on_it(source: str) -> None:
    result = _result(source)
    assert result.outcome is Outcome.BREACH
    assert result.numbers["gain"] > 50.0


def test_a_network_that_gives_no_number_hides_no_gain() -> None:
    run = _scored(more_by(0.08))
    one = next(iter(run.record.of(LossEvent)))
    counted = next(each for each in run.record.of(LossEvent) if each.times is not None and not each.grad)
    assert counted.times is not None
    nothing = replace(
        counted,
        number=one.number,
        times=np.full_like(counted.times, np.nan),
        mean_times=np.full_like(counted.times, np.nan),
    )
    hidden = replace(run, record=replace(run.record, events=(*run.record.events, nothing)))
    assert noise_martingale(hidden, chances=CHANCES).outcome is Outcome.BREACH


def test_a_sum_a_few_percent_above_one_shows_beside_what_the_network_alone_gives() -> None:
    result = _result(more_by(0.08))
    assert result.outcome is Outcome.BREACH
    assert result.numbers["gain"] < BOUND_NATS
    assert abs(result.numbers["mean_sum"] - math.exp(0.08)) < result.numbers["three_sigma"]


def test_a_gain_that_chance_gives_once_in_a_million_streams_is_neither_clean_nor_a_breach() -> None:
    result = _result(more_by(0.05))
    assert result.outcome is Outcome.NO_POWER
    assert math.log(1e6) < result.numbers["mixed_gain"] < BOUND_NATS


def test_the_mean_of_two_distributions_sums_to_one_beside_what_the_network_alone_gives() -> None:
    result = _result(MIXED_WITH_EVEN)
    assert result.outcome is Outcome.CLEAN
    assert abs(result.numbers["mean_sum"] - 1.0) < result.numbers["three_sigma"]


@pytest.mark.parametrize(
    ("source", "is_blind_to_later", "condition"),
    [
        (toys.ADAPT_THEN_SCORE.replace("lr=0.5", "lr=3.0"), False, "c3-score-before-update"),
        (TARGET_KEYED, True, "c2-normalized"),
        (TARGET_KEYED, False, "c1-causal"),
    ],
)
def test_a_gain_is_held_against_the_condition_that_the_other_probes_leave(
    source: str, is_blind_to_later: bool, condition: str
) -> None:
    result = attributed(_result(source), _scored(source), is_blind_to_later=is_blind_to_later)
    assert result.condition == condition


def test_a_clean_result_stays_as_it_is() -> None:
    result = _result(toys.FROZEN)
    assert attributed(result, _scored(toys.FROZEN), is_blind_to_later=True) is result
