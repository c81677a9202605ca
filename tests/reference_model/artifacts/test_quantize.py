from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_model.artifacts.quantize import (
    Storage,
    dequantize_state,
    quantile_of_all,
    quantize_state,
    quantize_tensor,
    row_codes,
    storage_of,
)
from reference_model.config import QuantizationConfig
from reference_model.presets import preset

PLAIN = QuantizationConfig(mlp_bits=6, attention_bits=6)
FLOORED = QuantizationConfig(mlp_bits=6, attention_bits=6, scale_floor=True)

NAMES = {
    "cores.0.mlp.fc.weight": (1536, 512),
    "cores.0.attn.c_q.weight": (512, 512),
    "cores.2.attn.c_k.weight": (256, 512),
    "cores.0.attn.q_gain": (8,),
    "blocks.0.resid_mix": (2, 512),
    "tok_emb.weight": (1024, 512),
    "bigram.embed.weight": (2048, 128),
    "bigram.proj.weight": (512, 128),
    "ve_shared.embed.weight": (1024, 128),
    "ve_shared.proj.weight": (256, 128),
}


def storages(system: str) -> dict[str, str]:
    config = preset(system).quantization
    return {name: storage_of(name, torch.empty(shape), config).value for name, shape in NAMES.items()}


def noise(*shape: int, spread: float = 0.05) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5)) * spread


def test_pr_461_mixes_int5_int6_int8_and_fp16() -> None:
    assert storages("pr461") == {
        "cores.0.mlp.fc.weight": "int5",
        "cores.0.attn.c_q.weight": "int6",
        "cores.2.attn.c_k.weight": "fp16",
        "cores.0.attn.q_gain": "fp16",
        "blocks.0.resid_mix": "fp16",
        "tok_emb.weight": "fp16",
        "bigram.embed.weight": "int6",
        "bigram.proj.weight": "int6",
        "ve_shared.embed.weight": "int8",
        "ve_shared.proj.weight": "int6",
    }


def test_pr_940_keeps_small_projections_fp16_and_tables_int8() -> None:
    found = storages("pr940")
    assert (found["bigram.proj.weight"], found["ve_shared.proj.weight"]) == ("fp16", "fp16")
    assert (found["tok_emb.weight"], found["bigram.embed.weight"]) == ("int8", "int8")
    assert (found["cores.0.mlp.fc.weight"], found["cores.2.attn.c_k.weight"]) == ("int6", "int6")


def test_small_control_tensors_are_fp32_in_the_baseline_and_fp16_in_pr_555() -> None:
    assert storages("baseline")["blocks.0.resid_mix"] == "fp32"
    assert storages("pr555")["blocks.0.resid_mix"] == "fp16"


def test_large_control_tensors_stay_fp32() -> None:
    assert storage_of("blocks.0.resid_mix", torch.empty(2, 40_000), PLAIN) is Storage.FP32


def test_a_tensor_of_exactly_the_limit_is_small() -> None:
    assert storage_of("cores.0.mlp.fc.weight", torch.empty(256, 256), PLAIN) is Storage.FP16
    assert storage_of("cores.0.mlp.fc.weight", torch.empty(256, 257), PLAIN) is Storage.INT6


def test_only_the_cores_of_the_named_layers_are_lowered_to_int5() -> None:
    weight = torch.empty(512, 512)
    lowered = [storage_of(f"cores.{u}.attn.c_q.weight", weight, PLAIN, frozenset({1})) for u in range(3)]
    assert lowered == [Storage.INT6, Storage.INT5, Storage.INT6]


def test_int8_matrices_are_not_lowered() -> None:
    config = QuantizationConfig()
    weight = torch.empty(512, 512)
    assert storage_of("cores.1.attn.c_q.weight", weight, config, frozenset({1})) is Storage.INT8


@pytest.mark.parametrize("storage", [Storage.INT5, Storage.INT6, Storage.INT8])
def test_codes_are_whole_numbers_within_their_width(storage: Storage) -> None:
    stored = quantize_tensor(noise(300, 300, spread=2), storage, PLAIN)
    assert stored.values.dtype == torch.int8
    assert int(stored.values.abs().max()) == storage.max_code


@pytest.mark.parametrize("storage", [Storage.INT5, Storage.INT6])
def test_restored_weights_are_within_half_a_step(storage: Storage) -> None:
    weight = noise(64, 512)
    stored = quantize_tensor(weight, storage, PLAIN)
    assert stored.scale is not None
    error = (stored.restored(torch.float32) - weight).abs() / stored.scale.float()[:, None]
    assert float(error.max()) <= 0.5 + 0.02  # the rounding of the scale to fp16 moves the largest codes


def test_the_scale_floor_makes_small_rows_ten_times_coarser() -> None:
    """The floor 1/31 of PR #555 and #940 acts on every row whose largest weight is below 1."""
    weight = noise(64, 512, spread=0.03)
    relative = [
        float(
            (quantize_tensor(weight, Storage.INT6, config).restored(torch.float32) - weight).norm()
            / weight.norm()
        )
        for config in (PLAIN, FLOORED)
    ]
    assert relative[0] < 0.04
    assert 0.25 < relative[1] < 0.35


def test_a_row_of_zeros_has_a_positive_scale_and_restores_to_zeros() -> None:
    stored = quantize_tensor(torch.zeros(4, 512), Storage.INT6, PLAIN)
    assert stored.scale is not None
    assert bool((stored.scale > 0).all())
    assert not stored.restored(torch.float32).any()


@pytest.mark.parametrize("storage", [Storage.INT5, Storage.INT6, Storage.INT8])
def test_a_tensor_that_is_no_matrix_has_one_scale(storage: Storage) -> None:
    weight = noise(8, 8, 8)
    stored = quantize_tensor(weight, storage, PLAIN)
    assert stored.scale is not None
    assert stored.scale.ndim == 0
    assert float((stored.restored(torch.float32) - weight).abs().max()) <= 0.52 * float(stored.scale)


def test_integers_pass_unchanged() -> None:
    state = {"steps": torch.arange(5)}
    assert torch.equal(dequantize_state(quantize_state(state, PLAIN), state)["steps"], state["steps"])


def test_restored_tensors_have_the_dtypes_of_the_model() -> None:
    state = {"tok_emb.weight": noise(300, 300).bfloat16(), "cores.0.mlp.fc.weight": noise(300, 300)}
    restored = dequantize_state(quantize_state(state, PLAIN), state)
    assert [each.dtype for each in restored.values()] == [torch.bfloat16, torch.float32]


@given(st.integers(0, 2**31), st.sampled_from([Storage.INT5, Storage.INT6, Storage.INT8]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_quantising_restored_weights_again_gives_the_same_codes(
    seed: int, storage: Storage, floor: bool
) -> None:
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(seed))
    config = FLOORED if floor else PLAIN
    codes, scale = row_codes(weight, storage, config)
    restored = codes * scale.float()[:, None]
    again = torch.round(restored / scale.float()[:, None])
    assert torch.equal(again, codes)


def test_the_quantile_of_more_values_than_torch_takes_lies_between_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = noise(1000)
    expected = torch.quantile(values, 0.03)
    monkeypatch.setattr("reference_model.artifacts.quantize.LARGEST_QUANTILE_INPUT", 100)
    assert torch.allclose(quantile_of_all(values, 0.03), expected, atol=1e-6)
