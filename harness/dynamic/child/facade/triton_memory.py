"""What a Triton kernel loads from and stores to: pointers into tensors, and tiles of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from harness.dynamic.child.facade.triton_blocks import OF_TORCH, Block, Element, aligned, broadcast, lifted

if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = torch.Tensor

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
        return OF_TORCH[self.flat.dtype]

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
