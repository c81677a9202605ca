"""Values of a Triton kernel as torch tensors: blocks of all programs of a grid at once.

A kernel is written for one program; its programs differ by `program_id` only. So a block of shape S is one
tensor of shape (P, *S), P being all programs or one where they all hold the same, and the body of the kernel
runs once. Where programs would take different branches, `NotUniformError` asks for one program at a time.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Tensor = torch.Tensor


class NotUniformError(Exception):
    """Programs of one grid disagree about something that decides where the kernel goes on."""


class Element:
    """A type of elements: `tl.float32`."""

    def __init__(self, name: str, dtype: torch.dtype) -> None:
        self.name, self.torch = name, dtype
        self.primitive_bitwidth = dtype.itemsize * 8

    @property
    def element_ty(self) -> Element:
        """Its own, so that pointer types may be asked the same."""
        return self

    def is_floating(self) -> bool:
        """Whether it has fractions."""
        return self.torch.is_floating_point

    def __repr__(self) -> str:
        """Its name."""
        return self.name

    def __eq__(self, other: object) -> bool:
        """Of the same elements."""
        return isinstance(other, Element) and self.torch == other.torch

    def __hash__(self) -> int:
        """As equal."""
        return hash(self.torch)


# bfloat16 is float32 here as everywhere in the child.
ELEMENTS = {
    name: Element(name, dtype)
    for name, dtype in {
        "float32": torch.float32,
        "float64": torch.float64,
        "float16": torch.float16,
        "bfloat16": torch.float32,
        "int1": torch.bool,
        "int8": torch.int8,
        "int16": torch.int16,
        "int32": torch.int32,
        "int64": torch.int64,
        "uint8": torch.uint8,
        "uint16": torch.int32,
        "uint32": torch.int64,
        "uint64": torch.int64,
    }.items()
}
OF_TORCH = {element.torch: element for element in reversed(ELEMENTS.values())}


class Block:
    """A value of the programs: `data` has their number, or 1, before the block's own shape."""

    __slots__ = ("data",)

    def __init__(self, data: Tensor) -> None:
        self.data = data

    @property
    def shape(self) -> tuple[int, ...]:
        """Without the programs."""
        return tuple(self.data.shape[1:])

    @property
    def dtype(self) -> Element:
        """Of its elements."""
        return OF_TORCH[self.data.dtype]

    @property
    def T(self) -> Block:  # noqa: N802 - as Triton names it
        """The last two dimensions exchanged."""
        return Block(self.data.transpose(-1, -2))

    def to(self, dtype: Any, **_: Any) -> Block:
        """With other elements."""
        return Block(self.data.to(dtype.torch))

    cast = to

    def __getitem__(self, index: Any) -> Block:
        """New dimensions of one: `x[:, None]`."""
        index = index if isinstance(index, tuple) else (index,)
        return Block(self.data[(slice(None), *index)])

    def __neg__(self) -> Block:
        """Of each element."""
        return Block(-self.data)

    def __invert__(self) -> Block:
        """Of each element."""
        return Block(~self.data)

    def __bool__(self) -> bool:
        """Of all programs alike; raises `NotUniformError`."""
        return bool(self._one())

    def __index__(self) -> int:
        """As `__bool__`."""
        return int(self._one())

    def __int__(self) -> int:
        """As `__bool__`."""
        return int(self._one())

    def __float__(self) -> float:
        """As `__bool__`."""
        return float(self._one())

    def __hash__(self) -> int:
        """By identity: `==` compares elements."""
        return id(self)

    def _one(self) -> Any:
        """The value that all programs hold."""
        flat = self.data.reshape(-1)
        if flat.numel() > 1 and bool((flat != flat[0]).any()):
            raise NotUniformError
        return flat[0].item()


def lifted(value: Any) -> Any:
    """The tensor of a block; numbers stay as they are."""
    return value.data if isinstance(value, Block) else value


def aligned(*values: Any) -> list[Any]:
    """Tensors of blocks with their shapes aligned at the right, behind the programs; numbers as they are."""
    given = [lifted(value) for value in values]
    rank = max((each.dim() for each in given if isinstance(each, Tensor)), default=1)
    return [
        each.reshape(each.shape[0], *[1] * (rank - each.dim()), *each.shape[1:])
        if isinstance(each, Tensor)
        else each
        for each in given
    ]


def broadcast(*tensors: Any) -> Any:
    """`torch.broadcast_tensors`, which has no types."""
    return torch.broadcast_tensors(*tensors)  # type: ignore[no-untyped-call]


def _elementwise(function: Callable[..., Any], *, is_reflected: bool = False) -> Callable[..., Any]:
    def method(self: Block, other: Any) -> Any:
        left, right = self.data, other
        if isinstance(other, Block):
            right = other.data
            if left.dim() != right.dim():
                left, right = aligned(self, other)
        elif not isinstance(other, (int, float)):
            return NotImplemented  # a pointer adds us
        return Block(function(right, left) if is_reflected else function(left, right))

    return method


def _quotient(left: Any, right: Any) -> Any:
    return torch.div(left, right, rounding_mode="trunc")


def _remainder(left: Any, right: Any) -> Any:
    """As in C, the sign is the dividend's."""
    return left - _quotient(left, right) * right


_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": _quotient,
    "mod": _remainder,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
}
for _name, _function in _OPERATORS.items():
    setattr(Block, f"__{_name}__", _elementwise(_function))
    setattr(Block, f"__r{_name}__", _elementwise(_function, is_reflected=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Block, f"__{_name}__", _elementwise(getattr(operator, _name)))


def block_range(*bounds: Any, **_: Any) -> Iterator[Any]:
    """`tl.range`: programs may start at different numbers when they go round equally often."""
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    if not any(isinstance(each, Block) for each in (start, stop, step)):
        yield from range(start, stop, step)
        return
    rounds = int((stop - start + step - 1) // step + 0 * start)
    for number in range(max(rounds, 0)):
        yield start + number * step
