from __future__ import annotations

import torch

from reference_model.network.linear import CastedLinear


def test_weight_stays_float32_and_the_output_takes_the_inputs_type():
    layer = CastedLinear(4, 3)
    assert layer(torch.randn(2, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert layer.weight.dtype == torch.float32


def test_scale_and_residual_are_those_of_separate_operations():
    layer = CastedLinear(4, 3, bias=True).double()
    x, scale, added = torch.randn(2, 5, 4).double(), torch.randn(3).double(), torch.randn(2, 5, 3).double()
    torch.testing.assert_close(layer(x, scale, added), layer(x) * scale + added)
    torch.testing.assert_close(layer(x, scale.sum()), layer(x) * scale.sum())


def test_fake_quantizer_acts_in_training_only_and_before_the_scale():
    layer = CastedLinear(4, 3)
    layer.fake_quantizer = torch.round
    x, scale = torch.randn(2, 4), torch.full((3,), 0.3)
    torch.testing.assert_close(layer(x, scale), x @ layer.weight.round().t() * 0.3)
    torch.testing.assert_close(layer.eval()(x), x @ layer.weight.t())
