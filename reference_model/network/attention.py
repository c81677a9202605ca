"""Causal self-attention with grouped key-value heads and its optional parts.

- queries and keys normed per head, rotated, queries scaled by a gain per head (main);
- value residual: from the second layer on v = l0 v_first + l1 v, v_first the first layer's values, l0 and l1
  plain learned numbers starting at 0.5 (PR #940; its README calls them gates);
- value embedding: a vector of the token added to v (PR #461);
- XSA: y - (y . v^) v^ with v^ the position's own value normed, per query head of the group (PR #461, #940);
- gated attention: y times sigmoid(W x + b) per head, W starts at 0 and b at 4 (PR #940).

Shapes: B batch, T time, Q the final positions that are asked for (T unless `last` is given), D model, H query
heads, K key-value heads, G = H/K query heads in a group, d head width.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_model.network.linear import CastedLinear
from reference_model.network.normalization import takes_hand_gradients
from reference_model.network.rotary import RotaryTables, normed_and_rotated

if TYPE_CHECKING:
    from reference_model.config import ModelConfig

_GATE_BIAS = 4.0  # sigmoid(4) = 0.98: almost open (PR #940)
_LEAST_SQUARE = 1e-24  # of a value's length; the originals divide by max(|v|, 1e-12)


class AttentionContext(NamedTuple):
    """What the attention of a layer takes besides its input."""

    tables: RotaryTables
    value_embedding: Tensor | None = None
    """(B, T, K d), scaled for the layer."""
    first_value: Tensor | None = None
    """(B, T, K d), the values of the first layer; None in the first layer."""
    without_own_value: bool = False
    """XSA."""


class CausalSelfAttention(nn.Module):
    """Attention weights; layers that share a core share them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_heads, config.num_kv_heads
        self.c_q = CastedLinear(config.model_dim, config.model_dim)
        self.c_k = CastedLinear(config.model_dim, config.kv_dim)
        self.c_v = CastedLinear(config.model_dim, config.kv_dim)
        self.proj = CastedLinear(config.model_dim, config.model_dim)
        self.q_gain = nn.Parameter(torch.full((config.num_heads,), config.qk_gain_init))
        self.vr_lambda: nn.Parameter | None = None
        self.attn_gate: CastedLinear | None = None
        if config.value_residual:
            self.vr_lambda = nn.Parameter(torch.full((2,), 0.5))
        if config.gated_attention:
            self.attn_gate = CastedLinear(config.model_dim, config.num_heads, bias=True)
            nn.init.zeros_(self.attn_gate.weight)
            nn.init.constant_(self.attn_gate.bias, _GATE_BIAS)

    def forward(
        self, x_BTD: Tensor, context: AttentionContext, out_scale_D: Tensor, residual_BQD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns residual + out_scale * attention(x) for the last Q positions (B, Q, D), and this layer's
        raw values.

        Q is the length of `residual_BQD`. Raw values (B, T, K d) are those before the value residual.
        """
        asked = residual_BQD.size(1)
        x_BQD = x_BTD if asked == x_BTD.size(1) else x_BTD[:, -asked:]
        q_BQHd = _split_heads(self.c_q(x_BQD), self.heads)
        k_BTKd = _split_heads(self.c_k(x_BTD), self.kv_heads)
        v_BTE, raw_BTE = self._values(x_BTD, context)
        v_BTKd = _split_heads(v_BTE, self.kv_heads)
        q_BQHd = normed_and_rotated(q_BQHd, context.tables.last(asked), self.q_gain)
        k_BTKd = normed_and_rotated(k_BTKd, context.tables)
        y_BQHd = _attended(q_BQHd, k_BTKd, v_BTKd)
        if context.without_own_value:
            y_BQHd = without_own_value(y_BQHd, v_BTKd[:, -asked:])
        if self.attn_gate is not None:
            y_BQHd = y_BQHd * torch.sigmoid(self.attn_gate(x_BQD)).unsqueeze(-1)
        return self.proj(y_BQHd.flatten(2), out_scale_D, residual_BQD), raw_BTE

    def _values(self, x_BTD: Tensor, context: AttentionContext) -> tuple[Tensor, Tensor]:
        """Values that are attended to, and the raw ones, both (B, T, K d)."""
        raw_BTE = self.c_v(x_BTD, None, context.value_embedding)
        if self.vr_lambda is None or context.first_value is None:
            return raw_BTE, raw_BTE
        of_first, of_own = self.vr_lambda.to(raw_BTE.dtype).unbind()
        return torch.addcmul(raw_BTE * of_own, context.first_value, of_first), raw_BTE


def _split_heads(x_BTC: Tensor, heads: int) -> Tensor:
    return x_BTC.view(*x_BTC.shape[:2], heads, -1)


def without_own_value(y_BQHd: Tensor, v_BQKd: Tensor) -> Tensor:
    """Takes from y its component along the position's own value; query heads of a group share the value."""
    batch, asked, kv_heads, width = v_BQKd.shape
    y_BQKGd = y_BQHd.reshape(batch, asked, kv_heads, -1, width)
    v_BQK1d = v_BQKd.unsqueeze(3)
    if takes_hand_gradients(y_BQHd):
        return _HandProjection.apply(y_BQKGd, v_BQK1d).flatten(2, 3)  # type: ignore[no-any-return, no-untyped-call]
    along_BQKG1 = (y_BQKGd * v_BQK1d).sum(dim=-1, keepdim=True) / _square_of(v_BQK1d)
    return torch.addcmul(y_BQKGd, along_BQKG1, v_BQK1d, value=-1).flatten(2, 3)


def _square_of(v_BQK1d: Tensor) -> Tensor:
    return v_BQK1d.square().sum(dim=-1, keepdim=True).clamp_min(_LEAST_SQUARE)


class _HandProjection(torch.autograd.Function):
    """z = y - a v with a = (y . v) / (v . v).

    With b = (dz . v) / (v . v): dy = dz - b v and dv = sum over the group of (2 a b v - a dz - b y).
    """

    @staticmethod
    def forward(ctx: Any, y_BQKGd: Tensor, v_BQK1d: Tensor) -> Tensor:
        square_BQK11 = _square_of(v_BQK1d)
        along_BQKG1 = (y_BQKGd * v_BQK1d).sum(dim=-1, keepdim=True).div_(square_BQK11)
        ctx.save_for_backward(y_BQKGd, v_BQK1d, along_BQKG1, square_BQK11)
        return torch.addcmul(y_BQKGd, along_BQKG1, v_BQK1d, value=-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        y_BQKGd, v_BQK1d, along_BQKG1, square_BQK11 = ctx.saved_tensors
        dz_BQKGd = grads[0]
        b_BQKG1 = (dz_BQKGd * v_BQK1d).sum(dim=-1, keepdim=True).div_(square_BQK11)
        both_BQK11 = (along_BQKG1 * b_BQKG1).sum(dim=3, keepdim=True)
        of_group_BQKGd = (dz_BQKGd * along_BQKG1).addcmul_(b_BQKG1, y_BQKGd)
        dv_BQK1d = (v_BQK1d * both_BQK11).mul_(2).sub_(of_group_BQKGd.sum(dim=3, keepdim=True))
        return torch.addcmul(dz_BQKGd, b_BQKG1, v_BQK1d, value=-1), dv_BQK1d


def _attended(q_BQHd: Tensor, k_BTKd: Tensor, v_BTKd: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over the positions up to each query's own, (B, Q, H, d)."""
    q_BHQd, k_BKTd, v_BKTd = q_BQHd.transpose(1, 2), k_BTKd.transpose(1, 2), v_BTKd.transpose(1, 2)
    if q_BHQd.size(2) < k_BKTd.size(2):
        return _attended_at_the_end(q_BHQd, k_BKTd, v_BKTd)
    grouped = q_BHQd.size(1) != k_BKTd.size(1)
    y_BHTd = functional.scaled_dot_product_attention(
        q_BHQd, k_BKTd, v_BKTd, is_causal=True, enable_gqa=grouped
    )
    return y_BHTd.transpose(1, 2)


def _attended_at_the_end(q_BHQd: Tensor, k_BKTd: Tensor, v_BKTd: Tensor) -> Tensor:
    """The same for queries of the last Q positions only.

    The heads of a group become further queries of their key-value head: kernels that take a mask do not
    group.
    """
    (batch, heads, asked, width), (kv_heads, length) = q_BHQd.shape, k_BKTd.shape[1:3]
    group = heads // kv_heads
    device = q_BHQd.device
    own_Q1 = torch.arange(length - asked, length, device=device)[:, None]
    visible_GQ_T = (torch.arange(length, device=device) <= own_Q1).repeat(group, 1)
    q_BKCd = q_BHQd.reshape(batch, kv_heads, group * asked, width)
    y_BKCd = functional.scaled_dot_product_attention(
        q_BKCd, k_BKTd, v_BKTd, attn_mask=visible_GQ_T, scale=1 / math.sqrt(width)
    )
    return y_BKCd.reshape(batch, heads, asked, width).transpose(1, 2)
