"""Generators and saved files that name a CUDA device, as objects of the CPU."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch

from harness.dynamic.child.facade.places import CPU, is_gpu, put_on_host, real_device

if TYPE_CHECKING:
    from collections.abc import Callable


class _GeneratorKind(type(torch.Generator)):  # type: ignore[misc]
    """Takes any generator of torch for one of its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, torch._C.Generator)


class HostGenerator(metaclass=_GeneratorKind):
    """`torch.Generator` that is the CPU's, whatever device it was asked for."""

    def __new__(cls, device: Any = "cpu") -> Any:
        """A generator of torch."""
        return torch._C.Generator(device=real_device(device))


def on_cpu_when_loaded(load: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.load` to the CPU; where a script says the CPU, it finds the tensors in host memory.

    Scripts written for a torch before 2.6 load what they saved without saying that it is more than weights.
    """

    @functools.wraps(load)
    def loaded(file: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("weights_only", False)  # its own code runs in the sandbox already
        with torch._C.DisableTorchFunction():  # else every storage would be said to be in host memory
            result = load(file, CPU, *args, **kwargs)
        if callable(map_location) or (
            isinstance(map_location, (str, torch.device)) and not is_gpu(map_location)
        ):
            _put_all_on_host(result)
        return result

    return loaded


def _put_all_on_host(value: Any) -> None:
    if isinstance(value, torch.Tensor):
        put_on_host(value)
    elif isinstance(value, dict):
        for each in value.values():
            _put_all_on_host(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            _put_all_on_host(each)
