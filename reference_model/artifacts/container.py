"""Compress bytes, and decompress them without ever holding more than was promised.

A compressed file is data from outside: a few bytes can unfold into gigabytes. Every decompressor here stops
as soon as its output passes `max_bytes`.

Sources: zstd at level 22 or 16 (PR #461, #940), zlib at level 9 (main, train_gpt.py), lzma and brotli (later
records).
"""

from __future__ import annotations

import lzma
import zlib

from harness.errors import SetupError
from reference_model.config import Container

LZMA_MEMORY_BYTES = 2**28  # level 9 needs 65 MiB to unpack


class ContainerError(ValueError):
    """The compressed bytes are broken, cut off, followed by others, or hold more than was promised."""


def compress(data: bytes, container: Container, level: int) -> bytes:
    """The data in a container; `level` in the range that `COMPRESSION_LEVELS` of the configuration gives."""
    if container is Container.ZSTD:
        import zstandard

        return zstandard.ZstdCompressor(level=level).compress(data)
    if container is Container.ZLIB:
        return zlib.compress(data, level)
    if container is Container.LZMA:
        return lzma.compress(data, format=lzma.FORMAT_XZ, preset=level)
    import brotli

    return bytes(brotli.compress(data, quality=level))


def decompress(data: bytes, container: Container, max_bytes: int) -> bytes:
    """The content, at most `max_bytes` long; raises ContainerError for broken data and for longer content."""
    unpack = {
        Container.ZSTD: _zstd_content,
        Container.ZLIB: _zlib_content,
        Container.LZMA: _lzma_content,
        Container.BROTLI: _brotli_content,
    }[container]
    content, ended = unpack(data, max_bytes + 1)
    if len(content) > max_bytes:
        raise ContainerError(f"the {container.value} data holds more than the {max_bytes:,} bytes promised")
    if not ended:
        raise ContainerError(
            f"the {container.value} data of {len(data):,} bytes is cut off or followed by other bytes "
            f"({len(content):,} bytes of content came out)"
        )
    return content


def _zstd_content(data: bytes, room: int) -> tuple[bytes, bool]:
    import zstandard

    try:
        promised = zstandard.frame_content_size(data)
        if promised < 0:
            raise ContainerError("the zstd frame does not say how much it holds; pack it in one piece")
        if promised >= room:
            raise ContainerError(
                f"the zstd frame holds {promised:,} bytes; at most {room - 1:,} were promised"
            )
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False), True
    except zstandard.ZstdError as error:
        raise ContainerError(
            f"the zstd data is broken, cut off or followed by other bytes: {error}"
        ) from None


def _zlib_content(data: bytes, room: int) -> tuple[bytes, bool]:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, room)
    except zlib.error as error:
        raise ContainerError(f"the data is not valid zlib: {error}") from None
    return content, stream.eof and not stream.unused_data


def _lzma_content(data: bytes, room: int) -> tuple[bytes, bool]:
    stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=LZMA_MEMORY_BYTES)
    try:
        content = stream.decompress(data, room)
    except lzma.LZMAError as error:
        raise ContainerError(f"the data is not valid lzma: {error}") from None
    return content, stream.eof and not stream.unused_data


def _brotli_content(data: bytes, room: int) -> tuple[bytes, bool]:
    import brotli

    stream = brotli.Decompressor()
    try:
        content = bytearray(stream.process(data, output_buffer_limit=room))
        while len(content) < room and not stream.can_accept_more_data():
            content += stream.process(b"", output_buffer_limit=room - len(content))
    except brotli.error as error:
        raise ContainerError(f"the data is not valid brotli: {error}") from None
    except TypeError:
        raise SetupError(
            "unpacking brotli with a limit needs brotli 1.2 or newer: pip install 'brotli>=1.2'"
        ) from None
    return bytes(content), stream.is_finished()
