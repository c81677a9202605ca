"""Which tensors a script would hold in host memory, and which on its GPU, though all lie in host memory here.

A script asks `x.is_cuda`, and relies on `x.cpu()` being a copy: a snapshot taken so must not follow later
changes in place. Only tensors of host memory are written down; any other is on the GPU.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

Tensor = torch.Tensor
CPU = torch.device("cpu")
_HOST: dict[int, weakref.ref[Tensor]] = {}
# As `id()`, which the capture's audit hook would be told of: a fifth of a run's time.
_identity = object.__hash__


def is_gpu(device: object) -> bool:
    """Whether a device argument, of any type that torch takes, names a CUDA device."""
    if isinstance(device, torch.device):
        return device.type == "cuda"
    if isinstance(device, str):
        return device.split(":")[0] == "cuda"
    return isinstance(device, int) and not isinstance(device, bool)


def real_device(device: Any) -> Any:
    """Where it is computed here."""
    return CPU if is_gpu(device) else device


def is_on_host(tensor: Tensor) -> bool:
    """Whether the script would find it in host memory."""
    return _identity(tensor) in _HOST


def put_on_host(tensor: Tensor) -> None:
    """From now on the script finds it in host memory."""
    key = _identity(tensor)
    _HOST[key] = weakref.ref(tensor, lambda _: _HOST.pop(key, None))


def put_on_gpu(tensor: Tensor) -> None:
    """From now on the script finds it on the GPU."""
    _HOST.pop(_identity(tensor), None)


def any_on_host() -> bool:
    """Whether any tensor has to be asked about at all."""
    return bool(_HOST)


def tensors_of(values: Iterable[object]) -> list[Tensor]:
    """The tensors among arguments or results, and in lists and tuples among them."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(one for one in value if isinstance(one, Tensor))
    return found
