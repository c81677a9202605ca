"""GPTQ-lite: clip the rows of a matrix where the mean squared error of quantising it is least.

No data is needed and no weight is changed, only the scale. Two published forms:

- per row: order statistics of |w| at 0.95, 0.975, 0.99, 0.995 and 1, the best for every row by itself (option
  of PR #461);
- per matrix: quantiles 0.999 to 1, one choice for all rows by the error of the whole matrix, codes symmetric
  (PR #414, #549).

Of equal errors the first candidate wins, in the order below. Shape suffixes: R rows, C columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from reference_model.artifacts.quantize import fp16_scale, rounded_codes
from reference_model.config import GptqLite

if TYPE_CHECKING:
    from torch import Tensor

ROW_QUANTILES = (0.95, 0.975, 0.99, 0.995, 1.0)  # PR #461, quantize_intN_per_row
MATRIX_QUANTILES = (0.999, 0.9995, 0.9999, 0.99999, 1.0)  # PR #549, quantize_int6_per_row


def searched_row_codes(
    weight_RC: Tensor, form: GptqLite, *, max_code: int, floor: float
) -> tuple[Tensor, Tensor]:
    """Codes (fp32, whole numbers) and fp16 scales with the least error; `floor` is the least scale.

    Compiles without graph breaks: choices are made with `where`, not with Python.
    """
    per_row = form is GptqLite.PER_ROW
    lowest = -max_code - 1 if per_row else -max_code
    clips = _row_order_statistics(weight_RC) if per_row else _row_quantiles(weight_RC)

    def attempt(clip_R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scale_R = fp16_scale(clip_R, max_code=max_code, floor=floor)
        codes_RC = rounded_codes(weight_RC, scale_R, lowest=lowest, highest=max_code)
        squared_RC = (weight_RC - codes_RC * scale_R.float()[:, None]).pow(2)
        return codes_RC, scale_R, squared_RC.mean(dim=1) if per_row else squared_RC.mean().reshape(1)

    codes_RC, scale_R, error = attempt(clips[0])  # error: R values, or 1 for the whole matrix
    for clip_R in clips[1:]:
        other_codes_RC, other_scale_R, other_error = attempt(clip_R)
        better = other_error < error
        codes_RC = torch.where(better[:, None], other_codes_RC, codes_RC)
        scale_R = torch.where(better, other_scale_R, scale_R)
        error = torch.where(better, other_error, error)
    return codes_RC, scale_R


def _row_order_statistics(weight_RC: Tensor) -> list[Tensor]:
    sorted_RC = weight_RC.abs().sort(dim=1).values
    last = weight_RC.shape[1] - 1
    return [sorted_RC[:, int(quantile * last)] for quantile in ROW_QUANTILES]


def _row_quantiles(weight_RC: Tensor) -> list[Tensor]:
    magnitude_RC = weight_RC.abs()
    return [
        torch.quantile(magnitude_RC, quantile, dim=1) if quantile < 1.0 else magnitude_RC.amax(dim=1)
        for quantile in MATRIX_QUANTILES
    ]
