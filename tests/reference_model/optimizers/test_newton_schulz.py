from __future__ import annotations

import pytest
import torch

from reference_model.config import NewtonSchulz
from reference_model.optimizers.newton_schulz import iteration_coefficients, newton_schulz


def iterated(matrices: torch.Tensor, kind: NewtonSchulz, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return newton_schulz(matrices, iteration_coefficients(kind, 5), dtype)


def with_singular_values(values: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    torch.manual_seed(0)
    u, _, vt = torch.linalg.svd(torch.randn(rows, columns, dtype=torch.float64), full_matrices=False)
    return (u * values) @ vt


@pytest.mark.parametrize("kind", NewtonSchulz)
def test_each_triple_is_an_odd_polynomial_of_the_singular_values(kind: NewtonSchulz) -> None:
    values = torch.linspace(0.01, 1, 24, dtype=torch.float64)
    expected = values / values.norm()
    for a, b, c in iteration_coefficients(kind, 5):
        expected = a * expected + b * expected**3 + c * expected**5
    u, _, vt = torch.linalg.svd(with_singular_values(values, 24, 40), full_matrices=False)
    u, vt = u.flip(1), vt.flip(0)  # svd sorts downwards, the values here rise
    result = iterated(with_singular_values(values, 24, 40)[None], kind)[0]
    assert torch.allclose((u.T @ result @ vt.T).diagonal(), expected, atol=1e-6)


def furthest_from_one(kind: NewtonSchulz) -> float:
    """Over singular values of 1e-3 to 0.3 of the Frobenius norm."""
    values = torch.logspace(-3, 0, 64, dtype=torch.float64)
    values = values[values / values.norm() >= 1e-3]
    result = iterated(with_singular_values(values, len(values), 96)[None], kind)[0]
    return float((torch.linalg.svdvals(result) - 1).abs().max())


def test_polar_express_brings_singular_values_of_a_thousandth_or_more_within_15_percent_of_one() -> None:
    assert furthest_from_one(NewtonSchulz.POLAR_EXPRESS) < 0.15


def test_the_quintic_leaves_small_singular_values_far_below_one() -> None:
    assert 0.3 < furthest_from_one(NewtonSchulz.QUINTIC) < 0.6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_stays_near_the_float64_result(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 64, 64)
    exact = iterated(matrices, NewtonSchulz.QUINTIC)
    near = iterated(matrices, NewtonSchulz.QUINTIC, dtype)
    assert near.dtype is dtype
    assert (near - exact).abs().max() < (0.05 if dtype is torch.bfloat16 else 1e-4)


def test_tall_matrices_give_the_transpose_of_wide_ones() -> None:
    torch.manual_seed(0)
    wide = torch.randn(2, 16, 48)
    tall = iterated(wide.mT, NewtonSchulz.QUINTIC, torch.bfloat16)
    assert torch.equal(tall, iterated(wide, NewtonSchulz.QUINTIC, torch.bfloat16).mT)
    assert tall.is_contiguous()


def test_a_zero_matrix_stays_zero() -> None:
    assert not iterated(torch.zeros(1, 8, 16), NewtonSchulz.POLAR_EXPRESS, torch.bfloat16).any()


def test_a_batch_gives_what_its_members_give() -> None:
    torch.manual_seed(0)
    batch = torch.randn(5, 24, 40)
    together = iterated(batch, NewtonSchulz.QUINTIC, torch.float32)
    alone = torch.cat([iterated(each[None], NewtonSchulz.QUINTIC, torch.float32) for each in batch])
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_input_is_left_alone() -> None:
    matrices = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    before = matrices.clone()
    iterated(matrices, NewtonSchulz.QUINTIC, torch.float32)
    assert torch.equal(matrices, before)


def test_polar_express_repeats_its_last_triple() -> None:
    seven = iteration_coefficients(NewtonSchulz.POLAR_EXPRESS, 7)
    assert len(seven) == 7
    assert seven[4] == seven[5] == seven[6] != seven[3]
