"""Our optimisers, schedules and averages beside those of the original scripts.

The originals define most of this inside `main()`; its statements are taken from the syntax tree and executed,
so that nothing of them is written down here.
"""

from __future__ import annotations

import ast
import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from reference_model.config import ComputeType, MatrixOptimizer, ScheduleConfig
from reference_model.distributed import World
from reference_model.network.gpt import GPT, build_model
from reference_model.network.state_dict_names import from_original_names
from reference_model.optimizers.averaging import ExponentialMovingAverage
from reference_model.optimizers.optimizer_groups import build_optimizers, grouped_parameters
from reference_model.optimizers.schedules import lr_scale, muon_momentum, ttt_cosine
from reference_model.presets import Size, preset
from tests.upstream_seeds import (
    ORIGINALS,
    clone_path,
    in_production_types,
    load_original,
    original_gpt,
    original_gpt_like,
)

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn

    from reference_model.config import Config

pytestmark = pytest.mark.clone

SIZES = {
    "pr461": {"matrix": (62, 23_691_264), "scalar": (49, 25_684), "token": (3, 917_504), "head": (0, 0)},
    "pr555": {"matrix": (71, 26_075_280), "scalar": (49, 27_369), "token": (2, 720_896), "head": (0, 0)},
    "pr940": {"matrix": (67, 26_017_792), "scalar": (80, 70_855), "token": (2, 1_048_576), "head": (0, 0)},
}


def tree_of(module: ModuleType) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text())


def assigned_names(statement: ast.stmt) -> set[str]:
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def executed(module: ModuleType, statements: list[ast.stmt], **names: Any) -> dict[str, Any]:
    space = {**vars(module), **names}
    code = compile(
        ast.Module(body=statements, type_ignores=[]), str(module.__file__), "exec", dont_inherit=True
    )
    exec(code, space)
    return space


def main_body(module: ModuleType) -> list[ast.stmt]:
    return next(
        node.body
        for node in tree_of(module).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    )


def original_optimizers(module: ModuleType, model: nn.Module) -> dict[str, torch.optim.Optimizer]:
    """What main() builds from the first statement about matrices to the list of optimisers."""
    body = main_body(module)
    first = next(
        i for i, node in enumerate(body) if {"block_named_params", "matrix_params"} & assigned_names(node)
    )
    last = next(i for i, node in enumerate(body) if "optimizers" in assigned_names(node))
    space = executed(module, body[first : last + 1], base_model=model, args=module.Hyperparameters())
    return {
        "matrix": space["optimizer_muon"],
        "scalar": space["optimizer_scalar"],
        "token": space["optimizer_tok"],
    }


def small_config(system: str) -> Config:
    """Without XSA, which has no parameters and whose layers the small originals cannot always be given."""
    config = preset(system, Size.SMALL)
    return replace(config, model=replace(config.model, xsa_layers=()))


def names_in(optimizer: torch.optim.Optimizer, model: nn.Module) -> set[str]:
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    return {name_of[id(each)] for group in optimizer.param_groups for each in group["params"] if each.numel()}


@pytest.mark.parametrize("system", ORIGINALS)
def test_every_group_holds_the_originals_parameters(system: str) -> None:
    module = load_original(system, clone_path())
    config = small_config(system)
    theirs = original_gpt_like(module, config.model)
    our_name = {
        name: next(iter(from_original_names({name: tensor}, system)))
        for name, tensor in theirs.state_dict().items()
    }
    ours = grouped_parameters(GPT(config.model))
    for group, optimizer in original_optimizers(module, theirs).items():
        assert {our_name[name] for name in names_in(optimizer, theirs)} == set(getattr(ours, group))


@pytest.mark.parametrize("system", SIZES)
def test_group_sizes_are_the_published_ones(system: str) -> None:
    with torch.device("meta"):
        assert grouped_parameters(GPT(preset(system).model)).sizes() == SIZES[system]


@pytest.mark.parametrize("system", SIZES)
def test_group_sizes_of_the_original_are_the_published_ones(system: str) -> None:
    module = load_original(system, clone_path())
    with torch.device("meta"):
        theirs = original_gpt(module)
    for group, optimizer in original_optimizers(module, theirs).items():
        tensors = [each for part in optimizer.param_groups for each in part["params"]]
        assert (len(tensors), sum(each.numel() for each in tensors)) == SIZES[system][group]


def step_theirs(
    optimizers: dict[str, torch.optim.Optimizer],
    model: nn.Module,
    *,
    clip: float,
    scale: float,
    momentum: float,
) -> None:
    if clip:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * scale
            if "momentum" in group:
                group["momentum"] = momentum
        optimizer.step()


