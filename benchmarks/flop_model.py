"""Floating-point operations that the mathematics of a model asks for: the floor that step times are held to.

Forward, per token: 2 for every weight that takes part in a product, and 4 D (T + 1) / 2 per layer for causal
attention over T tokens; training three times that (what kernels compute a second time is not counted).
Embedding look-ups, norms, gates and the optimiser are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_model.config import ModelConfig

H100_DENSE_BF16 = 989e12
"""Operations per second of an H100 SXM by its data sheet, without sparsity."""
H100_REACHABLE = 800e12
"""What the best large products reach; floors are given at this rate."""


def weights_in_products(model: ModelConfig) -> int:
    """Weights that multiply every token, those of shared layers once per use."""
    dim = model.model_dim
    layer = 2 * dim * dim + 2 * dim * model.kv_dim + 2 * dim * model.mlp_hidden
    if model.gated_attention:
        layer += dim * model.num_heads
    total = model.num_layers * layer + model.vocab_size * dim
    if model.bigram_buckets and model.bigram_dim != dim:
        total += model.bigram_dim * dim
    if model.value_embedding_layers and model.value_embedding_dim != model.kv_dim:
        total += model.value_embedding_dim * model.kv_dim
    return total + len(model.sidecar_layers) * 3 * dim * model.sidecar_dim


def forward_flops_per_token(model: ModelConfig, seq_len: int) -> float:
    """Operations of a forward pass per token of a sequence of `seq_len`."""
    attention = model.num_layers * 4 * model.model_dim * (seq_len + 1) / 2
    return 2 * weights_in_products(model) + attention


def training_flops_per_token(model: ModelConfig, seq_len: int) -> float:
    """Operations of a forward and a backward pass per token."""
    return 3 * forward_flops_per_token(model, seq_len)
