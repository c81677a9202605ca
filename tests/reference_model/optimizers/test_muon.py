from __future__ import annotations

import pytest
import torch
from torch import nn

from reference_model.config import ConfigError, OptimizerConfig
from reference_model.distributed import World
from reference_model.optimizers.muon import Muon, names_by_shape
from reference_model.optimizers.newton_schulz import QUINTIC_COEFFICIENTS, newton_schulz
from reference_model.optimizers.parameter_banks import BankMuon

VARIANTS = pytest.mark.parametrize("variant", [Muon, BankMuon])
CONFIG = OptimizerConfig(muon_wd=0.1)


def parameters(**shapes: tuple[int, int]) -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    made = {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}
    for parameter in made.values():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return made


def stepped(
    muon: Muon | BankMuon, *, lr: float = 0.1, momentum: float = 0.9, scale: float | None = None
) -> torch.Tensor:
    muon.send_gradients()
    norms = muon.gradient_norms()
    factor = None if scale is None else torch.tensor(scale)
    muon.send_updates(momentum=momentum, gradient_scale=factor)
    muon.apply_updates(lr=lr)
    return norms


@VARIANTS
def test_two_steps_follow_the_formula(variant: type[Muon | BankMuon]) -> None:
    matrices = parameters(wide=(4, 12))
    weight, gradient = matrices["wide"].detach().clone(), matrices["wide"].grad
    assert gradient is not None
    muon = variant(matrices, CONFIG, World(), dtype=torch.float32)
    stepped(muon)
    stepped(muon)
    buffer = torch.zeros_like(weight)
    for _ in range(2):
        buffer = 0.9 * buffer + gradient
        direction = gradient + 0.9 * buffer
        update = newton_schulz(direction[None], (QUINTIC_COEFFICIENTS,) * 5, torch.float32)[0]
        weight = weight * (1 - 0.1 * 0.1) - 0.1 * update
    assert torch.allclose(matrices["wide"], weight, atol=1e-6)


@VARIANTS
def test_matrices_with_more_rows_than_columns_move_further(variant: type[Muon | BankMuon]) -> None:
    matrices = parameters(tall=(64, 4))
    before = matrices["tall"].detach().clone()
    stepped(variant(matrices, OptimizerConfig(), World(), dtype=torch.float32), lr=1.0)
    moved = torch.linalg.svdvals(before - matrices["tall"].detach())
    assert 0.65 * 4 < moved.min() <= moved.max() < 1.25 * 4  # sqrt(64 / 4) times singular values about 1


@VARIANTS
def test_a_matrix_without_gradient_only_decays_at_first(variant: type[Muon | BankMuon]) -> None:
    matrices = parameters(used=(4, 4), unused=(4, 4))
    matrices["unused"].grad = None
    before = matrices["unused"].detach().clone()
    stepped(variant(matrices, CONFIG, World()))
    assert torch.allclose(matrices["unused"], before * 0.99)


@VARIANTS
def test_norms_come_in_the_order_of_the_parameters(variant: type[Muon | BankMuon]) -> None:
    matrices = parameters(a=(4, 12), b=(12, 4), c=(4, 12))
    expected = torch.stack([each.grad.norm() for each in matrices.values() if each.grad is not None])
    assert torch.equal(stepped(variant(matrices, CONFIG, World())), expected)


@VARIANTS
def test_gradients_are_scaled_before_they_enter_the_momentum(variant: type[Muon | BankMuon]) -> None:
    matrices = parameters(a=(4, 12))
    muon = variant(matrices, CONFIG, World())
    stepped(muon, scale=0.25)
    assert matrices["a"].grad is not None
    assert torch.equal(muon.momentum_by_name()["a"], 0.25 * matrices["a"].grad)


@VARIANTS
def test_gradients_are_left_as_they_were(variant: type[Muon | BankMuon]) -> None:
    matrices = parameters(a=(4, 12))
    assert matrices["a"].grad is not None
    before = matrices["a"].grad.clone()
    stepped(variant(matrices, CONFIG, World()), scale=0.5)
    assert torch.equal(matrices["a"].grad, before)


@VARIANTS
def test_momentum_of_another_shape_is_refused_by_name(variant: type[Muon | BankMuon]) -> None:
    muon = variant(parameters(a=(4, 12)), CONFIG, World())
    with pytest.raises(ConfigError, match=r"holds \(2, 2\) for the momentum of a, the model needs \(4, 12\)"):
        muon.load_momentum({"a": torch.zeros(2, 2)})


@VARIANTS
def test_missing_momentum_is_refused_by_name(variant: type[Muon | BankMuon]) -> None:
    muon = variant(parameters(a=(4, 12)), CONFIG, World())
    with pytest.raises(ConfigError, match="holds nothing for the momentum of a"):
        muon.load_momentum({})


@VARIANTS
def test_a_model_without_matrices_takes_steps(variant: type[Muon | BankMuon]) -> None:
    assert stepped(variant({}, CONFIG, World())).shape == (0,)


def test_names_of_one_shape_stay_in_order() -> None:
    matrices = parameters(a=(2, 3), b=(3, 2), c=(2, 3))
    assert names_by_shape(matrices, list(matrices)) == {(2, 3): ["a", "c"], (3, 2): ["b"]}
