from __future__ import annotations

import pytest
import torch

from reference_model.network.mlp import squared_activation


@pytest.mark.parametrize(("slope", "expected"), [(0.0, [0, 0, 9]), (0.5, [1, 0, 9]), (1.0, [4, 0, 9])])
def test_negatives_contribute_the_square_of_the_slope(slope, expected):
    assert squared_activation(torch.tensor([-2.0, 0.0, 3.0]), slope).tolist() == expected


@pytest.mark.parametrize("slope", [0.0, 0.5, 0.9])
def test_gradient_by_hand_is_the_derivative(slope):
    u = torch.randn(50).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: squared_activation(x, slope), u)
