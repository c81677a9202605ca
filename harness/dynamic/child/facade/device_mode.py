"""Torch calls that name a CUDA device compute on the CPU; `torch.device("cuda")` stays an object of its kind.

A `TorchFunctionMode` sees each call of the script before torch does. Modes belong to a thread, and are off
while torch runs a call: threads and bodies of custom operators enter it anew (`in_device_mode`).
"""

from __future__ import annotations

import functools
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from harness.dynamic.child.facade.gpu_objects import HostGenerator, on_cpu_when_loaded
from harness.dynamic.child.facade.places import (
    CPU,
    any_on_host,
    is_gpu,
    is_on_host,
    put_on_gpu,
    put_on_host,
    real_device,
    tensors_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_GPU = torch.device("cuda", 0)
# Code that must get the truth: torch decides by it which kernels to call.
_TRUTHFUL = tuple(f"{Path(module.__file__ or '').parent}/" for module in (torch, sys.modules["harness"]))
_OWN_FILE = __file__


class DeviceMode(TorchFunctionMode):
    """Rewrites devices in calls and answers questions about them; `calls` counts what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.default: Any = None
        """Device for tensors made without one, by `set_default_device`."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """See the module."""
        self.calls += 1
        kwargs = kwargs or {}
        special = _SPECIAL.get(func)
        if special is not None:
            return special(func, args, kwargs)
        device = kwargs.get("device")
        if device is None and self.default is not None and func in _FACTORIES:
            device = self.default
        wants_gpu = device is not None and is_gpu(device)
        if wants_gpu or "pin_memory" in kwargs:
            kwargs = dict(kwargs)
            kwargs.pop("pin_memory", None)
            if "device" in kwargs:
                kwargs["device"] = real_device(kwargs["device"])
        result = func(*args, **kwargs)
        if not wants_gpu and (device is not None or any_on_host() or func in _FACTORIES):
            _place_results(func, args, kwargs, result, on_host=device is not None)
        return result


def _place_results(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: object, *, on_host: bool
) -> None:
    """Results are in host memory when all tensors they come from are, or when made without a device."""
    if not on_host:
        seen = func in _FACTORIES
        for value in (*args, *kwargs.values()) if kwargs else args:
            for tensor in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(tensor, torch.Tensor):
                    if not is_on_host(tensor):
                        return
                    seen = True
        if not seen:
            return
    for tensor in tensors_of((result,)):
        put_on_host(tensor)


def _to(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tensor, *rest = args
    targets: list[Any] = [
        one for one in (*rest, *kwargs.values()) if isinstance(one, (torch.device, str, torch.Tensor))
    ]
    if rest and isinstance(rest[0], int) and not isinstance(rest[0], bool):
        targets.append(rest[0])
    was_on_host = is_on_host(tensor)
    to_host = was_on_host
    for target in targets:
        to_host = is_on_host(target) if isinstance(target, torch.Tensor) else not is_gpu(target)
    result = func(
        tensor,
        *(
            real_device(one)
            if isinstance(one, (torch.device, str, int)) and not isinstance(one, bool)
            else one
            for one in rest
        ),
        **{name: real_device(one) if name == "device" else one for name, one in kwargs.items()},
    )
    return _moved(tensor, result, was_on_host=was_on_host, to_host=to_host)


def _cuda(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _moved(args[0], args[0], was_on_host=is_on_host(args[0]), to_host=False)


def _cpu(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return _moved(args[0], args[0], was_on_host=is_on_host(args[0]), to_host=True)


def _moved(tensor: Any, result: Any, *, was_on_host: bool, to_host: bool) -> Any:
    """`result` where it belongs; a move between memories is a copy, also where torch saw no reason."""
    if was_on_host != to_host and result is tensor:
        result = tensor.clone()
    if result is not tensor:
        (put_on_host if to_host else put_on_gpu)(result)
    return result


def _is_cuda(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return not is_on_host(args[0]) if _asked_by_script() else func(*args)


def _device(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    real = func(*args)
    return _GPU if real.type == "cpu" and not is_on_host(args[0]) and _asked_by_script() else real


def _get_device(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return -1 if is_on_host(args[0]) or not _asked_by_script() else 0


def _asked_by_script() -> bool:
    frame = sys._getframe(2)
    # Modes above this one stand between: the capture's, and that of a device context.
    while frame.f_back is not None and (
        frame.f_code.co_filename == _OWN_FILE or frame.f_code.co_name == "__torch_function__"
    ):
        frame = frame.f_back
    return not frame.f_code.co_filename.startswith(_TRUTHFUL)


def _set_data(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`p.data = moved`: a parameter is where its new values are."""
    func(*args)
    tensor, value = args
    (put_on_host if is_on_host(value) else put_on_gpu)(tensor)


def _itself(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0]


def _nothing(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    return None


def _is_pinned(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return is_on_host(args[0])


_SPECIAL: dict[Any, Callable[..., Any]] = {
    torch.Tensor.to: _to,
    torch.Tensor.cuda: _cuda,
    torch.Tensor.cpu: _cpu,
    torch.Tensor.pin_memory: _itself,
    torch.Tensor.is_pinned: _is_pinned,
    torch.Tensor.record_stream: _nothing,
    torch.Tensor.get_device: _get_device,
    torch.Tensor.is_cuda.__get__: _is_cuda,  # type: ignore[attr-defined]
    torch.Tensor.device.__get__: _device,
    torch.Tensor.data.__set__: _set_data,  # type: ignore[attr-defined]
}
_FACTORIES = frozenset(
    {
        *(torch.arange, torch.as_tensor, torch.asarray, torch.empty, torch.empty_strided, torch.eye),
        *(torch.from_numpy, torch.frombuffer, torch.full, torch.hann_window, torch.linspace),
        *(torch.logspace, torch.normal, torch.ones, torch.rand, torch.randint, torch.randn),
        *(torch.randperm, torch.scalar_tensor, torch.tensor, torch.zeros),
    }
)
_MODE = DeviceMode()


def calls_seen() -> int:
    """How many torch calls the script has made so far: a clock uses it to tell work from waiting."""
    return _MODE.calls


def in_device_mode(body: Callable[..., Any]) -> Callable[..., Any]:
    """`body` with the mode on, for code that torch or a thread starts without it."""

    @functools.wraps(body)
    def entered(*args: Any, **kwargs: Any) -> Any:
        with _MODE:
            return body(*args, **kwargs)

    return entered


def wrap_backward_engine(wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put `wrapper` around the one place where all ways to a backward pass end."""
    autograd: Any = torch.autograd
    autograd._engine_run_backward = wrapper(autograd._engine_run_backward)


def _take_default_devices() -> None:
    """`set_default_device` is for this mode to know: torch would put one of its own below this."""

    def set_default_device(device: Any) -> None:
        _MODE.default = device

    torch.set_default_device = set_default_device
    torch.get_default_device = lambda: torch.device(_MODE.default or CPU)


def install_device_mode() -> None:
    """Turn the mode on in this thread, in those to come, in backward passes and in custom operators."""
    _MODE.__enter__()  # type: ignore[no-untyped-call]
    threading.Thread.run = in_device_mode(threading.Thread.run)  # type: ignore[method-assign]
    # Functions and hooks of a script that run on the way back.
    wrap_backward_engine(in_device_mode)
    _enter_in_custom_operators()
    torch.Generator = HostGenerator  # type: ignore[misc]
    torch.load = on_cpu_when_loaded(torch.load)
    _take_default_devices()


def _enter_in_custom_operators() -> None:
    """Bodies for CUDA are taken for the CPU too, and see the mode."""
    make = torch.library.custom_op

    def custom_op(
        name: str, fn: Any = None, /, *, mutates_args: Any, device_types: Any = None, **rest: Any
    ) -> Any:
        def made(body: Callable[..., Any]) -> Any:
            return make(name, in_device_mode(body), mutates_args=mutates_args, device_types=None, **rest)

        return made if fn is None else made(fn)

    torch.library.custom_op = custom_op
    torch.library.triton_op = custom_op
    torch.library.wrap_triton = lambda kernel: kernel