@pytest.mark.parametrize("clip", [0.0, 0.3])
@pytest.mark.parametrize("variant", MatrixOptimizer)
@pytest.mark.parametrize("system", ORIGINALS)
def test_three_steps_have_the_originals_bits(system: str, variant: MatrixOptimizer, clip: float) -> None:
    """The pass mark is 1% of the rate, but it takes equal bits to hold it: one last bit of the clipping norm
    grows to 2% in bf16 iterations on random matrices, in the original as in ours. So the order in which norms
    are added up is made the original's: torch takes bf16 first. The one parameter that we store otherwise (PR
    #555's sidecar scale, there bf16) has no gradient.
    """
    module = load_original(system, clone_path())
    config = small_config(system)
    theirs = in_production_types(module, original_gpt_like(module, config.model))
    ours = build_model(config.model, device=torch.device("cpu"), compute=ComputeType.BFLOAT16)
    ours.load_state_dict(from_original_names(theirs.state_dict(), system))
    their_optimizers = original_optimizers(module, theirs)
    our_optimizers = build_optimizers(
        ours, replace(config.optimizer, matrix_optimizer=variant, grad_clip_norm=clip), World()
    )
    in_order = sorted(theirs.named_parameters(), key=lambda each: each[1].dtype is torch.float32)
    our_optimizers.groups = replace(
        our_optimizers.groups, names=tuple(from_original_names(dict(in_order), system))
    )
    generator = torch.Generator().manual_seed(0)
    for step in range(3):
        for parameter in theirs.parameters():
            parameter.grad = (0.01 * torch.randn(parameter.shape, generator=generator)).to(parameter.dtype)
        zero_gradients_stored_otherwise(theirs, ours)
        copy_gradients(theirs, ours, system)
        rate, momentum = 1 - 0.1 * step, 0.9 + 0.01 * step
        step_theirs(their_optimizers, theirs, clip=clip, scale=rate, momentum=momentum)
        our_optimizers.step(lr_scale=rate, momentum=momentum)
    expected = from_original_names(theirs.state_dict(), system)
    assert [
        name for name, p in ours.named_parameters() if not torch.equal(p, expected[name].to(p.dtype))
    ] == []


def zero_gradients_stored_otherwise(theirs: nn.Module, ours: nn.Module) -> None:
    formats = {name: parameter.dtype for name, parameter in ours.named_parameters()}
    for name, parameter in theirs.named_parameters():
        if parameter.dtype is not formats.get(name, parameter.dtype) and parameter.grad is not None:
            parameter.grad.zero_()


def copy_gradients(source: nn.Module, target: nn.Module, system: str) -> None:
    gradients = {name: p.grad.clone() for name, p in source.named_parameters() if p.grad is not None}
    renamed = from_original_names(gradients, system)
    for name, parameter in target.named_parameters():
        parameter.grad = renamed[name].to(parameter.dtype)


CLOCKS = [0.0, 596.0, 600.0]
WARMDOWNS = [0, 1200, 3000]


@pytest.mark.parametrize("system", ORIGINALS)
def test_learning_rate_scale_is_the_originals_on_a_grid(system: str) -> None:
    module = load_original(system, clone_path())
    body = main_body(module)
    parts = [
        node
        for node in body
        if (isinstance(node, ast.FunctionDef) and node.name == "lr_mul")
        or "max_wallclock_ms" in assigned_names(node)
    ]
    for clock, warmdown, iterations in itertools.product(CLOCKS, WARMDOWNS, (500, 5200, 20_000)):
        args = SimpleNamespace(iterations=iterations, warmdown_iters=warmdown, max_wallclock_seconds=clock)
        theirs = executed(module, parts, args=args)["lr_mul"]
        schedule = ScheduleConfig(iterations=iterations, warmdown_iters=warmdown, max_wallclock_seconds=clock)
        for step, elapsed_ms in itertools.product(
            (0, 1, 2, 499, 500, 2200, 3405, 5199, 5200, 6405, 19_999),
            (0.0, 1.0, 93.67e3, 318.9e3, 599.9e3, 600.1e3),
        ):
            assert abs(lr_scale(step, elapsed_ms, schedule) - theirs(step, elapsed_ms)) <= 1e-12


def assignments(module: ModuleType, *wanted: str) -> list[ast.stmt]:
    """The last assignment to each name, in the order of the names."""
    found: dict[str, ast.stmt] = {}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
    return [found[name] for name in wanted]


@pytest.mark.parametrize("system", ORIGINALS)
def test_momentum_warm_up_is_the_originals(system: str) -> None:
    module = load_original(system, clone_path())
    parts = assignments(module, "frac", "muon_momentum")
    config = preset(system).optimizer
    for step in (0, 1, 250, 499, 500, 1499, 1500, 9000):
        theirs = executed(module, parts, args=module.Hyperparameters(), step=step)["muon_momentum"]
        assert abs(muon_momentum(step, config) - theirs) <= 1e-12


def test_ttt_cosine_is_the_originals() -> None:
    module = load_original("pr461", clone_path())
    parts = assignments(module, "cos_lr")
    for chunks, lr in itertools.product((1, 2, 15, 1893), (0.002, 0.02)):
        for chunk in range(0, chunks, max(1, chunks // 7)):
            names = {"args": SimpleNamespace(ttt_lr=lr), "ci": chunk, "num_chunks": chunks}
            assert abs(ttt_cosine(chunk, chunks, lr) - executed(module, parts, **names)["cos_lr"]) <= 1e-12


@pytest.mark.parametrize("system", ["pr555", "pr940"])
def test_moving_average_has_the_originals_bits(system: str) -> None:
    module = load_original(system, clone_path())
    model = build_model(
        preset(system, Size.TINY).model, device=torch.device("cpu"), compute=ComputeType.BFLOAT16
    )
    # The update is the only `if` of main() that assigns the decay `d`.
    loop = next(node for node in ast.walk(ast.Module(main_body(module), [])) if _takes_the_average(node))
    average = ExponentialMovingAverage(model, module.Hyperparameters.ema_decay, False)
    state = {name: tensor.detach().float().clone() for name, tensor in model.state_dict().items()}
    for step in range(4):
        torch.manual_seed(step)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update(model)
        executed(module, [loop], args=module.Hyperparameters(), base_model=model, ema_state=state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in average.weights().items())


def _takes_the_average(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "d" for each in node.body
    )
