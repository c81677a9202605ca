"""`triton` on torch: kernels run as they are written, all programs of a grid at once, without a compiler.

A GPU runs programs side by side in any order, so a kernel cannot depend on one. What is kept is what a kernel
computes; how it is tiled onto a GPU is not.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

import torch

from harness.dynamic.child.facade.made_modules import make_module
from harness.dynamic.child.facade.triton_blocks import NotUniformError
from harness.dynamic.child.facade.triton_language import RUNNING, make_language
from harness.dynamic.child.facade.triton_memory import BEFORE, Pointer, Tile, undo_writes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MOST_AT_ONCE = 2048
"""Programs run together: 2,048 rows of 1,024 float32 are 8 MiB a block."""
_LAUNCH_OPTIONS = frozenset(
    {"num_warps", "num_stages", "num_ctas", "maxnreg", "stream", "grid", "warmup", "enable_fp_fusion"}
)


class TensorDescriptor(Tile):
    """`triton.tools.tensor_descriptor.TensorDescriptor`: made on the host, loaded from in a kernel."""

    def __init__(
        self, base: torch.Tensor, shape: Sequence[int], strides: Sequence[int], block_shape: Sequence[int]
    ) -> None:
        self.base = base
        super().__init__(Pointer.to_tensor(base), list(shape), list(strides), block_shape)

    @classmethod
    def from_tensor(cls, tensor: torch.Tensor, block_shape: Sequence[int], *_: Any) -> TensorDescriptor:
        """Of a whole tensor."""
        return cls(tensor, tensor.shape, tensor.stride(), block_shape)


class Kernel:
    """What `@triton.jit` makes of a function: `kernel[grid](...)` runs it, and kernels may call it."""

    def __init__(self, body: Callable[..., Any]) -> None:
        functools.update_wrapper(self, body)
        self.fn = body
        self._defaults: dict[str, Any] = {}
        self._parameters = inspect.signature(body).parameters
        self.arg_names = list(self._parameters)

    def configured(self, values: Mapping[str, Any]) -> Kernel:
        """With constants that a launch need not give."""
        self._defaults.update(values)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside of another kernel."""
        return self.fn(*args, **kwargs)

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        """The launch of the kernel over a grid, which may be a function of the constants."""
        return functools.partial(self._launch, grid)

    def run(self, *args: Any, grid: Any, **kwargs: Any) -> None:
        """The launch in Triton's other spelling."""
        self._launch(grid, *args, **kwargs)

    def _launch(self, grid: Any, *args: Any, **kwargs: Any) -> None:
        given = {name: value for name, value in kwargs.items() if name not in _LAUNCH_OPTIONS}
        for name, value in self._defaults.items():
            if name in self._parameters:
                given.setdefault(name, value)
        meta = {**dict(zip(self._parameters, args, strict=False)), **given}
        size = grid(meta) if callable(grid) else grid
        size = tuple(int(each) for each in (size if isinstance(size, (tuple, list)) else (size,)))
        size = (*size, 1, 1)[:3]
        pointed = [_pointed(value) for value in args]
        named = {name: _pointed(value) for name, value in given.items()}
        total = size[0] * size[1] * size[2]
        # Without the modes that watch the script: these calls are ours.
        with torch.no_grad(), torch._C.DisableTorchFunction():
            for first in range(0, total, _MOST_AT_ONCE):
                numbers = torch.arange(first, min(first + _MOST_AT_ONCE, total))
                self._run(numbers, size, pointed, named)

    def _run(
        self, numbers: torch.Tensor, size: tuple[int, ...], args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        BEFORE.clear()
        try:
            self._programs(numbers, size, args, kwargs)
        except NotUniformError:
            if numbers.numel() == 1:
                raise
            undo_writes()
            for number in numbers:
                self._programs(number[None], size, args, kwargs)
        finally:
            BEFORE.clear()

    def _programs(
        self, numbers: torch.Tensor, size: tuple[int, ...], args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        outer = RUNNING.ids, RUNNING.grid
        RUNNING.grid = size
        ids = (numbers % size[0], numbers // size[0] % size[1], numbers // (size[0] * size[1]))
        RUNNING.ids = [each.to(torch.int32) for each in ids]
        try:
            self.fn(*args, **kwargs)
        finally:
            RUNNING.ids, RUNNING.grid = outer


def _pointed(value: Any) -> Any:
    return Pointer.to_tensor(value) if isinstance(value, torch.Tensor) else value


def jit(body: Any = None, **_: Any) -> Any:
    """`@triton.jit`, with and without options."""
    return Kernel(body) if body is not None else Kernel


class Config:
    """A choice of constants for `autotune`."""

    def __init__(self, kwargs: Mapping[str, Any], **options: Any) -> None:
        self.kwargs = dict(kwargs)
        self.num_warps = options.get("num_warps", 4)
        self.num_stages = options.get("num_stages", 2)


def autotune(configs: Sequence[Config], *_: Any, **__: Any) -> Callable[[Kernel], Kernel]:
    """The first choice: which is fastest on a GPU is no question here."""
    return lambda kernel: kernel.configured(configs[0].kwargs)


def heuristics(values: Mapping[str, Callable[[Any], Any]]) -> Callable[[Kernel], Kernel]:
    """Refused: constants made from arguments are in no kernel of this kind so far."""
    raise NotImplementedError("triton.heuristics: the audit on a CPU does not play this")


def _next_power_of_2(value: int) -> int:
    return 1 << max(int(value) - 1, 0).bit_length()


def install_triton() -> None:
    """Make `triton` importable, in place of a real one too, which would want a GPU."""
    make_module(
        "triton",
        jit=jit,
        autotune=autotune,
        heuristics=heuristics,
        Config=Config,
        JITFunction=Kernel,
        cdiv=lambda value, by: (value + by - 1) // by,
        next_power_of_2=_next_power_of_2,
        set_allocator=lambda allocator: None,
        __version__="3.4.0",
    )
    make_language()
    make_module("triton.tools.tensor_descriptor", TensorDescriptor=TensorDescriptor)
    make_module("triton.runtime", driver=types.SimpleNamespace(active=None), JITFunction=Kernel)
    make_module("triton.runtime.jit", JITFunction=Kernel)
    make_module("triton.testing", do_bench=lambda *_, **__: 1.0)
