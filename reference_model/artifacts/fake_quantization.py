"""Late quantisation-aware training: the forward pass uses the weights that the artifact would hold.

Straight-through: w + stopgrad(Q(w) - w), so that the gradient is that of the unquantised weight. Q is the
export quantiser of that very tensor (`qat_like_export`), or the form of PR #461, #555 and #940: int6 for
every matrix, fp32 scale max(rowmax/31, 1/31), codes -32 to 31, whatever the export does. With
`qat_soft_round` (PR #940) the rounding is a smooth staircase with gradients of its own, which sharpens as
training goes on.

A wrapped quantiser is an attribute of its module, not a flag of the class: compiled code looks it up again
and recompiles when it appears. Late QAT by class flag was folded away by torch.compile in earlier records
(README of record #315). Shape suffixes: R rows, C columns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from reference_model.artifacts.quantize import Storage, row_codes, storage_of
from reference_model.config import ConfigError
from reference_model.network.linear import CastedLinear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from reference_model.config import QuantizationConfig

SEED_MAX_CODE = 31  # CastedLinear of PR #461, #555 and #940
SOFTEST_ALPHA = 1.0  # PR #940: alpha grows from 1 to 16 while the learning-rate scale falls to 0
SHARPEST_ALPHA = 16.0


class FakeQuantizer:
    """Weight (fp32 matrix) -> the weight that the forward pass uses; one object for each module.

    `alpha` (sharpness of soft rounding) is a tensor: a new value does not recompile the model.
    """

    def __init__(self, config: QuantizationConfig, storage: Storage, alpha: Tensor) -> None:
        self.config = config
        self.storage = storage
        self.alpha = alpha

    def __call__(self, weight_RC: Tensor) -> Tensor:
        """Quantised weight with the gradient of the unquantised one (soft rounding: its own gradient)."""
        config = self.config
        if config.qat_soft_round:
            return self._soft(weight_RC)
        with torch.no_grad():
            codes_RC, scale_R = self._codes(weight_RC.float())
            quantized_RC = (codes_RC * scale_R.float()[:, None]).to(weight_RC.dtype)
        return weight_RC + (quantized_RC - weight_RC).detach()

    def _codes(self, weight_RC: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.qat_like_export:
            return row_codes(weight_RC, self.storage, self.config)
        scale_R = _seed_scale(weight_RC)
        codes_RC = torch.clamp(torch.round(weight_RC / scale_R[:, None]), -SEED_MAX_CODE - 1, SEED_MAX_CODE)
        return codes_RC, scale_R

    def _soft(self, weight_RC: Tensor) -> Tensor:
        """PR #940's staircase on the scale of the hard quantiser; the scale itself gets no gradient."""
        with torch.no_grad():
            _, scale_R = self._codes(weight_RC.float())
            scale_R1 = scale_R.float()[:, None]
        max_code = self.storage.max_code if self.config.qat_like_export else SEED_MAX_CODE
        lowest = -max_code if self.storage is Storage.INT8 else -max_code - 1
        steps_RC = soft_rounded(weight_RC.float() / scale_R1, self.alpha)
        return (torch.clamp(steps_RC, lowest, max_code) * scale_R1).to(weight_RC.dtype)


def soft_rounded(ratio_RC: Tensor, alpha: Tensor) -> Tensor:
    """Smooth staircase of PR #940: floor + 1/2 + tanh(alpha (r - floor - 1/2)) / (2 tanh(alpha/2)).

    Whole numbers stay; alpha 1 is nearly a straight line, large alpha nearly rounding.
    """
    floor_RC = ratio_RC.detach().floor()
    return floor_RC + 0.5 + torch.tanh(alpha * (ratio_RC - floor_RC - 0.5)) / (2.0 * torch.tanh(alpha / 2))


def soft_round_alpha(progress: float) -> float:
    """Sharpness of soft rounding; progress 0 (QAT just began) to 1 (the learning rate reached 0)."""
    if math.isnan(progress):
        raise ConfigError("the progress of quantisation-aware training is nan; it must be 0 to 1")
    return SOFTEST_ALPHA + (SHARPEST_ALPHA - SOFTEST_ALPHA) * min(max(progress, 0.0), 1.0)


def enable_fake_quantization(model: nn.Module, config: QuantizationConfig, *, progress: float) -> int:
    """Give every linear whose weight is exported as codes its quantiser; returns how many have one.

    Call it again with the progress (0 to 1) of each step: the quantisers stay the same objects, only the
    sharpness of soft rounding moves. Linears that are exported as fp16 or fp32 stay as they are.
    """
    linears = list(_linears(model))
    present = [each.fake_quantizer for _, each in linears if isinstance(each.fake_quantizer, FakeQuantizer)]
    if present:
        present[0].alpha.fill_(soft_round_alpha(progress))  # one tensor for all of them
        return len(present)
    alpha = torch.tensor(soft_round_alpha(progress)).to(next(model.parameters()).device)
    for name, linear in linears:
        storage = Storage.INT6
        if config.qat_like_export:
            storage = storage_of(f"{name}.weight", linear.weight, config)
        if storage.max_code:
            linear.fake_quantizer = FakeQuantizer(config, storage, alpha)
    return sum(linear.fake_quantizer is not None for _, linear in linears)


def disable_fake_quantization(model: nn.Module) -> None:
    """Back to the unquantised weights: before averaging, export and evaluation."""
    for _, module in _linears(model):
        module.fake_quantizer = None


def _linears(model: nn.Module) -> Iterator[tuple[str, CastedLinear]]:
    for name, module in model.named_modules():
        if isinstance(module, CastedLinear):
            yield name, module


def _seed_scale(weight_RC: Tensor) -> Tensor:
    return (weight_RC.abs().amax(dim=1) / SEED_MAX_CODE).clamp_min(1.0 / SEED_MAX_CODE)
