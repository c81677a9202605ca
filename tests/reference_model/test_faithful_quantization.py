"""Codes, scales, kinds, pruning and restored tensors against the original scripts, bit by bit."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch

from reference_model.config import GptqLite
from reference_model.presets import preset
from reference_model.prune import prune_smallest
from reference_model.quantize import Storage, dequantize_state, quantize_state
from tests.upstream_seeds import clone_path, in_production_types, load_original, original_gpt

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

    from reference_model.quantize import QuantizedState

pytestmark = pytest.mark.clone

MIXED = ["pr461", "pr555", "pr940"]
SHAPES: dict[str, dict[str, Any]] = {  # full width, so that every kind of tensor has its full size
    "baseline": {"num_layers": 2},
    "pr461": {"num_layers": 4, "unique_layers": 3, "ve_layers": "2,3"},
    "pr555": {"num_layers": 4, "sparse_start_layer": 2, "sparse_end_layer": 3},
    "pr940": {"num_layers": 4},
}


@cache
def original(system: str) -> ModuleType:
    return load_original(system, clone_path())


@cache
def original_state(system: str) -> dict[str, Tensor]:
    """Production dtypes; rows of very different size, some above 1, and outliers."""
    module = original(system)
    model = in_production_types(module, original_gpt(module, **SHAPES[system]))
    chance = torch.Generator().manual_seed(461)
    state = {}
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=chance).pow(3) * 0.02
        rows = torch.rand(tensor.shape[:1], generator=chance).pow(4).view(-1, *([1] * (noise.ndim - 1)))
        state[name] = (tensor.float() + noise * (1 + 3 * rows if noise.ndim else 1)).to(tensor.dtype)
    return state


def our_name(name: str) -> str:
    return re.sub(r"^blocks\.(\d+)\.(attn|mlp)\.", r"cores.\1.\2.", name)


def our_state(system: str) -> dict[str, Tensor]:
    return {our_name(name): tensor for name, tensor in original_state(system).items()}


def mixed_result(system: str, **options: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    categories = {"mlp", "attn", "bigram"} if system == "pr461" else {"mlp", "attn"}
    result: tuple[dict[str, Tensor], dict[str, Any]]
    result = original(system).mixed_quantize_int6(original_state(system), categories, **options)
    return result


def disagreements(ours: QuantizedState, result: dict[str, Tensor], meta: dict[str, Any]) -> list[str]:
    """Names whose kind, values or scale differ from the original's."""
    wrong = []
    for name, info in meta.items():
        stored = ours.tensors[our_name(name)]
        if isinstance(info, str):
            same = stored.scale is None and identical(stored.values, result[name])
        else:
            same = stored.storage.value == info["type"] and identical(stored.values, result[name + ".q"])
            same = same and stored.scale is not None and identical(stored.scale, result[name + ".scale"])
        if not same:
            wrong.append(name)
    return wrong


def identical(first: Tensor, second: Tensor) -> bool:
    return first.dtype == second.dtype and torch.equal(first, second)


@pytest.mark.parametrize("system", MIXED)
def test_kinds_codes_and_scales_equal_the_originals(system: str) -> None:
    ours = quantize_state(our_state(system), preset(system).quantization)
    assert disagreements(ours, *mixed_result(system)) == []


@pytest.mark.parametrize("system", MIXED)
def test_restored_tensors_equal_the_originals(system: str) -> None:
    state = our_state(system)
    ours = dequantize_state(quantize_state(state, preset(system).quantization), state)
    theirs = original(system).dequantize_mixed_int6(*mixed_result(system), original_state(system))
    assert all(identical(ours[our_name(name)], tensor) for name, tensor in theirs.items())
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("layers", [frozenset({1}), frozenset({0, 2, 3})])
def test_layers_lowered_to_int5_equal_pr_940(layers: frozenset[int]) -> None:
    ours = quantize_state(our_state("pr940"), preset("pr940").quantization, int5_layers=layers)
    assert disagreements(ours, *mixed_result("pr940", int5_layers=set(layers))) == []


def test_the_clipping_search_per_row_equals_pr_461() -> None:
    config = replace(preset("pr461").quantization, gptq_lite=GptqLite.PER_ROW)
    ours = quantize_state(our_state("pr461"), config)
    assert disagreements(ours, *mixed_result("pr461", gptq_lite=True)) == []


def test_the_baselines_int8_form_equals_main() -> None:
    ours = quantize_state(our_state("baseline"), preset("baseline").quantization)
    theirs, _ = original("baseline").quantize_state_dict_int8(original_state("baseline"))
    codes = {name: stored.values for name, stored in ours.tensors.items() if stored.scale is not None}
    kept = {name: stored.values for name, stored in ours.tensors.items() if stored.scale is None}
    assert all(identical(codes[our_name(name)], each) for name, each in theirs["quantized"].items())
    assert all(
        identical(ours.tensors[our_name(name)].scale, each)  # type: ignore[arg-type]
        for name, each in theirs["scales"].items()
    )
    assert all(identical(kept[our_name(name)], each) for name, each in theirs["passthrough"].items())
    assert (len(codes), len(kept)) == (len(theirs["quantized"]), len(theirs["passthrough"]))


def test_the_baselines_restored_tensors_equal_main() -> None:
    state = our_state("baseline")
    ours = dequantize_state(quantize_state(state, preset("baseline").quantization), state)
    module = original("baseline")
    theirs = module.dequantize_state_dict_int8(module.quantize_state_dict_int8(original_state("baseline"))[0])
    assert all(identical(ours[our_name(name)], tensor) for name, tensor in theirs.items())


def test_pruning_zeroes_the_same_weights_as_pr_461() -> None:
    """The original has it inline in main(): the quantile and the comparison, in the parameter's own dtype."""
    state = original_state("pr461")
    ours = prune_smallest(state, 0.03)
    pruned = [name for name, tensor in state.items() if tensor.ndim == 2 and tensor.numel() > 65_536]
    for name in pruned:
        threshold = torch.quantile(state[name].abs().float().flatten(), 0.03)
        assert identical(ours[name], state[name].masked_fill(state[name].abs() < threshold, 0.0)), name
    assert [name for name in state if not torch.equal(ours[name], state[name])] == pruned


def test_each_kind_of_pr_461_occurs_in_the_comparison() -> None:
    ours = quantize_state(our_state("pr461"), preset("pr461").quantization)
    kinds = {stored.storage for stored in ours.tensors.values()}
    assert kinds == {Storage.FP16, Storage.INT5, Storage.INT6, Storage.INT8}
