from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from reference_model.config import ConfigError, MatrixOptimizer, OptimizerConfig
from reference_model.distributed import World
from reference_model.optimizers.optimizer_groups import Optimizers, build_optimizers, grouped_parameters
from tests.reference_model.named_tensors import module_of, random_tensors, set_gradients, small_module

BOTH_MUONS = pytest.mark.parametrize("matrices", MatrixOptimizer)


def group_of(name: str, shape: tuple[int, ...]) -> str:
    groups = grouped_parameters(module_of({name: torch.zeros(shape)}))
    return next(group for group, (tensors, _) in groups.sizes().items() if tensors)


@pytest.mark.parametrize(
    ("name", "shape", "group"),
    [
        ("cores.3.attn.c_q.weight", (16, 16), "matrix"),
        ("cores.3.mlp.fc.weight", (48, 16), "matrix"),
        ("bigram.proj.weight", (16, 8), "matrix"),
        ("ve_shared.proj.weight", (8, 8), "matrix"),
        ("shared_sparse.gate.weight", (6, 16), "matrix"),
        ("shared_sparse.site_gate.weight", (3, 6), "matrix"),
        ("tok_emb.weight", (32, 16), "token"),
        ("bigram.embed.weight", (64, 8), "token"),
        ("ve_shared.embed.weight", (32, 8), "token"),
        ("lm_head.weight", (32, 16), "head"),
        ("blocks.0.resid_mix", (2, 16), "scalar"),
        ("blocks.0.attn_scale", (16,), "scalar"),
        ("cores.0.attn.attn_gate.weight", (4, 16), "scalar"),
        ("cores.0.attn.vr_lambda", (2,), "scalar"),
        ("shared_sparse.local.weight", (6, 1, 3), "scalar"),
        ("shared_sparse_scale", (3, 16), "scalar"),
        ("skip_weights", (4, 16), "scalar"),
        ("smear.gate", (16,), "scalar"),
        ("smear.weight", (1, 12), "scalar"),
        ("bigram.scale", (), "scalar"),
        ("ve_layer_scales.0", (1,), "scalar"),
    ],
)
def test_the_rule_sorts_by_name_and_shape(name: str, shape: tuple[int, ...], group: str) -> None:
    assert group_of(name, shape) == group


def test_frozen_and_empty_parameters_belong_to_no_group() -> None:
    module = module_of({"skip_weights": torch.zeros(0, 16), "cores.0.mlp.fc.weight": torch.zeros(4, 4)})
    module.requires_grad_(False)
    assert all(size == (0, 0) for size in grouped_parameters(module).sizes().values())


def optimizers_of(module: nn.Module, **settings: Any) -> Optimizers:
    config = OptimizerConfig(**{"muon_wd": 0.04, "adam_wd": 0.04, "grad_clip_norm": 0.3, **settings})
    return build_optimizers(module, config, World())


def one_step(module: nn.Module, optimizers: Optimizers, seed: int, lr_scale: float = 1.0) -> torch.Tensor:
    set_gradients(module, random_tensors(seed))
    return optimizers.step(lr_scale=lr_scale, momentum=0.95)


@BOTH_MUONS
def test_a_step_returns_the_global_norm_before_clipping(matrices: MatrixOptimizer) -> None:
    module = small_module()
    norm = one_step(module, optimizers_of(module, matrix_optimizer=matrices), 1)
    expected = torch.stack([each.norm() for each in random_tensors(1).values()]).norm()
    assert norm.dtype is torch.float32
    assert torch.allclose(norm, expected, rtol=1e-6)


@BOTH_MUONS
def test_clipping_scales_every_gradient_to_the_limit_together(matrices: MatrixOptimizer) -> None:
    module = small_module()
    optimizers = optimizers_of(module, matrix_optimizer=matrices)
    norm = one_step(module, optimizers, 1)
    state = optimizers.state_dict()
    in_muon = sum(float(each.square().sum()) for each in state["muon_momentum"].values())
    # exp_avg is (1 - beta1) times the first gradient
    in_adamw = sum(float((each["exp_avg"] / 0.1).square().sum()) for each in state["adamw"]["state"].values())
    assert norm > 0.3
    assert (in_muon + in_adamw) ** 0.5 == pytest.approx(0.3, rel=1e-5)


def test_small_gradients_are_not_scaled_up() -> None:
    module = small_module()
    optimizers = optimizers_of(module, grad_clip_norm=1e6)
    one_step(module, optimizers, 1)
    assert torch.equal(
        optimizers.state_dict()["muon_momentum"]["cores.0.mlp.fc.weight"],
        random_tensors(1)["cores.0.mlp.fc.weight"],
    )


