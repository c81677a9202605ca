"""Make the artifact fit: compression levels first, then one layer after the other from int6 to int5.

Source: PR #940 (main(), "Auto-downgrade"). Its comment names the order 5, 4, 6, …; its code and its three
logs take the layer above the centre before the one below: 5, 6, 4, 7, 3, 8, 2, 9, 1, 10, 0 for eleven
layers. Every layer added is tried at all levels; where nothing fits the last try is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_model.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTry:
    """One attempt at the size: layers lowered to int5 so far, compression level, bytes of the whole file."""

    int5_layers: tuple[int, ...]
    level: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedFile:
    """The file of the last try, which is the first that fits where any does."""

    file: bytes
    fits: bool
    tries: tuple[SizeTry, ...]


def downgrade_order(num_layers: int) -> tuple[int, ...]:
    """Layers from the centre outwards, of two equally far the later one first."""
    centre = num_layers // 2
    return tuple(sorted(range(num_layers), key=lambda layer: (abs(layer - centre), -layer)))


def lowered_layer_sets(config: Config) -> Iterator[tuple[int, ...]]:
    """Sets of int5 layers in the order they are tried: none, then one core more each time, with all its
    layers.

    With depth recurrence the layers of one core are lowered together. Only () where `auto_downgrade` is off
    or no matrix is int6.
    """
    yield ()
    quantization, model = config.quantization, config.model
    if not quantization.auto_downgrade or 6 not in (quantization.mlp_bits, quantization.attention_bits):
        return
    cores = dict.fromkeys(layer % model.num_cores for layer in downgrade_order(model.num_layers))
    lowered: set[int] = set()
    for core in cores:
        lowered.update(range(core, model.num_layers, model.num_cores))
        yield tuple(sorted(lowered))


def first_that_fits(
    config: Config,
    budget_bytes: int,
    *,
    content_of: Callable[[tuple[int, ...]], bytes],
    file_of: Callable[[bytes, int], bytes],
    log: Callable[[str], None],
) -> FittedFile:
    """Try every set of int5 layers at every level until the file is at most `budget_bytes` long.

    content_of: int5 layers -> uncompressed bytes; file_of: content and level -> file. Logs one line a try,
    in the words of PR #940.
    """
    quantization = config.quantization
    plain = f"int{max(quantization.mlp_bits, quantization.attention_bits)}"
    tries: list[SizeTry] = []
    file = b""
    for int5_layers in lowered_layer_sets(config):
        if int5_layers:
            log(f"quant_fallback: int5 layers={list(int5_layers)}")
        content = content_of(int5_layers)
        label = f"int5[{len(int5_layers)}L]" if int5_layers else plain
        for level in quantization.levels:
            file = file_of(content, level)
            log(
                f"quant_try {label} {quantization.container.value}-{level}: "
                f"{len(file)} bytes (limit {budget_bytes})"
            )
            tries.append(SizeTry(int5_layers=int5_layers, level=level, size_bytes=len(file)))
            if len(file) <= budget_bytes:
                return FittedFile(file=file, fits=True, tries=tuple(tries))
    return FittedFile(file=file, fits=False, tries=tuple(tries))
