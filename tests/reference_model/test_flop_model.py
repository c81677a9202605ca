"""The FLOP model of the benchmarks against counts known from elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.flop_model import forward_flops_per_token, training_flops_per_token, weights_in_products
from reference_model.network.gpt import GPT
from reference_model.presets import Size, preset


@pytest.mark.parametrize(("system", "megaflops"), [("pr940", 228.8), ("baseline", 130.6)])
def test_training_at_full_size_costs_what_the_literature_says(system: str, megaflops: float) -> None:
    config = preset(system)
    flops = training_flops_per_token(config.model, config.data.train_seq_len)
    assert flops / 1e6 == pytest.approx(megaflops, abs=0.05)


def test_the_floor_of_a_step_of_pr940_on_one_gpu_is_225_ms() -> None:
    config = preset("pr940")
    flops = training_flops_per_token(config.model, 2048) * config.data.train_batch_tokens
    assert flops / 800e12 == pytest.approx(0.225, abs=5e-4)


@pytest.mark.parametrize("system", ["baseline", "pr461", "pr555", "pr940", "reference"])
def test_products_by_weights_are_those_torch_counts(system: str) -> None:
    config = preset(system, Size.TINY).model
    tokens_BT = torch.zeros(1, 8, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        GPT(config).logits(tokens_BT)
    counts = counter.get_flop_counts()["Global"]
    products = sum(count for op, count in counts.items() if str(op) in {"aten.mm", "aten.addmm", "aten.bmm"})
    assert products == 2 * 8 * weights_in_products(config)


def test_attention_grows_with_the_length_and_nothing_else_does() -> None:
    model = preset("pr940").model
    grown = forward_flops_per_token(model, 4096) - forward_flops_per_token(model, 2048)
    assert grown == model.num_layers * 4 * model.model_dim * 2048 / 2
