"""Root-mean-square norm without a learned weight, and when to use gradients derived by hand.

rms(x) = x / sqrt(mean(x^2) + eps) over the last dimension, eps the machine epsilon of the number format that
the mean is taken in (fp32 for bf16 and fp32, as `torch.nn.functional.rms_norm` does by default).

On a CPU without compilation every elementwise pass over the activations counts: torch's own norm takes some
ten of them forward and backward, the formulas below five. Compilers fuse the plain formula better than ours,
so they get it.

Shapes: X the normed dimension; `...` any leading dimensions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def takes_hand_gradients(x: Tensor) -> bool:
    """Whether to use our own gradient formulas: on the CPU, when nothing is being compiled."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def wide_type(dtype: torch.dtype) -> torch.dtype:
    """The number format in which sums over values of `dtype` are taken."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def inverse_rms(x: Tensor) -> Tensor:
    """1 / sqrt(mean(x^2) + eps) over the last dimension, which is kept with size 1; at least fp32."""
    wide = wide_type(x.dtype)
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=wide)
    return norm.square_().div_(x.size(-1)).add_(torch.finfo(wide).eps).rsqrt_()


def rms_norm(x: Tensor, scale: float = 1.0) -> Tensor:
    """Computes scale * rms(x), in the shape and type of x."""
    if takes_hand_gradients(x):
        return _HandRmsNorm.apply(x, scale)  # type: ignore[no-any-return, no-untyped-call]
    normed = functional.rms_norm(x, (x.size(-1),))
    return normed if scale == 1.0 else normed * scale


class _HandRmsNorm(torch.autograd.Function):
    """y = s r x with r = inverse_rms(x), so dx = s r (dy - x r^2 (dy . x) / X)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        inverse = inverse_rms(x)
        ctx.save_for_backward(x, inverse)
        ctx.scale = scale
        return (x * (inverse * scale)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (dy,) = grads
        x, inverse = ctx.saved_tensors
        along = dot_last(dy, x).mul_(inverse.square()).div_(-x.size(-1))
        return torch.addcmul(dy, x, along.to(x.dtype)).mul_(inverse * ctx.scale), None


def dot_last(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a * b over the last dimension, kept with size 1; at least fp32."""
    return (a * b).sum(dim=-1, keepdim=True, dtype=wide_type(a.dtype))
