"""Values of a Triton kernel as torch tensors: blocks of all programs of a grid at once, and pointers.

A kernel is written for one program; its programs differ by `program_id` only. So a block of shape S is one
tensor of shape (P, *S), P being all programs or one where they all hold the same, and the body of the kernel
runs once. Where programs would take different branches, `NotUniformError` asks for one program at a time.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
_OF_TORCH = {element.torch: element for element in reversed(ELEMENTS.values())}


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
        return _OF_TORCH[self.data.dtype]

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


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Block, other: Any) -> Any:
        if isinstance(other, Pointer):
            return NotImplemented
        return Block(function(*aligned(self, other)))

    return method


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return _elementwise(lambda left, right: function(right, left))


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
    setattr(Block, f"__r{_name}__", _reflected(_function))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Block, f"__{_name}__", _elementwise(getattr(operator, _name)))


BEFORE: dict[int, tuple[Tensor, Tensor]] = {}
"""Memory that the programs that run now wrote to, and what it held before."""


def undo_writes() -> None:
    """Put back what was there before the programs ran."""
    for flat, kept in BEFORE.values():
        flat.copy_(kept)
    BEFORE.clear()


def _remember(flat: Tensor) -> None:
    if id(flat) not in BEFORE:
        BEFORE[id(flat)] = (flat, flat.clone())


class Pointer:
    """Into the memory of a tensor: `flat` is all of it from the tensor's first element on."""

    __slots__ = ("flat", "offsets")

    def __init__(self, flat: Tensor, offsets: Any = 0) -> None:
        self.flat, self.offsets = flat, offsets

    @classmethod
    def to_tensor(cls, tensor: Tensor) -> Pointer:
        """To its first element; what is written there is the tensor's."""
        data = tensor.data
        first = data.storage_offset()
        size = data.untyped_storage().nbytes() // data.element_size() - first
        return cls(data.as_strided((size,), (1,), first))

    @property
    def dtype(self) -> Element:
        """Of what it points to."""
        return _OF_TORCH[self.flat.dtype]

    def __add__(self, distance: Any) -> Pointer:
        """Further on by elements."""
        return Pointer(self.flat, self.offsets + distance)

    __radd__ = __add__

    def __sub__(self, distance: Any) -> Pointer:
        """Back by elements."""
        return Pointer(self.flat, self.offsets - distance)

    def __getitem__(self, index: Any) -> Pointer:
        """New dimensions of one."""
        return Pointer(self.flat, self.offsets[index])

    def load(self, mask: Any = None, other: Any = None) -> Block:
        """What lies there, and `other` where the mask forbids to look."""
        offsets, allowed = aligned(self._placed(), mask)
        if allowed is None or allowed is True:
            return Block(self.flat[offsets])
        offsets, allowed = broadcast(offsets, torch.as_tensor(allowed))
        if bool(allowed.all()):
            return Block(self.flat[offsets])
        found = self.flat[torch.where(allowed, offsets, 0)]
        instead = 0 if other is None else lifted(other)
        if isinstance(instead, Tensor):
            instead = aligned(Block(found), Block(instead))[1].to(found.dtype)
        return Block(torch.where(allowed, found, torch.as_tensor(instead, dtype=found.dtype)))

    def store(self, value: Any, mask: Any = None, *, adds: bool = False) -> None:
        """Write; of several programs that write to one place one wins, or with `adds` all count."""
        offsets, values, allowed = aligned(self._placed(), value, mask)
        values = torch.as_tensor(values).to(self.flat.dtype)
        allowed = torch.as_tensor(True if allowed is None else allowed)
        offsets, values, allowed = broadcast(offsets, values, allowed)
        _remember(self.flat)
        if not bool(allowed.all()):
            offsets, values = offsets[allowed], values[allowed]
        self.flat.index_put_((offsets,), values, accumulate=adds)

    def _placed(self) -> Block:
        if isinstance(self.offsets, Block):
            return Block(self.offsets.data.to(torch.int64))
        return Block(torch.tensor([int(self.offsets)]))


class Tile:
    """A rectangle of a tensor: what descriptors and block pointers load and store."""

    def __init__(
        self, pointer: Pointer, shape: Sequence[Any], strides: Sequence[Any], block: Sequence[int]
    ) -> None:
        self.pointer, self.shape, self.strides, self.block_shape = pointer, shape, strides, list(block)

    @property
    def dtype(self) -> Element:
        """Of the tensor."""
        return self.pointer.dtype

    def load(self, offsets: Sequence[Any], **_: Any) -> Block:
        """The block there; 0 outside of the tensor."""
        places = self._places(offsets)
        loaded = self.pointer.flat.new_zeros((len(places), *self.block_shape))
        for program, place in enumerate(places):
            target, source = self._overlap(loaded[program], place)
            target.copy_(source)
        return Block(loaded)

    def store(self, offsets: Sequence[Any], value: Block, **_: Any) -> None:
        """Write the block; nothing outside of the tensor."""
        _remember(self.pointer.flat)
        places = self._places(offsets)
        values = value.data.expand(len(places), *value.shape)
        for program, place in enumerate(places):
            source, target = self._overlap(values[program], place)
            target.copy_(source)

    def _places(self, offsets: Sequence[Any]) -> list[tuple[int, ...]]:
        """Of each program's block, or of one that all share, where it begins."""
        axes = [
            each.data.reshape(-1).tolist() if isinstance(each, Block) else [int(each)] for each in offsets
        ]
        programs = max(len(axis) for axis in axes)
        return list(zip(*(axis * programs if len(axis) == 1 else axis for axis in axes), strict=True))

    def _overlap(self, block: Tensor, place: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """The parts of a block and of the tensor that cover each other."""
        shape = tuple(int(each) for each in self.shape)
        whole = self.pointer.flat.as_strided(shape, tuple(int(each) for each in self.strides), self._first())
        in_block, in_tensor = [], []
        for at, size, length in zip(place, self.block_shape, shape, strict=True):
            begin, end = max(at, 0), min(at + size, length)
            in_tensor.append(slice(begin, max(begin, end)))
            in_block.append(slice(begin - at, max(begin, end) - at))
        return block[tuple(in_block)], whole[tuple(in_tensor)]

    def _first(self) -> int:
        return int(self.pointer.flat.storage_offset()) + int(self.pointer.offsets)


class BlockPointer:
    """`tl.make_block_ptr`: a tile and where it is now."""

    def __init__(self, tile: Tile, offsets: Sequence[Any]) -> None:
        self.tile, self.offsets = tile, list(offsets)

    def advanced(self, distances: Sequence[Any]) -> BlockPointer:
        """Further on."""
        return BlockPointer(self.tile, [at + far for at, far in zip(self.offsets, distances, strict=True)])


def block_range(*bounds: Any, **_: Any) -> Iterator[Any]:
    """`tl.range`: programs may start at different numbers when they go round equally often."""
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    if not any(isinstance(each, Block) for each in (start, stop, step)):
        yield from range(start, stop, step)
        return
    rounds = int((stop - start + step - 1) // step + 0 * start)
    for number in range(max(rounds, 0)):
        yield start + number * step
