"""Weights to integer codes with one fp16 scale per row, and back.

Which tensor is stored how follows from `QuantizationConfig` and the tensor's name and size:

| tensor | stored as |
|---|---|
| not floating point | as it is |
| at most `small_tensor_elements` | fp16; control tensors fp32 where `small_control_fp32` |
| larger control tensors (scales, gains, mixing vectors) | fp32 |
| `fp16_names`, and the token embedding at 16 bits | fp16 |
| MLP / attention and other projections / BigramHash table | int5, int6 or int8 by configuration |
| every other table | int8 |

Sources: `train_gpt.py` on main (int8, fp16, fp32), PR #461 (int5 for the MLP, fp16 exceptions, floor 1e-12),
PR #555 and #940 (int6, floor 1/31; #940: int5 layers with floor 1/15). Codes and scales equal theirs bit by
bit.

Shape suffixes: R rows (outputs), C columns (inputs).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reference_model.config import GptqLite, QuantizationConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


class Storage(Enum):
    """How one tensor is kept in the artifact."""

    AS_IS = "as_is"
    FP32 = "fp32"
    FP16 = "fp16"
    INT5 = "int5"
    INT6 = "int6"
    INT8 = "int8"

    @property
    def max_code(self) -> int:
        """Largest code, 0 for storage without codes; the least is -max, for int5 and int6 one less."""
        return {Storage.INT5: 15, Storage.INT6: 31, Storage.INT8: 127}.get(self, 0)


CONTROL_NAMES = (
    "attn_scale",
    "mlp_scale",
    "resid_mix",
    "q_gain",
    "skip_weight",
    "smear",
    "bigram.scale",
    "ve_layer_scales",
    "ve_shared.scale",
    "vr_lambda",
    "attn_gate",
)  # main; from `smear` on PR #461 and #940
INT8_CLIP_QUANTILE = 99.99984 / 100.0  # of |w| in a row; main, INT8_CLIP_PERCENTILE
INT8_LEAST_SCALE = 1.0 / 127.0  # main
LEAST_SCALE = 1e-12  # PR #461, before the cast to fp16
LEAST_FP16_SCALE = torch.finfo(torch.float16).tiny  # PR #461, after it
_STORAGE_OF_BITS = {5: Storage.INT5, 6: Storage.INT6, 8: Storage.INT8}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """Values as stored (codes as int8) and, for codes, the scale that multiplies them: per row or one."""

    storage: Storage
    values: Tensor
    scale: Tensor | None = None

    def restored(self, dtype: torch.dtype) -> Tensor:
        """The tensor in `dtype`: codes times scales, computed in fp32."""
        if self.scale is None:
            return self.values if self.storage is Storage.AS_IS else self.values.to(dtype)
        scale = self.scale.float()
        if scale.ndim:
            scale = scale.view(-1, *([1] * (self.values.ndim - 1)))
        return (self.values.float() * scale).to(dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedState:
    """Every tensor of a state_dict as stored, in its order."""

    tensors: dict[str, StoredTensor]


def quantize_state(
    state: Mapping[str, Tensor], config: QuantizationConfig, *, int5_layers: frozenset[int] = frozenset()
) -> QuantizedState:
    """Codes and scales of a state_dict; matrices of `int5_layers` that would be int6 become int5 (PR #940).

    A layer is meant by its core: with depth recurrence the numbers are those of `cores.{u}`.
    """
    tensors = {}
    for name, tensor in state.items():
        weight = tensor.detach().cpu().contiguous()
        tensors[name] = quantize_tensor(weight, storage_of(name, weight, config, int5_layers), config)
    return QuantizedState(tensors=tensors)


def dequantize_state(quantized: QuantizedState, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights that evaluation sees, in names, order and dtypes of `like`; KeyError for a missing one."""
    return {name: quantized.tensors[name].restored(tensor.dtype) for name, tensor in like.items()}


def storage_of(
    name: str, tensor: Tensor, config: QuantizationConfig, int5_layers: frozenset[int] = frozenset()
) -> Storage:
    """How the configuration stores the tensor of this name; the tests run in the originals' order."""
    is_control = any(part in name for part in CONTROL_NAMES)
    if not tensor.is_floating_point():
        return Storage.AS_IS
    if tensor.numel() <= config.small_tensor_elements:
        return Storage.FP32 if is_control and config.small_control_fp32 else Storage.FP16
    if is_control:
        return Storage.FP32
    if any(part in name for part in config.fp16_names):
        return Storage.FP16
    if "tok_emb" in name:
        return Storage.FP16 if config.embedding_bits == 16 else Storage.INT8
    storage = _STORAGE_OF_BITS[_matrix_bits(name, config)]
    lowered = storage is Storage.INT6 and core_index(name) in int5_layers
    return Storage.INT5 if lowered else storage


def _matrix_bits(name: str, config: QuantizationConfig) -> int:
    if ".mlp." in name:
        return config.mlp_bits
    if ".attn." in name or ".proj." in name:
        return config.attention_bits
    return config.bigram_bits if "bigram" in name else 8


def core_index(name: str) -> int:
    """The u of `cores.{u}.…`; -1 for a tensor outside the cores."""
    first, _, rest = name.partition(".")
    return int(rest.partition(".")[0]) if first == "cores" else -1


def quantize_tensor(weight: Tensor, storage: Storage, config: QuantizationConfig) -> StoredTensor:
    """One tensor as stored. Non-finite weights give non-finite scales; `write_artifact` refuses those."""
    if storage is Storage.AS_IS:
        return StoredTensor(storage=storage, values=weight)
    if storage is Storage.FP32:
        return StoredTensor(storage=storage, values=weight.float())
    if storage is Storage.FP16:
        return StoredTensor(storage=storage, values=weight.to(torch.float16))
    if weight.ndim == 2:
        codes, scale = row_codes(weight.float(), storage, config)
    else:
        codes, scale = _tensor_codes(weight.float(), storage)
    return StoredTensor(storage=storage, values=codes.to(torch.int8), scale=scale)


def row_codes(weight_RC: Tensor, storage: Storage, config: QuantizationConfig) -> tuple[Tensor, Tensor]:
    """Codes (fp32, whole numbers) and fp16 scale of every row of an fp32 matrix.

    Free of data-dependent Python, so that fake quantisation can compile it.
    """
    if storage is Storage.INT8:
        return _int8_row_codes(weight_RC)
    max_code = storage.max_code
    floor = 1.0 / max_code if config.scale_floor else LEAST_SCALE
    if config.gptq_lite is not GptqLite.NONE:
        from reference_model.artifacts.gptq_lite import searched_row_codes

        return searched_row_codes(weight_RC, config.gptq_lite, max_code=max_code, floor=floor)
    scale_R = fp16_scale(weight_RC.abs().amax(dim=1), max_code=max_code, floor=floor)
    return rounded_codes(weight_RC, scale_R, lowest=-max_code - 1, highest=max_code), scale_R


def fp16_scale(clip_R: Tensor, *, max_code: int, floor: float) -> Tensor:
    """Row scale that takes `clip_R` to the largest code, at least `floor`, never a zero of fp16."""
    scale_R = (clip_R / max_code).clamp_min(floor).to(torch.float16)
    return scale_R.clamp_min(LEAST_FP16_SCALE)


def rounded_codes(weight_RC: Tensor, scale_R: Tensor, *, lowest: int, highest: int) -> Tensor:
    """Weights over their row scale, rounded half to even and cut to the code range."""
    return torch.clamp(torch.round(weight_RC / scale_R.float()[:, None]), lowest, highest)


def _int8_row_codes(weight_RC: Tensor) -> tuple[Tensor, Tensor]:
    """Codes use the fp32 scale although the stored one is fp16, as main does."""
    clip_R = torch.quantile(weight_RC.abs(), INT8_CLIP_QUANTILE, dim=1)
    clipped_RC = torch.maximum(torch.minimum(weight_RC, clip_R[:, None]), -clip_R[:, None])
    scale_R = (clip_R / 127.0).clamp_min(INT8_LEAST_SCALE)
    return rounded_codes(clipped_RC, scale_R, lowest=-127, highest=127), scale_R.to(torch.float16)


def _tensor_codes(weight: Tensor, storage: Storage) -> tuple[Tensor, Tensor]:
    """One scale for a tensor that is no matrix: fp32 at the int8 quantile, fp16 at the maximum else."""
    max_code = storage.max_code
    magnitude = weight.abs().flatten()
    if storage is Storage.INT8:
        clip = float(quantile_of_all(magnitude, INT8_CLIP_QUANTILE))
        scale = torch.tensor(clip / max_code if clip > 0 else 1.0)
        clipped = torch.clamp(weight, -clip, clip)
        return torch.clamp(torch.round(clipped / scale), -max_code, max_code), scale
    clip = float(magnitude.max())
    scale = torch.tensor(clip / max_code if clip > 0 else 1.0, dtype=torch.float16)
    scale = scale.clamp_min(LEAST_FP16_SCALE)
    return torch.clamp(torch.round(weight / scale.float()), -max_code - 1, max_code), scale


LARGEST_QUANTILE_INPUT = 2**24  # elements; torch.quantile refuses more


def quantile_of_all(values_N: Tensor, fraction: float) -> Tensor:
    """The quantile of a vector, between the two nearest values; torch.quantile where that takes the size."""
    if values_N.numel() <= LARGEST_QUANTILE_INPUT:
        return torch.quantile(values_N, fraction)
    rank = fraction * (values_N.numel() - 1)
    below = values_N.kthvalue(int(rank) + 1).values
    above = values_N.kthvalue(min(int(rank) + 2, values_N.numel())).values
    return torch.lerp(below, above, rank - int(rank))
