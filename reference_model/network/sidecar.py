"""Shared sparse sidecar: one narrow gated convolution after several layers (PR #555).

h = rms(x); g = silu(Wg h + site); u = causal depthwise convolution over three positions of Wv h; the output
Wp (g * u) is added to x with a factor per site and channel that starts at zero.

Shapes: B batch, T time, D model, S sidecar width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from reference_model.network.linear import CastedLinear
from reference_model.network.normalization import rms_norm

if TYPE_CHECKING:
    from reference_model.config import ModelConfig

SIDECAR_REACH = 2
"""Earlier positions that an output depends on."""


class SharedSidecar(nn.Module):
    """One set of weights for all sites; a site has its own gate offset and, in the model, its own factor."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.sidecar_dim
        self.gate = CastedLinear(config.model_dim, width)
        self.value = CastedLinear(config.model_dim, width)
        self.local = nn.Conv1d(width, width, kernel_size=SIDECAR_REACH + 1, groups=width, bias=False)
        self.proj = CastedLinear(width, config.model_dim)
        self.site_gate = nn.Embedding(len(config.sidecar_layers), width)
        nn.init.zeros_(self.site_gate.weight)

    def forward(self, x_BTD: Tensor, site: int, factor_D: Tensor) -> Tensor:
        """Returns x + factor * sidecar(rms(x))."""
        h_BTD = rms_norm(x_BTD)
        g_BTS = functional.silu(self.gate(h_BTD) + self.site_gate.weight[site].to(x_BTD.dtype))
        v_BST = functional.pad(self.value(h_BTD).transpose(1, 2), (SIDECAR_REACH, 0))
        kernel = self.local.weight.to(v_BST.dtype)
        u_BTS = functional.conv1d(v_BST, kernel, groups=kernel.size(0)).transpose(1, 2)
        return self.proj(g_BTS * u_BTS, factor_D, x_BTD)  # type: ignore[no-any-return]
