"""flash_attn, flash_attn_interface, kernels and liger_kernel, whose kernels are for GPUs only."""

from __future__ import annotations

import types
from typing import Any

import torch
from torch.nn import functional

from harness.dynamic.child.facade import attention
from harness.dynamic.child.facade.made_modules import make_module

Tensor = torch.Tensor

_NAMES = (
    *("flash_attn_func", "flash_attn_varlen_func"),
    *("flash_attn_qkvpacked_func", "flash_attn_kvpacked_func", "flash_attn_varlen_qkvpacked_func"),
)
_VERSION_2 = {name: getattr(attention, name) for name in _NAMES}
_VERSION_3 = {
    "flash_attn_func": attention.flash_attn_3_func,
    "flash_attn_varlen_func": attention.flash_attn_3_varlen_func,
    "flash_attn_qkvpacked_func": attention.flash_attn_qkvpacked_func,
}


def get_kernel(repository: str, *_: Any, **__: Any) -> types.SimpleNamespace:
    """Of the hub's kernels the attentions; which version is told by the repository's name."""
    if "attn" not in repository and "attention" not in repository:
        raise FileNotFoundError(f"{repository}: the audit has no network and no such kernel of its own")
    members = _VERSION_3 if "3" in repository else _VERSION_2
    return types.SimpleNamespace(**members, flash_attn_interface=types.SimpleNamespace(**members))


class FusedLinearCrossEntropy(torch.nn.Module):
    """Cross-entropy of `hidden @ weight.T`, as liger_kernel's module of that name."""

    def __init__(
        self, ignore_index: int = -100, softcap: float | None = None, reduction: str = "mean", **_: Any
    ) -> None:
        super().__init__()
        self.ignore_index, self.softcap, self.reduction = ignore_index, softcap, reduction

    def forward(self, weight: Tensor, hidden: Tensor, target: Tensor, bias: Tensor | None = None) -> Tensor:
        """The loss."""
        logits = functional.linear(hidden, weight, bias).float()
        if self.softcap:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        return functional.cross_entropy(
            logits, target, ignore_index=self.ignore_index, reduction=self.reduction
        )


class LigerCrossEntropy(torch.nn.CrossEntropyLoss):
    """Cross-entropy of logits, as liger_kernel's module of that name."""


def _rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-6, *_: Any, **__: Any) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight, eps)


def install_kernel_packages() -> None:
    """Make all of them importable."""
    make_module("flash_attn", **_VERSION_2, __version__="2.8.3")
    make_module("flash_attn.flash_attn_interface", **_VERSION_2)
    make_module("flash_attn_interface", **_VERSION_3)
    make_module(
        "flash_attn_3", flash_attn_interface=make_module("flash_attn_3.flash_attn_interface", **_VERSION_3)
    )
    make_module("kernels", get_kernel=get_kernel, has_kernel=lambda *_, **__: True)
    make_module(
        "liger_kernel.transformers",
        LigerFusedLinearCrossEntropyLoss=FusedLinearCrossEntropy,
        LigerCrossEntropyLoss=LigerCrossEntropy,
    )
    make_module(
        "liger_kernel.transformers.fused_linear_cross_entropy",
        LigerFusedLinearCrossEntropyLoss=FusedLinearCrossEntropy,
    )
    make_module("liger_kernel.transformers.cross_entropy", LigerCrossEntropyLoss=LigerCrossEntropy)
    make_module("liger_kernel.transformers.functional", liger_rms_norm=_rms_norm)
