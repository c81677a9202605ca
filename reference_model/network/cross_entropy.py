"""Softcapped logits and their cross entropy.

logits = c tanh(raw / c) with raw = h E^T (main: c = 30), loss in nats, at least fp32.

On a CPU the loss of V logits per token costs more in memory traffic than in arithmetic: rows are taken in
blocks that stay in the cache, and the mean's gradient is computed in the same pass (as fused kernels do, PR
#1787). Since |logits| <= c, exponentials need no maximum taken out as long as c is moderate.

Shapes: N tokens, D model, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from reference_model.network.normalization import takes_hand_gradients, wide_type

_BLOCK_ELEMENTS = 1 << 17  # half a megabyte of fp32: logits and their gradient fit a core's cache together
_SAFE_CAP = 40.0  # V exp(40) is far from fp32's 3e38, exp(-40) far from its least normal number


def softcapped(raw: Tensor, cap: float) -> Tensor:
    """Computes cap * tanh(raw / cap)."""
    return cap * torch.tanh(raw / cap)


def softcapped_mean_nll(h_ND: Tensor, head_VD: Tensor, targets_N: Tensor, cap: float) -> Tensor:
    """Mean negative log likelihood of the targets, a scalar in nats."""
    if takes_hand_gradients(h_ND):
        return _HandMeanNll.apply(h_ND, head_VD, targets_N, cap)  # type: ignore[no-any-return, no-untyped-call]
    logits_NV = softcapped(functional.linear(h_ND, head_VD), cap)
    return functional.cross_entropy(logits_NV.to(wide_type(h_ND.dtype)), targets_N)


def softcapped_nll(h_ND: Tensor, head_VD: Tensor, targets_N: Tensor, cap: float) -> Tensor:
    """Negative log likelihood of every target, (N), in nats."""
    if takes_hand_gradients(h_ND) and not torch.is_grad_enabled():
        return _blockwise_nll(h_ND, head_VD, targets_N, cap)
    logits_NV = softcapped(functional.linear(h_ND, head_VD), cap)
    return functional.cross_entropy(logits_NV.to(wide_type(h_ND.dtype)), targets_N, reduction="none")


class _HandMeanNll(torch.autograd.Function):
    """d raw = (softmax - one-hot) (1 - tanh^2) / N, formed block by block in the forward pass."""

    @staticmethod
    def forward(ctx: Any, h_ND: Tensor, head_VD: Tensor, targets_N: Tensor, cap: float) -> Tensor:
        ctx.types = h_ND.dtype, head_VD.dtype
        if not any(ctx.needs_input_grad):
            return _blockwise_nll(h_ND, head_VD, targets_N, cap).mean()
        wide = wide_type(h_ND.dtype)
        head_VD = head_VD.to(wide)
        d_h_ND = torch.empty_like(h_ND, dtype=wide)
        d_head_VD = torch.zeros_like(head_VD)
        total = torch.zeros((), dtype=wide)
        share = 1.0 / h_ND.size(0)
        for rows in _blocks(h_ND.size(0), head_VD.size(0)):
            h, targets_n1 = h_ND[rows].to(wide), targets_N[rows, None]
            tanh, exp, sums, nll = _block_nll(h, head_VD, targets_n1, cap)
            total += nll.sum()
            exp.mul_(share / sums)
            exp.scatter_add_(1, targets_n1, exp.new_full((1, 1), -share).expand_as(targets_n1))
            exp.mul_(tanh.square_().neg_().add_(1))
            torch.mm(exp, head_VD, out=d_h_ND[rows])
            d_head_VD.addmm_(exp.t(), h)
        ctx.save_for_backward(d_h_ND, d_head_VD)
        return total * share

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        d_h_ND, d_head_VD = ctx.saved_tensors
        h_type, head_type = ctx.types
        return (d_h_ND * grads[0]).to(h_type), (d_head_VD * grads[0]).to(head_type), None, None


def _blockwise_nll(h_ND: Tensor, head_VD: Tensor, targets_N: Tensor, cap: float) -> Tensor:
    wide = wide_type(h_ND.dtype)
    head_VD = head_VD.to(wide)
    nll_N = torch.empty(h_ND.size(0), dtype=wide)
    for rows in _blocks(h_ND.size(0), head_VD.size(0)):
        nll_N[rows] = _block_nll(h_ND[rows].to(wide), head_VD, targets_N[rows, None], cap)[3].squeeze(1)
    return nll_N


def _blocks(rows: int, vocabulary: int) -> list[slice]:
    size = max(16, _BLOCK_ELEMENTS // vocabulary)
    return [slice(first, min(first + size, rows)) for first in range(0, rows, size)]


def _block_nll(
    h_nD: Tensor, head_VD: Tensor, targets_n1: Tensor, cap: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """tanh(raw / cap) (n, V), shifted exponentials (n, V), their sums (n, 1) and the nll (n, 1)."""
    with torch.autocast("cpu", enabled=False):  # a narrower product would round the logits
        tanh = torch.mm(h_nD, head_VD.t()).mul_(1.0 / cap).tanh_()
    logits = tanh * cap
    of_targets = logits.gather(1, targets_n1)
    if cap > _SAFE_CAP:
        highest = logits.amax(dim=1, keepdim=True)
        logits -= highest
        of_targets -= highest
    exp = logits.exp_()
    sums = exp.sum(dim=1, keepdim=True)
    return tanh, exp, sums, sums.log().sub_(of_targets)
