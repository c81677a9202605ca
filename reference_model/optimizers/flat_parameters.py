"""Parameters laid end to end, and their gradients likewise: one buffer of each per number format.

Adapting at test time takes many small steps (16 sequences each in PR #461's recipe), where a launch, a norm
and an all-reduce per tensor cost more than the arithmetic. On flat buffers zeroing, clipping, reducing and
stepping are one operation each, whatever the number of tensors, with the same result element by element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from reference_model.distributed import World

_ALIGNMENT = 64  # elements; keeps every view on the 16-byte boundary that matrix kernels want


class FlatParameters:
    """Moves `parameters` into flat buffers; `release` gives them the values and gradients they had before.

    `buffers` are leaves with gradients, one per number format, for any element-wise torch.optim optimiser.
    Gradients must be cleared with `zero_gradients`, not by setting them to None, which would part them from
    the buffers.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._before = [(parameter, parameter.data, parameter.grad) for parameter in parameters]
        kinds = dict.fromkeys((data.dtype, data.device) for _, data, _ in self._before)
        self.buffers = [self._laid_end_to_end(*kind) for kind in kinds]

    def _laid_end_to_end(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        own = [
            (parameter, data)
            for parameter, data, _ in self._before
            if (data.dtype, data.device) == (dtype, device)
        ]
        buffer = torch.zeros(sum(_room(data) for _, data in own), dtype=dtype, device=device)
        gradient = torch.zeros_like(buffer)
        offset = 0
        for parameter, data in own:
            part = slice(offset, offset + data.numel())
            buffer[part] = data.reshape(-1)
            parameter.data = buffer[part].view(data.shape)
            parameter.grad = gradient[part].view(data.shape)
            offset += _room(data)
        buffer.requires_grad_(True)
        buffer.grad = gradient
        return buffer

    @property
    def gradients(self) -> list[Tensor]:
        """The gradient of each buffer."""
        return [buffer.grad for buffer in self.buffers if buffer.grad is not None]

    def zero_gradients(self) -> None:
        """Forget the gradients, in place."""
        for gradient in self.gradients:
            gradient.zero_()

    def sum_gradients(self, world: World) -> None:
        """Add up the gradients of all ranks."""
        for gradient in self.gradients:
            world.sum_(gradient)

    def clip_gradients(self, limit: float) -> None:
        """Scale all gradients so that their joint 2-norm is at most `limit`, as torch's clip_grad_norm_
        does.
        """
        exact = [
            torch.linalg.vector_norm(gradient, dtype=torch.promote_types(gradient.dtype, torch.float32))
            for gradient in self.gradients
        ]
        norm = torch.linalg.vector_norm(torch.stack(exact))
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        for gradient in self.gradients:
            gradient.mul_(factor)

    def release(self) -> None:
        """Undo everything: the parameters hold the tensors and gradients they came with."""
        for parameter, data, gradient in self._before:
            parameter.data, parameter.grad = data, gradient


def _room(data: Tensor) -> int:
    return -(-data.numel() // _ALIGNMENT) * _ALIGNMENT
