"""Linear layer with fp32 weights that computes in the activations' number format.

Source: `CastedLinear` of the challenge's baseline (main, train_gpt.py). Two additions save passes over
activations: a scale of the output channels is multiplied into the weight, and a residual is added inside the
matrix product. Both leave the result unchanged but for rounding.

Shapes: N tokens, I inputs, O outputs; `...` any leading dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


class CastedLinear(nn.Linear):
    """x W^T (+ bias), W kept in fp32 for the optimiser and cast to the type of x at use.

    `fake_quantizer` maps the fp32 weight to the weight that the forward pass uses; it is applied in training
    mode only (late quantisation-aware training) and must let gradients through itself.
    """

    fake_quantizer: Callable[[Tensor], Tensor] | None

    def __init__(self, in_features: int, out_features: int, *, bias: bool = False) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.fake_quantizer = None

    def weight_in_use(self) -> Tensor:
        """The fp32 weight (O, I) that the next forward pass uses: fake-quantised in late training."""
        if self.fake_quantizer is not None and self.training:
            return self.fake_quantizer(self.weight)
        return self.weight

    def forward(self, x: Tensor, row_scale: Tensor | None = None, added: Tensor | None = None) -> Tensor:
        """Map x (..., I) to row_scale * (x W^T + bias) + added, shape (..., O).

        row_scale: one factor for all outputs (no or one dimension of 1) or one for each (O). added: (..., O).
        """
        weight_OI = self.weight_in_use()
        bias_O: Tensor | None = self.bias
        if row_scale is not None:
            weight_OI = weight_OI * row_scale.reshape(-1, 1)
            bias_O = bias_O * row_scale if bias_O is not None else None
        weight_OI = weight_OI.to(x.dtype)
        if bias_O is not None:
            bias_O = bias_O.to(x.dtype)
        if added is None:
            return functional.linear(x, weight_OI, bias_O)
        added_NO = added.reshape(-1, added.size(-1))
        result_NO = torch.addmm(added_NO, x.reshape(-1, x.size(-1)), weight_OI.t())
        if bias_O is not None:
            result_NO = result_NO + bias_O
        return result_NO.view(added.shape)
