"""Compressors at a low effort: what is packed comes back the same, and nobody here asks how small it is.

The strongest settings of brotli, zstandard and lzma take seconds for a model that trains in as many.
"""

from __future__ import annotations

import functools
import lzma
from typing import TYPE_CHECKING, Any

from harness.dynamic.child.facade.made_modules import is_installed

if TYPE_CHECKING:
    from collections.abc import Callable

_BROTLI_QUALITY = 3
_ZSTANDARD_LEVEL = 3
_LZMA_PRESET = 0


def install_codecs() -> None:
    """Wrap the compressors that are installed."""
    lzma.compress = _light_lzma(lzma.compress)
    if is_installed("brotli"):
        import brotli

        brotli.compress = _light_brotli(brotli.compress)
    if is_installed("zstandard"):
        import zstandard

        zstandard.ZstdCompressor = functools.partial(_light_zstandard, zstandard.ZstdCompressor)  # type: ignore[misc,assignment]


def _light_lzma(compress: Callable[..., bytes]) -> Callable[..., bytes]:
    def light(data: Any, format: int = lzma.FORMAT_XZ, *args: Any, **kwargs: Any) -> bytes:  # noqa: A002
        if args or kwargs.get("filters") is not None:
            return compress(data, format, *args, **kwargs)
        return compress(data, format, **{**kwargs, "preset": _LZMA_PRESET})

    return light


def _light_brotli(compress: Callable[..., bytes]) -> Callable[..., bytes]:
    def light(data: Any, *args: Any, **kwargs: Any) -> bytes:
        # Positions after the data are mode and quality.
        mode = {"mode": args[0]} if args else {}
        return compress(data, **{**mode, **kwargs, "quality": _BROTLI_QUALITY})

    return light


def _light_zstandard(compressor: Callable[..., Any], level: int = 3, **options: Any) -> Any:
    if options.get("compression_params") is not None:
        return compressor(**options)
    return compressor(level=min(level, _ZSTANDARD_LEVEL), **options)
