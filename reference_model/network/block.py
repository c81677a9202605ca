"""A layer: the core with the matrices, and the controls that are the layer's own.

x <- m0 x + m1 x0; x <- x + a attention(s rms(x)); x <- x + b mlp(s rms(x)), with m, a and b per channel and s
a constant of the layer, 1/sqrt(l+1) or 1 (main; LN scale and the split into cores and controls from PR #461,
where layers share cores).

Shapes: B batch, T time, Q the final positions that are asked for, D model, E values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reference_model.network.attention import AttentionContext, CausalSelfAttention
from reference_model.network.mlp import MLP
from reference_model.network.normalization import rms_norm

if TYPE_CHECKING:
    from reference_model.config import ModelConfig


class BlockCore(nn.Module):
    """Attention and MLP weights, possibly of several layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attn = CausalSelfAttention(config)
        self.mlp = MLP(config)


class LayerControls(nn.Module):
    """Factors per channel of one layer: how x mixes with x0, and how much attention and MLP add."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        dim = config.model_dim
        self.attn_scale = nn.Parameter(torch.ones(dim))
        self.mlp_scale = nn.Parameter(torch.ones(dim))
        self.resid_mix = nn.Parameter(torch.stack((torch.ones(dim), torch.zeros(dim))))
        self.norm_scale = 1.0 / math.sqrt(layer + 1) if config.ln_scale else 1.0

    def forward(
        self, x_BTD: Tensor, x0_BTD: Tensor, core: BlockCore, context: AttentionContext, asked: int
    ) -> tuple[Tensor, Tensor]:
        """Output of the last `asked` positions (B, Q, D) and the raw values of all (B, T, E)."""
        of_x_D, of_start_D = self.resid_mix.to(x_BTD.dtype).unbind()
        x_BTD = torch.addcmul(x0_BTD * of_start_D, x_BTD, of_x_D)
        attention_input_BTD = rms_norm(x_BTD, self.norm_scale)
        if asked < x_BTD.size(1):
            x_BTD = x_BTD[:, -asked:]
        x_BQD, raw_values_BTE = core.attn(attention_input_BTD, context, self.attn_scale, x_BTD)
        return core.mlp(rms_norm(x_BQD, self.norm_scale), self.mlp_scale, x_BQD), raw_values_BTE
