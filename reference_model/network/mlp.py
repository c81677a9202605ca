"""Two-layer perceptron with a squared activation.

phi(u) = max(u, 0)^2 (main, after modded-nanogpt) or leaky_relu(u)^2: negatives then contribute slope^2 u^2
(PR #493, #549).

Shapes: B batch, T time, D model, F hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_model.config import Activation
from reference_model.network.linear import CastedLinear
from reference_model.network.normalization import takes_hand_gradients

if TYPE_CHECKING:
    from reference_model.config import ModelConfig


class MLP(nn.Module):
    """D -> F -> D."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.fc = CastedLinear(config.model_dim, config.mlp_hidden)
        self.proj = CastedLinear(config.mlp_hidden, config.model_dim)
        self.slope = config.leaky_slope if config.activation is Activation.LEAKY_RELU_SQ else 0.0

    def forward(self, x_BTD: Tensor, out_scale_D: Tensor, residual_BTD: Tensor) -> Tensor:
        """Returns residual + out_scale * proj(phi(fc(x)))."""
        return self.proj(squared_activation(self.fc(x_BTD), self.slope), out_scale_D, residual_BTD)  # type: ignore[no-any-return]


def squared_activation(u: Tensor, slope: float) -> Tensor:
    """leaky_relu(u, slope)^2; slope 0 is relu(u)^2, slope 1 is u^2."""
    if takes_hand_gradients(u):
        return _HandSquaredActivation.apply(u, slope)  # type: ignore[no-any-return, no-untyped-call]
    rectified = functional.leaky_relu(u, slope) if slope else functional.relu(u)
    return rectified.square()


class _HandSquaredActivation(torch.autograd.Function):
    """y = u l with l = leaky_relu(u, slope^2), and dy/du = 2 l: one tensor kept, one pass backward."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, slope: float) -> Tensor:
        factor = functional.leaky_relu(u, slope * slope) if slope else functional.relu(u)
        ctx.save_for_backward(factor)
        return u * factor

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        nothing = grads[0].new_zeros(())  # addcmul multiplies three factors in one pass
        return torch.addcmul(nothing, grads[0], factor, value=2), None
