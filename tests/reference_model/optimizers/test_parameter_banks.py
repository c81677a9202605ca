from __future__ import annotations

import pytest
import torch

from reference_model.config import MatrixOptimizer, NewtonSchulz, OptimizerConfig
from reference_model.distributed import World
from reference_model.optimizers.optimizer_groups import build_optimizers
from tests.reference_model.named_tensors import SMALL_SHAPES, random_tensors, set_gradients, small_module


def weights_after(
    variant: MatrixOptimizer, kind: NewtonSchulz, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    module = small_module()
    config = OptimizerConfig(
        matrix_optimizer=variant, newton_schulz=kind, muon_wd=0.04, adam_wd=0.01, grad_clip_norm=0.3
    )
    optimizers = build_optimizers(module, config, World(), matrix_dtype=dtype)
    for step in range(3):
        set_gradients(module, random_tensors(100 + step))
        optimizers.step(lr_scale=1.0, momentum=0.95)
    return dict(module.state_dict())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", NewtonSchulz)
def test_banks_and_plain_muon_give_the_same_bits_on_one_process(
    kind: NewtonSchulz, dtype: torch.dtype
) -> None:
    plain = weights_after(MatrixOptimizer.MUON, kind, dtype)
    banks = weights_after(MatrixOptimizer.MUON_BANKS, kind, dtype)
    assert plain.keys() == SMALL_SHAPES.keys()
    assert all(torch.equal(plain[name], banks[name]) for name in plain)


def test_the_weights_keep_their_own_storage() -> None:
    module = small_module()
    before = {name: parameter.data_ptr() for name, parameter in module.named_parameters()}
    config = OptimizerConfig(matrix_optimizer=MatrixOptimizer.MUON_BANKS)
    set_gradients(module, random_tensors(1))
    build_optimizers(module, config, World()).step(lr_scale=1.0, momentum=0.9)
    assert {name: parameter.data_ptr() for name, parameter in module.named_parameters()} == before
