"""Rotary position embedding of queries and keys, with the norm and the gain that come before it.

Each head's queries and keys are normed, the first R of d dimensions are rotated by the position, and queries
get a gain per head. Pairs are (j, j + R/2): (a cos + b sin, b cos - a sin) with angle p * base^(-2j/R)
(main). Inputs longer than the length trained for scale the base by (T / T_train)^(R / (R-2)), the NTK rule of
PR #461 and #940.

Tables are made once per forward pass and shared by all layers: that is a handful of small operations, and a
table kept from an evaluation in inference mode could not take part in a later backward pass.

Shapes: B batch, T time, H heads, d head width, R rotated dimensions, P = R/2 pairs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from reference_model.network.normalization import dot_last, inverse_rms, takes_hand_gradients, wide_type


class RotaryTables(NamedTuple):
    """Cosines and sines of every position and pair, (T, 1, P): they broadcast over heads."""

    cos: Tensor
    sin: Tensor

    def last(self, count: int) -> RotaryTables:
        """The rows of the final `count` positions."""
        return RotaryTables(self.cos[-count:], self.sin[-count:])


def rotary_tables(
    length: int, rotated: int, base: float, trained_length: int, device: torch.device, dtype: torch.dtype
) -> RotaryTables:
    """Tables for positions 0..length-1 and `rotated` dimensions; angles are fp32, the result is `dtype`."""
    if length > trained_length:
        base = base * (length / trained_length) ** (rotated / (rotated - 2))
    exponents_P = torch.arange(0, rotated, 2, dtype=torch.float32, device=device) / rotated
    positions_T = torch.arange(length, dtype=torch.float32, device=device)
    angles_T1P = positions_T[:, None, None] * (1.0 / (base**exponents_P))
    return RotaryTables(angles_T1P.cos().to(dtype), angles_T1P.sin().to(dtype))


def normed_and_rotated(x_BTHd: Tensor, tables: RotaryTables, gain_H: Tensor | None = None) -> Tensor:
    """Computes gain * rotate(rms(x)), in the shape and type of x."""
    if takes_hand_gradients(x_BTHd):
        gain = torch.ones((), dtype=x_BTHd.dtype) if gain_H is None else gain_H
        return _HandNormedRotation.apply(x_BTHd, gain, *tables)  # type: ignore[no-any-return, no-untyped-call]
    normed_BTHd = rotated_pairs(functional.rms_norm(x_BTHd, (x_BTHd.size(-1),)), tables)
    return normed_BTHd if gain_H is None else normed_BTHd * gain_H.to(x_BTHd.dtype)[:, None]


def rotated_pairs(x_BTHd: Tensor, tables: RotaryTables) -> Tensor:
    """Turn the first R dimensions by the position's angle; the rest pass."""
    cos_T1P, sin_T1P = tables
    pairs = cos_T1P.size(-1)
    a, b, rest = torch.tensor_split(x_BTHd, (pairs, 2 * pairs), dim=-1)
    turned = (a * cos_T1P + b * sin_T1P, b * cos_T1P - a * sin_T1P)
    return torch.cat((*turned, rest), dim=-1)


class _HandNormedRotation(torch.autograd.Function):
    """y = Rot(g r x): with z = Rot^-1(dy), dx = g r (z - x r^2 (z . x) / d) and dg = sum of r (z . x)."""

    @staticmethod
    def forward(ctx: Any, x_BTHd: Tensor, gain: Tensor, cos_T1P: Tensor, sin_T1P: Tensor) -> Tensor:
        inverse = inverse_rms(x_BTHd)
        ctx.save_for_backward(x_BTHd, gain, inverse, cos_T1P, sin_T1P)
        y_BTHd = (x_BTHd * (inverse * gain.unsqueeze(-1))).to(x_BTHd.dtype)
        _turn_pairs_(y_BTHd, cos_T1P, sin_T1P)
        return y_BTHd

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        x_BTHd, gain, inverse, cos_T1P, sin_T1P = ctx.saved_tensors
        # contiguous as x is: attention's gradient comes transposed, and everything after it runs along x
        z_BTHd = grads[0].clone(memory_format=torch.contiguous_format)
        _turn_pairs_(z_BTHd, cos_T1P, -sin_T1P)
        dot_BTH1 = dot_last(z_BTHd, x_BTHd)
        d_gain = None
        if ctx.needs_input_grad[1]:
            d_gain = (dot_BTH1 * inverse).sum(dim=(0, 1, 3)).to(gain.dtype)
        along = dot_BTH1.mul_(inverse.square()).div_(-x_BTHd.size(-1)).to(x_BTHd.dtype)
        factor = inverse * gain.unsqueeze(-1).to(wide_type(x_BTHd.dtype))
        return z_BTHd.addcmul_(x_BTHd, along).mul_(factor), d_gain, None, None


def _turn_pairs_(x_BTHd: Tensor, cos_T1P: Tensor, sin_T1P: Tensor) -> None:
    pairs = cos_T1P.size(-1)
    a, b = x_BTHd[..., :pairs], x_BTHd[..., pairs : 2 * pairs]
    a_before = a.clone()
    a.mul_(cos_T1P).addcmul_(b, sin_T1P)
    b.mul_(cos_T1P).addcmul_(a_before, sin_T1P, value=-1)