@BOTH_MUONS
def test_rate_zero_changes_nothing(matrices: MatrixOptimizer) -> None:
    module = small_module()
    before = copy.deepcopy(module.state_dict())
    one_step(module, optimizers_of(module, matrix_optimizer=matrices), 1, lr_scale=0.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_the_untied_head_does_not_decay() -> None:
    module = module_of({"lm_head.weight": torch.ones(4, 4), "tok_emb.weight": torch.ones(4, 4)})
    optimizers = optimizers_of(module, head_lr=0.1, token_lr=0.1)
    for parameter in module.parameters():
        parameter.grad = torch.zeros(4, 4)
    optimizers.step(lr_scale=1.0, momentum=0.95)
    assert torch.equal(module.get_parameter("lm_head.weight"), torch.ones(4, 4))
    assert torch.allclose(module.get_parameter("tok_emb.weight"), torch.full((4, 4), 1 - 0.1 * 0.04))


def test_a_scalar_without_gradient_is_left_alone() -> None:
    module = module_of({"cores.0.attn.vr_lambda": torch.ones(2), "smear.gate": torch.ones(4)})
    optimizers = optimizers_of(module)
    module.get_parameter("smear.gate").grad = torch.ones(4)
    optimizers.step(lr_scale=1.0, momentum=0.95)
    assert torch.equal(module.get_parameter("cores.0.attn.vr_lambda"), torch.ones(2))


@BOTH_MUONS
def test_a_resumed_run_goes_on_bit_equally(matrices: MatrixOptimizer) -> None:
    module = small_module()
    optimizers = optimizers_of(module, matrix_optimizer=matrices)
    one_step(module, optimizers, 1)
    one_step(module, optimizers, 2)
    saved_weights, saved = copy.deepcopy(module.state_dict()), optimizers.state_dict()
    one_step(module, optimizers, 3, lr_scale=0.5)
    resumed = small_module(seed=9)
    resumed.load_state_dict(saved_weights)
    fresh = optimizers_of(resumed, matrix_optimizer=matrices)
    fresh.load_state_dict(saved)
    one_step(resumed, fresh, 3, lr_scale=0.5)
    assert all(
        torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in module.state_dict().items()
    )


def test_bf16_tables_resume_bit_equally() -> None:
    def module(seed: int) -> nn.Module:
        return module_of({"tok_emb.weight": random_tensors(seed)["tok_emb.weight"].bfloat16()})

    first, second = module(0), module(1)
    optimizers, resumed = optimizers_of(first), optimizers_of(second)
    one_step(first, optimizers, 1)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(optimizers.state_dict())
    one_step(first, optimizers, 2)
    one_step(second, resumed, 2)
    assert torch.equal(first.get_parameter("tok_emb.weight"), second.get_parameter("tok_emb.weight"))


def test_restoring_the_initial_state_undoes_warm_up_steps() -> None:
    module = small_module()
    optimizers = optimizers_of(module)
    initial, state = copy.deepcopy(module.state_dict()), optimizers.state_dict()
    one_step(module, optimizers, 1)
    module.load_state_dict(initial)
    optimizers.load_state_dict(state)
    one_step(module, optimizers, 2)
    untouched = small_module()
    one_step(untouched, optimizers_of(untouched), 2)
    pairs = zip(module.parameters(), untouched.parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_a_saved_state_is_a_copy() -> None:
    module = small_module()
    optimizers = optimizers_of(module)
    one_step(module, optimizers, 1)
    saved = optimizers.state_dict()
    before = copy.deepcopy(saved)
    one_step(module, optimizers, 2)
    assert all(
        torch.equal(tensor, before["muon_momentum"][k]) for k, tensor in saved["muon_momentum"].items()
    )
    assert torch.equal(saved["adamw"]["state"][0]["exp_avg"], before["adamw"]["state"][0]["exp_avg"])


def test_the_state_of_another_model_is_refused() -> None:
    saved = optimizers_of(module_of({"cores.0.mlp.fc.weight": torch.zeros(2, 2)})).state_dict()
    with pytest.raises(ConfigError, match=r"the momentum of cores\.0.*configuration of the checkpoint"):
        optimizers_of(small_module()).load_state_dict(saved)


def test_the_moments_of_another_model_are_refused() -> None:
    saved = optimizers_of(small_module()).state_dict()
    saved["adamw"] = optimizers_of(module_of({"smear.gate": torch.zeros(4)})).state_dict()["adamw"]
    with pytest.raises(ConfigError, match="the saved AdamW state does not fit the model"):
        optimizers_of(small_module()).load_state_dict(saved)


def test_dropping_gradients_leaves_none() -> None:
    module = small_module()
    set_gradients(module, random_tensors(0))
    optimizers_of(module).zero_grad()
    assert all(parameter.grad is None for parameter in module.parameters())
