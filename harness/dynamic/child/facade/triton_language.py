"""`triton.language` on torch: what kernels of language models call, with the meaning Triton documents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from harness.dynamic.child.facade.made_modules import make_module
from harness.dynamic.child.facade.triton_blocks import (
    ELEMENTS,
    Block,
    aligned,
    block_range,
    broadcast,
    lifted,
)
from harness.dynamic.child.facade.triton_memory import BlockPointer, Pointer, Tile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Tensor = torch.Tensor


class Programs:
    """The programs that run now: their numbers along each axis of the grid, and its size."""

    def __init__(self) -> None:
        self.ids: list[Tensor] = []
        self.grid: tuple[int, ...] = ()

    def program_id(self, axis: int = 0) -> Block:
        """Of each program."""
        return Block(self.ids[axis])

    def num_programs(self, axis: int = 0) -> int:
        """Along an axis."""
        return self.grid[axis]


RUNNING = Programs()


class constexpr:  # noqa: N801 - as Triton names it
    """Annotates constants; a value made one is itself."""

    def __new__(cls, value: Any = None) -> Any:
        """The value."""
        return value


def _of_one(function: Callable[[Tensor], Tensor]) -> Callable[..., Block]:
    """A function of one block, of numbers too."""

    def called(value: Any, **_: Any) -> Block:
        data = lifted(value)
        return Block(function(data if isinstance(data, Tensor) else torch.tensor([float(data)])))

    return called


def _of_two(function: Callable[[Any, Any], Tensor]) -> Callable[..., Any]:
    def called(left: Any, right: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(left, Block) and not isinstance(right, Block):
            return function(torch.tensor(left), torch.tensor(right)).item()
        first, second = aligned(left, right)
        like = first if isinstance(first, Tensor) else second
        first, second = (
            each if isinstance(each, Tensor) else torch.tensor(each, dtype=_dtype_of(each, like.dtype))
            for each in (first, second)
        )
        return Block(function(first, second))

    return called


def _dtype_of(number: Any, beside: torch.dtype) -> torch.dtype:
    """A number takes the type of the block beside it; a fraction beside integers is float32."""
    return torch.float32 if isinstance(number, float) and not beside.is_floating_point else beside


def _reduction(function: Callable[..., Any]) -> Callable[..., Block]:
    def reduced(value: Block, axis: int | None = None, keep_dims: bool = False, **_: Any) -> Block:
        data = value.data
        if axis is None:
            data, axis = data.reshape(data.shape[0], -1), 0
        result: Tensor = function(data, dim=axis + 1 if axis >= 0 else axis, keepdim=keep_dims)
        return Block(result)

    return reduced


def _arange(start: int, end: int) -> Block:
    return Block(torch.arange(start, end, dtype=torch.int32)[None])


def _full(shape: Sequence[int], value: Any, dtype: Any) -> Block:
    return Block(torch.full((1, *shape), 0, dtype=dtype.torch) + lifted(value)).to(dtype)


def _where(condition: Any, left: Any, right: Any) -> Any:
    if not isinstance(condition, Block):
        return left if condition else right
    return Block(torch.where(*aligned(condition, left, right)))


def _load(pointer: Any, mask: Any = None, other: Any = None, **_: Any) -> Block:
    if isinstance(pointer, BlockPointer):
        return pointer.tile.load(pointer.offsets)
    found: Block = pointer.load(mask, other)
    return found


def _store(pointer: Any, value: Any, mask: Any = None, **_: Any) -> None:
    if isinstance(pointer, BlockPointer):
        pointer.tile.store(pointer.offsets, value)
    else:
        pointer.store(value, mask)


def _atomic_add(pointer: Pointer, value: Any, mask: Any = None, **_: Any) -> None:
    pointer.store(value, mask, adds=True)


def _dot(left: Block, right: Block, acc: Block | None = None, **_: Any) -> Block:
    product = left.data.float() @ right.data.float()
    return Block(product if acc is None else acc.data + product)


def _flat_arguments(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


def _reshape(value: Block, *shape: Any, **_: Any) -> Block:
    return Block(value.data.reshape(value.data.shape[0], *_flat_arguments(shape)))


def _permute(value: Block, *axes: Any) -> Block:
    order = _flat_arguments(axes) or tuple(reversed(range(len(value.shape))))
    return Block(value.data.permute(0, *(axis + 1 for axis in order)))


def _split(value: Block) -> tuple[Block, Block]:
    first, second = value.data.unbind(-1)
    return Block(first), Block(second)


def _broadcast_to(value: Block, *shape: Any) -> Block:
    return Block(aligned(value)[0].expand(value.data.shape[0], *_flat_arguments(shape)))


def _expand_dims(value: Block, axis: int) -> Block:
    return Block(value.data.unsqueeze(axis + 1 if axis >= 0 else axis))


def _block_pointer(
    base: Pointer, shape: Any, strides: Any, offsets: Any, block_shape: Any, order: Any = None
) -> BlockPointer:
    return BlockPointer(Tile(base, shape, strides, block_shape), offsets)


def _cdiv(value: Any, by: Any) -> Any:
    return (value + by - 1) // by


def _same(value: Any, *_: Any, **__: Any) -> Any:
    return value


def _nothing(*_: Any, **__: Any) -> None:
    return None


_MATHS: dict[str, Callable[..., Any]] = {
    "abs": _of_one(torch.abs),
    "exp": _of_one(torch.exp),
    "exp2": _of_one(torch.exp2),
    "log": _of_one(torch.log),
    "log2": _of_one(torch.log2),
    "log1p": _of_one(torch.log1p),
    "sqrt": _of_one(torch.sqrt),
    "sqrt_rn": _of_one(torch.sqrt),
    "rsqrt": _of_one(torch.rsqrt),
    "sin": _of_one(torch.sin),
    "cos": _of_one(torch.cos),
    "tanh": _of_one(torch.tanh),
    "erf": _of_one(torch.erf),
    "floor": _of_one(torch.floor),
    "ceil": _of_one(torch.ceil),
    "sigmoid": _of_one(torch.sigmoid),
    "maximum": _of_two(torch.maximum),
    "minimum": _of_two(torch.minimum),
    "pow": _of_two(torch.pow),
    "div_rn": _of_two(torch.div),
    "fdiv": _of_two(torch.div),
    "fma": lambda left, right, added: left * right + added,
}
_WITHOUT_EFFECT = (
    "static_assert",
    "static_print",
    "device_print",
    "device_assert",
    "debug_barrier",
    "assume",
)
_NAMES: dict[str, Any] = {
    **ELEMENTS,
    **_MATHS,
    "constexpr": constexpr,
    "tensor": Block,
    "pi": math.pi,
    "program_id": RUNNING.program_id,
    "num_programs": RUNNING.num_programs,
    "arange": _arange,
    "zeros": lambda shape, dtype: _full(shape, 0, dtype),
    "full": _full,
    "zeros_like": lambda value: Block(torch.zeros_like(value.data)),
    "where": _where,
    "load": _load,
    "store": _store,
    "atomic_add": _atomic_add,
    "dot": _dot,
    "max": _reduction(torch.amax),
    "min": _reduction(torch.amin),
    "sum": _reduction(torch.sum),
    "argmax": _reduction(torch.argmax),
    "argmin": _reduction(torch.argmin),
    "cumsum": lambda value, axis=0, **_: Block(torch.cumsum(value.data, dim=axis + 1)),
    "softmax": lambda value, *_, **__: Block(functional.softmax(value.data, dim=-1)),
    "reshape": _reshape,
    "view": _reshape,
    "permute": _permute,
    "trans": _permute,
    "split": _split,
    "join": lambda left, right: Block(torch.stack(broadcast(*aligned(left, right)), dim=-1)),
    "broadcast_to": _broadcast_to,
    "expand_dims": _expand_dims,
    "cast": lambda value, dtype, **_: value.to(dtype),
    "cdiv": _cdiv,
    "range": block_range,
    "static_range": range,
    "make_block_ptr": _block_pointer,
    "advance": lambda pointer, distances: pointer.advanced(distances),
    "make_tensor_descriptor": lambda base, shape, strides, block_shape, **_: Tile(
        base, shape, strides, block_shape
    ),
    "multiple_of": _same,
    "max_contiguous": _same,
    "max_constancy": _same,
    **dict.fromkeys(
        ("static_assert", "static_print", "device_print", "device_assert", "debug_barrier", "assume"),
        _nothing,
    ),
}


def _unknown(name: str) -> Any:
    raise AttributeError(f"triton.language.{name}: the audit on a CPU does not play this")


def make_language() -> None:
    """Make `triton.language` importable."""
    for name in ("reshape", "permute", "trans", "view", "split", "broadcast_to", "expand_dims", "sum", "max"):
        if not hasattr(Block, name):
            setattr(Block, name, _NAMES[name])
    language = make_module("triton.language", **_NAMES)
    vars(language)["__getattr__"] = _unknown
    make_module("triton.language.math", **_MATHS)
    for name in ("triton.language.extra.cuda.libdevice", "triton.language.extra.libdevice"):
        make_module(name, **_MATHS)
    make_module("triton.language.libdevice", **_MATHS)
