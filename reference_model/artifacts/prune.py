"""Magnitude pruning before quantising: the smallest weights of large matrices become zero and compress away.

Source: PR #461 (3% of every matrix above 65,536 elements).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_model.artifacts.quantize import quantile_of_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

LEAST_PRUNED_ELEMENTS = 65_536  # matrices of more elements than this are pruned; PR #461


def prune_smallest(state: Mapping[str, Tensor], fraction: float) -> dict[str, Tensor]:
    """A copy of `state` with that fraction (0 to below 1) of each large matrix at 0, the smallest first.

    The threshold is the quantile of |w| in fp32, compared in the matrix's own dtype, as the original does.
    """
    return {name: _pruned(tensor, fraction) for name, tensor in state.items()}


def _pruned(tensor: Tensor, fraction: float) -> Tensor:
    if tensor.ndim != 2 or tensor.numel() <= LEAST_PRUNED_ELEMENTS or not tensor.is_floating_point():
        return tensor
    magnitude = tensor.detach().abs()
    threshold = quantile_of_all(magnitude.float().flatten(), fraction)
    return tensor.detach().masked_fill(magnitude < threshold, 0.0)
