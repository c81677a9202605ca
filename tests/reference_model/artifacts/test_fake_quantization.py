from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from reference_model.artifacts.fake_quantization import (
    FakeQuantizer,
    disable_fake_quantization,
    enable_fake_quantization,
    soft_round_alpha,
    soft_rounded,
)
from reference_model.artifacts.quantize import Storage, quantize_tensor
from reference_model.config import ConfigError, GptqLite, QuantizationConfig
from reference_model.network.cross_entropy import softcapped
from reference_model.network.gpt import GPT
from reference_model.network.linear import CastedLinear
from reference_model.presets import Size, preset

if TYPE_CHECKING:
    from reference_model.config import Config

LIKE_EXPORT = QuantizationConfig(mlp_bits=6, attention_bits=6, small_tensor_elements=1024)
LIKE_SEEDS = QuantizationConfig(
    mlp_bits=5, attention_bits=6, small_tensor_elements=1024, qat_like_export=False
)
SOFT = QuantizationConfig(mlp_bits=6, attention_bits=6, small_tensor_elements=1024, qat_soft_round=True)


def weight(spread: float = 0.5) -> torch.Tensor:
    return torch.randn(96, 64, generator=torch.Generator().manual_seed(2)) * spread


def quantizer(
    config: QuantizationConfig, storage: Storage = Storage.INT6, alpha: float = 1.0
) -> FakeQuantizer:
    return FakeQuantizer(config, storage, torch.tensor(alpha))


def tiny(name: str = "pr461") -> tuple[GPT, Config, torch.Tensor]:
    torch.manual_seed(1)
    config = preset(name, Size.TINY)
    model = GPT(config.model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model, config, torch.randint(0, 1024, (1, 16))


@torch.no_grad()
def loss_of(model: GPT, tokens: torch.Tensor) -> float:
    return float(model(tokens, tokens))


@pytest.mark.parametrize("storage", [Storage.INT5, Storage.INT6, Storage.INT8])
@pytest.mark.parametrize("search", list(GptqLite))
def test_the_forward_weight_is_the_exported_one(storage: Storage, search: GptqLite) -> None:
    config = QuantizationConfig(mlp_bits=6, attention_bits=6, gptq_lite=search)
    exported = quantize_tensor(weight(), storage, config).restored(torch.float32)
    assert torch.allclose(quantizer(config, storage)(weight()), exported, rtol=0, atol=1e-7)


def test_the_form_of_the_seeds_is_int6_with_floor_for_every_matrix() -> None:
    found = quantizer(LIKE_SEEDS, Storage.INT5)(weight(0.1))
    codes = found * 31
    assert torch.allclose(codes, codes.round(), atol=1e-5)
    assert 3 < float(codes.abs().max()) < 31


@pytest.mark.parametrize("config", [LIKE_EXPORT, LIKE_SEEDS])
def test_the_gradient_passes_straight_through(config: QuantizationConfig) -> None:
    leaf = weight().requires_grad_()
    upstream = torch.randn_like(leaf)
    quantizer(config)(leaf).backward(upstream)  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, upstream)


def test_bf16_weights_stay_bf16() -> None:
    assert quantizer(LIKE_EXPORT)(weight().bfloat16()).dtype == torch.bfloat16


def test_soft_rounding_keeps_whole_numbers_and_the_middle() -> None:
    ratio = torch.tensor([-3.0, 0.0, 2.0, 2.5, -1.5])
    assert torch.allclose(soft_rounded(ratio, torch.tensor(4.0)), ratio, atol=1e-6)


def test_soft_rounding_approaches_rounding_as_it_sharpens() -> None:
    ratio = torch.tensor([0.2, 0.8, -1.3, 4.6])
    distance = [
        float((soft_rounded(ratio, torch.tensor(alpha)) - ratio.round()).abs().max())
        for alpha in (1.0, 4.0, 16.0)
    ]
    assert distance[0] > distance[1] > distance[2]
    assert distance[2] < 0.05


def test_soft_rounding_has_a_gradient_of_its_own() -> None:
    leaf = weight().requires_grad_()
    quantizer(SOFT, alpha=16.0)(leaf).sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert float(leaf.grad.max()) > 2
    assert float(leaf.grad.min()) < 0.1


