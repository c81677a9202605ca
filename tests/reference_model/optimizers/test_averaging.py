from __future__ import annotations

import pytest
import torch
from torch import nn

from reference_model.config import ConfigError
from reference_model.optimizers.averaging import ExponentialMovingAverage, StochasticWeightAverage
from tests.reference_model.named_tensors import module_of


def one_weight(value: float, dtype: torch.dtype = torch.float32) -> nn.Module:
    return module_of({"w": torch.full((2, 2), value, dtype=dtype)})


def set_weight(module: nn.Module, value: float) -> None:
    with torch.no_grad():
        module.get_parameter("w").fill_(value)


def ema_after(values: list[float], *, correct: bool, decay: float = 0.9) -> float:
    module = one_weight(values[0])
    average = ExponentialMovingAverage(module, decay, correct)
    for value in values[1:]:
        set_weight(module, value)
        average.update(module)
    return float(average.weights()["w"][0, 0])


def test_uncorrected_average_keeps_a_share_of_the_start() -> None:
    assert ema_after([1.0, 0.0, 0.0], correct=False) == pytest.approx(0.81)


def test_corrected_average_of_constant_weights_is_those_weights() -> None:
    assert ema_after([100.0, 2.0, 2.0, 2.0], correct=True) == pytest.approx(2.0, rel=1e-6)


def test_corrected_average_weighs_later_steps_more() -> None:
    assert ema_after([100.0, 1.0, 3.0], correct=True) == pytest.approx((0.09 * 1 + 0.1 * 3) / 0.19, rel=1e-6)


@pytest.mark.parametrize("correct", [False, True])
def test_before_the_first_update_the_average_is_the_start(correct: bool) -> None:
    assert ema_after([5.0], correct=correct) == 5.0


def test_bf16_weights_are_averaged_in_fp32() -> None:
    module = one_weight(1.0, torch.bfloat16)
    average = ExponentialMovingAverage(module, 0.999, False)
    set_weight(module, 2.0)
    average.update(module)
    weights = average.weights()["w"]
    assert weights.dtype is torch.float32
    assert float(weights[0, 0]) == pytest.approx(1.001, rel=1e-6)


def test_the_average_does_not_follow_the_weights_by_reference() -> None:
    module = one_weight(1.0)
    average = ExponentialMovingAverage(module, 0.9, False)
    set_weight(module, 7.0)
    assert float(average.weights()["w"][0, 0]) == 1.0


def test_a_decay_of_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"averaging\.ema_decay is 1"):
        ExponentialMovingAverage(one_weight(0.0), 1.0, False)


@pytest.mark.parametrize("correct", [False, True])
def test_a_resumed_average_goes_on_bit_equally(correct: bool) -> None:
    module = one_weight(1.0)
    average = ExponentialMovingAverage(module, 0.997, correct)
    set_weight(module, 0.3)
    average.update(module)
    resumed = ExponentialMovingAverage(module, 0.997, correct)
    resumed.load_state_dict(average.state_dict())
    set_weight(module, 0.7)
    average.update(module)
    resumed.update(module)
    assert torch.equal(average.weights()["w"], resumed.weights()["w"])


def test_a_saved_average_of_another_model_is_refused() -> None:
    saved = ExponentialMovingAverage(module_of({"v": torch.zeros(1)}), 0.9, False).state_dict()
    with pytest.raises(ConfigError, match="differ first at 'v'"):
        ExponentialMovingAverage(one_weight(0.0), 0.9, False).load_state_dict(saved)


def test_stochastic_average_is_the_mean_of_the_snapshots() -> None:
    average = StochasticWeightAverage()
    for value in (1.0, 2.0, 6.0):
        average.add(one_weight(value).state_dict())
    assert average.count == 3
    assert float(average.weights()["w"][0, 0]) == 3.0


def test_a_snapshot_does_not_follow_later_steps() -> None:
    module, average = one_weight(1.0), StochasticWeightAverage()
    average.add(module.state_dict())
    set_weight(module, 9.0)
    assert float(average.weights()["w"][0, 0]) == 1.0


def test_no_snapshot_has_no_mean_and_says_which_settings_decide() -> None:
    with pytest.raises(ConfigError, match=r"averaging\.swa_start_scale"):
        StochasticWeightAverage().weights()


def test_snapshots_of_two_models_are_refused() -> None:
    average = StochasticWeightAverage()
    average.add(one_weight(1.0).state_dict())
    with pytest.raises(ConfigError, match="first 'w'"):
        average.add({"v": torch.zeros(1)})


def test_a_resumed_stochastic_average_goes_on_bit_equally() -> None:
    average, resumed = StochasticWeightAverage(), StochasticWeightAverage()
    average.add(one_weight(0.1).state_dict())
    resumed.load_state_dict(average.state_dict())
    average.add(one_weight(0.7).state_dict())
    resumed.add(one_weight(0.7).state_dict())
    assert torch.equal(average.weights()["w"], resumed.weights()["w"])
