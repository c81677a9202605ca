from __future__ import annotations

import pytest
import torch

from reference_model.artifacts.gptq_lite import MATRIX_QUANTILES, ROW_QUANTILES, searched_row_codes
from reference_model.artifacts.quantize import fp16_scale, rounded_codes
from reference_model.config import GptqLite

FORMS = [GptqLite.PER_ROW, GptqLite.PER_MATRIX]


def heavy_tailed(rows: int = 32, columns: int = 512) -> torch.Tensor:
    chance = torch.Generator().manual_seed(3)
    weight = torch.randn(rows, columns, generator=chance)
    return weight * torch.randn(rows, columns, generator=chance).mul(0.3).exp() * 0.05


def squared_error(weight: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return (weight - codes * scale.float()[:, None]).pow(2).mean(dim=1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("max_code", [15, 31])
def test_the_search_loses_less_than_the_row_maximum(form: GptqLite, max_code: int) -> None:
    weight = heavy_tailed()
    found = searched_row_codes(weight, form, max_code=max_code, floor=1e-12)
    plain_scale = fp16_scale(weight.abs().amax(dim=1), max_code=max_code, floor=1e-12)
    plain = rounded_codes(weight, plain_scale, lowest=-max_code - 1, highest=max_code)
    assert squared_error(weight, *found).mean() < squared_error(weight, plain, plain_scale).mean()


def test_every_row_takes_its_own_best_candidate() -> None:
    weight = heavy_tailed()
    found = squared_error(weight, *searched_row_codes(weight, GptqLite.PER_ROW, max_code=31, floor=1e-12))
    ordered = weight.abs().sort(dim=1).values
    for quantile in ROW_QUANTILES:
        scale = fp16_scale(ordered[:, int(quantile * 511)], max_code=31, floor=1e-12)
        codes = rounded_codes(weight, scale, lowest=-32, highest=31)
        assert bool((found <= squared_error(weight, codes, scale)).all())


def test_the_whole_matrix_takes_one_candidate() -> None:
    weight = heavy_tailed()
    _, scale = searched_row_codes(weight, GptqLite.PER_MATRIX, max_code=31, floor=1e-12)
    candidates = [
        fp16_scale(torch.quantile(weight.abs(), quantile, dim=1), max_code=31, floor=1e-12)
        for quantile in MATRIX_QUANTILES
    ]
    assert any(torch.equal(scale, each) for each in candidates)


def test_the_search_over_a_matrix_is_symmetric_and_the_one_per_row_is_not() -> None:
    weight = heavy_tailed(columns=2048)
    lowest = [float(searched_row_codes(weight, form, max_code=15, floor=1e-12)[0].min()) for form in FORMS]
    assert lowest == [-16.0, -15.0]


@pytest.mark.parametrize("form", FORMS)
def test_the_floor_is_the_least_scale(form: GptqLite) -> None:
    _, scale = searched_row_codes(heavy_tailed() * 0.01, form, max_code=31, floor=1 / 31)
    assert torch.equal(scale, torch.full_like(scale, 1 / 31))


@pytest.mark.parametrize("form", FORMS)
def test_a_matrix_of_zeros_gives_zero_codes(form: GptqLite) -> None:
    codes, scale = searched_row_codes(torch.zeros(4, 64), form, max_code=31, floor=1e-12)
    assert not codes.any()
    assert bool((scale > 0).all())
