"""A checksum of every weight that is alive: tells two states of the models apart, whoever wrote them.

Optimizers are seen by their steps; a table filled in place, an average swapped in or `p.data.add_` is not.
"""

from __future__ import annotations

import weakref
import zlib
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_ELEMENTS = 1 << 21
"""Elements summed exactly, some 2 ms; of more weights, evenly spread ones are taken."""


class WeightSums:
    """Knows all parameters registered in modules since `start`, and those of optimizers that step."""

    def __init__(self) -> None:
        self._weights: dict[int, weakref.ref[torch.Tensor]] = {}
        self._removers: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to take notice of parameters."""
        from torch.nn.modules import module

        def registered(_module: torch.nn.Module, _name: str, weight: Any) -> None:
            self.know(weight)

        handle = module.register_module_parameter_registration_hook(registered)
        self._removers.append(handle.remove)

    def stop(self) -> None:
        """Take no more notice."""
        for remove in self._removers:
            remove()
        self._removers.clear()

    def know(self, weight: Any) -> None:
        """Include `weight` from now on."""
        if isinstance(weight, torch.Tensor) and id(weight) not in self._weights:
            self._weights[id(weight)] = weakref.ref(weight)

    def digest(self) -> str:
        """Eight hexadecimal digits, equal for equal bits in equal order of creation."""
        alive: list[torch.Tensor] = []
        for key, reference in list(self._weights.items()):
            weight = reference()
            if weight is None:
                del self._weights[key]
            else:
                alive.append(weight)
        total = sum(weight.numel() for weight in alive)
        stride = 1 + total // _MOST_ELEMENTS
        value = 0
        with torch.no_grad():
            for weight in alive:
                flat = weight.detach()
                if stride > 1 or not flat.is_contiguous() or flat.is_sparse:
                    flat = flat.reshape(-1)[::stride]
                    # A clone: one element of a strided row counts as contiguous and has no bytes to view.
                    flat = flat.clone(memory_format=torch.contiguous_format)
                packed = flat.cpu().reshape(-1).view(torch.uint8)
                value = zlib.crc32(packed.numpy().data, value)
        return f"{value:08x}"