def test_sharpness_grows_from_1_to_16_and_stays_in_range() -> None:
    assert [soft_round_alpha(each) for each in (-1.0, 0.0, 0.5, 1.0, 2.0)] == [1.0, 1.0, 8.5, 16.0, 16.0]


def test_progress_that_is_nan_is_refused() -> None:
    with pytest.raises(ConfigError, match="nan"):
        soft_round_alpha(float("nan"))


def test_enabling_changes_the_loss_and_disabling_restores_it() -> None:
    model, config, tokens = tiny()
    before = loss_of(model, tokens)
    assert enable_fake_quantization(model, config.quantization, progress=0.0) > 0
    during = loss_of(model, tokens)
    disable_fake_quantization(model)
    assert during != before
    assert loss_of(model, tokens) == before


def test_evaluation_mode_uses_the_unquantised_weights() -> None:
    model, config, tokens = tiny()
    before = loss_of(model.eval(), tokens)
    enable_fake_quantization(model, config.quantization, progress=0.0)
    assert loss_of(model, tokens) == before


def test_every_matrix_that_is_exported_as_codes_has_its_own_width() -> None:
    model, config, _ = tiny()
    enable_fake_quantization(model, replace(config.quantization, qat_like_export=True), progress=0.0)
    found = {
        name: part.fake_quantizer.storage.value
        for name, part in model.named_modules()
        if isinstance(part, CastedLinear) and isinstance(part.fake_quantizer, FakeQuantizer)
    }
    assert found["cores.0.mlp.fc"] == "int5"
    assert found["cores.0.attn.c_q"] == "int6"
    assert "cores.2.attn.c_k" not in found  # stays fp16 in the artifact


def test_gradients_reach_every_matrix_under_fake_quantisation() -> None:
    model, config, tokens = tiny()
    enable_fake_quantization(model, config.quantization, progress=0.0)
    model(tokens, tokens).backward()
    assert all(part.weight.grad is not None for part in model.modules() if isinstance(part, CastedLinear))


def test_later_progress_only_sharpens_the_same_quantisers() -> None:
    model, _, _ = tiny()
    enable_fake_quantization(model, SOFT, progress=0.0)
    first = model.cores[0].mlp.fc.fake_quantizer
    enable_fake_quantization(model, SOFT, progress=1.0)
    assert model.cores[0].mlp.fc.fake_quantizer is first
    assert float(first.alpha) == 16.0


def test_quantisers_add_nothing_to_the_state_dict() -> None:
    model, config, _ = tiny()
    names = list(model.state_dict())
    enable_fake_quantization(model, config.quantization, progress=0.0)
    assert list(model.state_dict()) == names


@pytest.mark.parametrize("config", [LIKE_EXPORT, LIKE_SEEDS, SOFT])
def test_enabling_reaches_a_model_that_is_already_compiled(config: QuantizationConfig) -> None:
    """Late QAT by a class flag was folded away by torch.compile in earlier records."""
    layer = CastedLinear(64, 96)
    x = torch.randn(4, 64)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    before = compiled(x)
    enable_fake_quantization(layer, config, progress=0.0)
    during = compiled(x)
    disable_fake_quantization(layer)
    assert not torch.equal(during, before)
    assert torch.equal(compiled(x), before)


def test_sharpening_does_not_recompile() -> None:
    layer = CastedLinear(64, 96)
    compilations = []

    def counting(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> torch.fx.GraphModule:
        compilations.append(graph)
        return graph

    compiled = torch.compile(layer, backend=counting, fullgraph=True)
    x = torch.randn(4, 64)
    enable_fake_quantization(layer, SOFT, progress=0.0)
    soft = compiled(x)
    enable_fake_quantization(layer, SOFT, progress=1.0)
    assert not torch.equal(compiled(x), soft)
    assert len(compilations) == 1


def test_an_untied_head_computes_with_the_weights_that_are_exported() -> None:
    _, config, tokens = tiny()
    model = GPT(replace(config.model, tie_embeddings=False)).train()
    assert model.lm_head is not None
    torch.nn.init.normal_(model.lm_head.weight)
    enable_fake_quantization(model, LIKE_EXPORT, progress=0.0)
    exported = quantize_tensor(model.lm_head.weight.detach(), Storage.INT8, LIKE_EXPORT)
    torch.testing.assert_close(
        model.logits(tokens),
        softcapped(model.hidden(tokens) @ exported.restored(torch.float32).T, config.model.logit_softcap),
    )
