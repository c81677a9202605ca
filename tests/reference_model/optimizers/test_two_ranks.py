"""Two processes over gloo give what one gives: clipping, both ways of sharing Muon, AdamW, saved state.

Every rank holds its own gradients; the single process holds their mean. In fp32 only the order of additions
is left. Some shapes of `named_tensors` have an odd number of matrices, so banks are padded.
"""

from __future__ import annotations

import copy
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing

from reference_model.config import MatrixOptimizer, OptimizerConfig
from reference_model.distributed import World, joined_world
from reference_model.optimizers.optimizer_groups import Optimizers, build_optimizers
from tests.reference_model.named_tensors import module_of, random_tensors, set_gradients, small_module

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

RANKS = 2
STEPS = 3


def prepared(variant: MatrixOptimizer, world: World, dtype: torch.dtype) -> tuple[nn.Module, Optimizers]:
    module = small_module()
    config = OptimizerConfig(matrix_optimizer=variant, muon_wd=0.04, adam_wd=0.04, grad_clip_norm=0.3)
    return module, build_optimizers(module, config, world, matrix_dtype=dtype)


def rank_gradients(step: int, rank: int) -> dict[str, torch.Tensor]:
    return random_tensors(1000 + 10 * step + rank)


def mean_gradients(step: int) -> dict[str, torch.Tensor]:
    first, second = rank_gradients(step, 0), rank_gradients(step, 1)
    return {name: (first[name] + second[name]) / RANKS for name in first}


def run(variant: MatrixOptimizer, world: World, dtype: torch.dtype) -> dict[str, Any]:
    module, optimizers = prepared(variant, world, dtype)
    norms = []
    for step in range(STEPS):
        set_gradients(module, mean_gradients(step) if world.size == 1 else rank_gradients(step, world.rank))
        norms.append(float(optimizers.step(lr_scale=1.0, momentum=0.95)))
    return {"weights": copy.deepcopy(module.state_dict()), "norms": norms, "state": optimizers.state_dict()}


def on_rank(rank: int, port: int, folder: str) -> None:
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE=str(RANKS),
        LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    torch.set_num_threads(1)
    with joined_world(torch.device("cpu")) as world:
        results = {
            f"{variant.value} {dtype}": run(variant, world, dtype)
            for variant in MatrixOptimizer
            for dtype in (torch.float32, torch.bfloat16)
        }
        results["bf16 table"] = bf16_table_weights(world)
        torch.save(results, f"{folder}/rank{rank}.pt")
        dist.barrier()


def bf16_table_weights(world: World) -> torch.Tensor:
    module = module_of({"tok_emb.weight": torch.ones(4, 8, dtype=torch.bfloat16)})
    optimizers = build_optimizers(module, OptimizerConfig(), world)
    module.get_parameter("tok_emb.weight").grad = torch.full((4, 8), float(world.rank)).bfloat16()
    optimizers.step(lr_scale=1.0, momentum=0.95)
    gradient = module.get_parameter("tok_emb.weight").grad
    assert gradient is not None
    return gradient


@pytest.fixture(scope="module")
def by_rank(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("ranks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(on_rank, args=(port, str(folder)), nprocs=RANKS)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(RANKS)]


VARIANTS = pytest.mark.parametrize("variant", MatrixOptimizer)


def furthest(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@VARIANTS
def test_two_ranks_end_with_the_weights_of_one_process(
    by_rank: list[dict[str, Any]], variant: MatrixOptimizer
) -> None:
    alone = run(variant, World(), torch.float32)
    together = by_rank[0][f"{variant.value} {torch.float32}"]
    assert furthest(alone["weights"], together["weights"]) < 1e-6
    assert alone["norms"] == pytest.approx(together["norms"], rel=1e-6)


@VARIANTS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_ranks_hold_the_same_bits(
    by_rank: list[dict[str, Any]], variant: MatrixOptimizer, dtype: torch.dtype
) -> None:
    key = f"{variant.value} {dtype}"
    assert furthest(by_rank[0][key]["weights"], by_rank[1][key]["weights"]) == 0
    assert by_rank[0][key]["norms"] == by_rank[1][key]["norms"]


@VARIANTS
def test_bf16_exchange_stays_within_bf16_rounding_of_one_process(
    by_rank: list[dict[str, Any]], variant: MatrixOptimizer
) -> None:
    alone = run(variant, World(), torch.bfloat16)["weights"]
    together = by_rank[0][f"{variant.value} {torch.bfloat16}"]["weights"]
    assert furthest(alone, together) < 0.04 * 0.05 * STEPS  # 5% of the matrix rate per step


@VARIANTS
def test_state_saved_by_two_ranks_resumes_on_one(
    by_rank: list[dict[str, Any]], variant: MatrixOptimizer
) -> None:
    saved = by_rank[1][f"{variant.value} {torch.float32}"]
    _, optimizers = prepared(variant, World(), torch.float32)
    optimizers.load_state_dict(saved["state"])
    alone = run(variant, World(), torch.float32)["state"]["muon_momentum"]
    assert furthest(optimizers.state_dict()["muon_momentum"], alone) < 1e-6


def test_bf16_gradients_are_averaged_in_place(by_rank: list[dict[str, Any]]) -> None:
    assert by_rank[0]["bf16 table"].dtype is torch.bfloat16
    assert (by_rank[0]["bf16 table"] == 0.5).all()
    assert torch.equal(by_rank[0]["bf16 table"], by_rank[1]["bf16 table"])
