"""Small models with every weight moved off its start, so that each path shows in the output."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from reference_model.config import ModelConfig
from reference_model.network.gpt import GPT

SMALL = ModelConfig(
    vocab_size=64, num_layers=4, model_dim=32, num_heads=4, num_kv_heads=2, rope_dims=4, rope_train_seq_len=16
)


def small_config(**fields: Any) -> ModelConfig:
    return replace(SMALL, **fields)


def perturbed(model: GPT, amount: float = 0.1) -> GPT:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * amount)
    return model


def small_model(**fields: Any) -> GPT:
    return perturbed(GPT(small_config(**fields))).double()


def small_tokens(batch: int = 2, length: int = 24, vocabulary: int = 64) -> torch.Tensor:
    """Without BOS (id 1)."""
    return torch.randint(2, vocabulary, (batch, length), generator=torch.Generator().manual_seed(3))
