"""Codes, scales, kinds, pruning and restored tensors against the original scripts, bit by bit."""

from __future__ import annotations

import ast
import io
import random
import re
import subprocess
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from reference_model.artifacts.downgrade import first_that_fits
from reference_model.artifacts.fake_quantization import FakeQuantizer
from reference_model.artifacts.gptq_lite import searched_row_codes
from reference_model.artifacts.prune import prune_smallest
from reference_model.artifacts.quantize import Storage, dequantize_state, quantize_state
from reference_model.config import GptqLite
from reference_model.network.linear import CastedLinear
from reference_model.presets import preset
from tests.upstream_seeds import ORIGINALS, clone_path, in_production_types, load_original, original_gpt

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

    from reference_model.artifacts.quantize import QuantizedState
    from reference_model.config import QuantizationConfig

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


@pytest.mark.parametrize("system", MIXED)
def test_the_seeds_late_qat_gives_the_same_outputs_and_gradients(system: str) -> None:
    config = replace(preset(system).quantization, qat_like_export=False)
    theirs = casted_linear(system, _qat_enabled=True)
    expected = outputs_and_gradient(theirs)
    assert_same(outputs_and_gradient(ours_with(theirs, config, alpha=1.0)), expected)


@pytest.mark.parametrize("alpha", [1.0, 7.0, 16.0])
def test_soft_rounding_equals_pr_940(alpha: float) -> None:
    config = replace(preset("pr940").quantization, qat_like_export=False, qat_soft_round=True)
    theirs = casted_linear("pr940", _qat_enabled=True, _soft_round=True, _soft_round_alpha=alpha)
    expected = outputs_and_gradient(theirs)
    assert_same(outputs_and_gradient(ours_with(theirs, config, alpha=alpha)), expected)


def casted_linear(system: str, **switches: object) -> torch.nn.Linear:
    """The original's layer with switches of its class set."""
    base = load_original(
        system, clone_path()
    ).CastedLinear  # a module of its own: the switches are its class's
    for name, value in switches.items():
        setattr(base, name, value)
    torch.manual_seed(3)
    layer: torch.nn.Linear = base(64, 48, bias=False)
    torch.nn.init.normal_(layer.weight, std=0.6)
    return layer


def ours_with(theirs: torch.nn.Linear, config: QuantizationConfig, alpha: float) -> CastedLinear:
    layer = CastedLinear(64, 48)
    layer.load_state_dict(theirs.state_dict())
    layer.fake_quantizer = FakeQuantizer(config, Storage.INT6, torch.tensor(alpha))
    return layer


def outputs_and_gradient(layer: torch.nn.Linear) -> tuple[Tensor, Tensor]:
    output = layer.train()(torch.randn(5, 64, generator=torch.Generator().manual_seed(4)))
    output.square().sum().backward()
    assert layer.weight.grad is not None
    return output.detach(), layer.weight.grad


def assert_same(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_clipping_search_per_matrix_equals_pr_549() -> None:
    published = function_of(PR549, "quantize_int6_per_row", {"torch": torch, "Tensor": torch.Tensor})
    for name in ("cores.0.mlp.fc.weight", "cores.1.attn.c_k.weight"):
        weight = our_state("pr940")[name].float()
        codes, scale = searched_row_codes(weight, GptqLite.PER_MATRIX, max_code=31, floor=1 / 31)
        expected_codes, expected_scale = published(weight)
        assert identical(codes.to(torch.int8), expected_codes)
        assert identical(scale, expected_scale)


PR549 = (
    "b08d72a96e98cac8add0543982fccd35bc8f4f4d:"
    "records/track_10min_16mb/2026-03-23_LeakyReLU_LegalTTT_ParallelMuon/train_gpt.py"
)
PR940_SOURCE = f"{ORIGINALS['pr940'].commit}:{ORIGINALS['pr940'].path}"


def source_of(blob: str) -> str:
    command = ["git", "-C", str(clone_path()), "cat-file", "blob", blob]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def function_of(blob: str, name: str, names: dict[str, Any]) -> Any:
    tree = ast.parse(source_of(blob))
    found = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name]
    exec(compile(ast.Module(body=list(found), type_ignores=[]), blob, "exec"), names)
    return names[name]


class Sizes:
    """Bytes of a file by number of int5 layers and level, falling unevenly."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.of = {
            (layers, level): 1000 - 20 * layers + chance.randrange(-60, 60)
            for layers in range(12)
            for level in (16, 1, 17, 2)
        }


def decision_of_pr_940(sizes: Sizes, limit: int, layers: int) -> list[str]:
    """The statements of its main() from the first try to the last, run with sizes that are made up."""
    main = next(
        each
        for each in ast.parse(source_of(PR940_SOURCE)).body
        if isinstance(each, ast.FunctionDef) and each.name == "main"
    )
    texts = [ast.unparse(each) for each in main.body]
    first = next(at for at, text in enumerate(texts) if text.startswith("num_layers_total = "))
    last = next(at for at, text in enumerate(texts) if "still over limit" in text)
    lines: list[str] = []
    lowered: list[int] = []

    def quantize(*_: object, int5_layers: frozenset[int] = frozenset()) -> tuple[int, int]:
        lowered.append(len(int5_layers))
        return 0, 0

    def compressor(level: int) -> SimpleNamespace:
        return SimpleNamespace(compress=lambda _: bytes(sizes.of[lowered[-1], level]))

    names = {
        "sd_cpu": {f"blocks.{layer}.attn_scale": 0 for layer in range(layers)},
        "artifact_limit": limit,
        "mixed_quantize_int6": quantize,
        "zstandard": SimpleNamespace(ZstdCompressor=compressor),
        "_COMPRESSOR": "zstd",
        "torch": SimpleNamespace(save=lambda *_: None),
        "io": io,
        "os": SimpleNamespace(environ={}),
        "master_process": True,
        "log0": lines.append,
    }
    body = main.body[first : last + 1]
    exec(compile(ast.Module(body=body, type_ignores=[]), "main", "exec"), names)
    return [line for line in lines if line.startswith("quant_")]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limit", [1050, 900, 800, 700])
@pytest.mark.parametrize("layers", [11, 8, 2])
def test_every_try_and_the_decision_equal_pr_940(seed: int, limit: int, layers: int) -> None:
    sizes = Sizes(seed)
    config = preset("pr940")
    config = replace(config, model=replace(config.model, num_layers=layers, xsa_layers=()))
    lines: list[str] = []
    first_that_fits(
        config,
        limit,
        content_of=lambda int5_layers: bytes(len(int5_layers)),
        file_of=lambda content, level: bytes(sizes.of[len(content), level]),
        log=lines.append,
    )
    assert lines == decision_of_pr_940(sizes, limit, layers)
