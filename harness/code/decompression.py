"""Decompresses untrusted bytes in steps, so that a bomb is seen after 16 MiB and not after 100 GiB.

64 MiB of zeros are 9,896 bytes of lzma and 2,066 of zstd (measured); no format's own length field is trusted.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# The largest unpacked script of 1,945 pull requests has 1.6 MB; 16 MiB is the artifact cap, ten times that.
LAYER_LIMIT_BYTES = 16 * 2**20
TOTAL_LIMIT_BYTES = 64 * 2**20
_DICTIONARY_BYTES = 64 * 2**20  # a raw LZMA2 stream packed with a smaller dictionary decodes with this too
_STEP_BYTES = 2**16


class BombError(Exception):
    """The output exceeds a cap."""


class DecodeError(Exception):
    """The bytes are not what the program says they are."""


@dataclass(slots=True)
class OutputBudget:
    """How much output is left: per layer and over everything one submission unpacks."""

    layer_bytes: int = LAYER_LIMIT_BYTES
    total_bytes: int = TOTAL_LIMIT_BYTES
    used_bytes: int = field(default=0)

    @property
    def cap(self) -> int:
        """Bytes the next layer may have."""
        return min(self.layer_bytes, self.total_bytes - self.used_bytes)

    def spend(self, size: int) -> None:
        """Count one layer's output; raises `BombError` when it does not fit."""
        if size > self.cap:
            raise BombError(
                f"unpacks to more than {self.cap:,} bytes (caps: {self.layer_bytes:,} bytes a layer, "
                f"{self.total_bytes:,} together)"
            )
        self.used_bytes += size


def decompress(
    kind: str, data: bytes, budget: OutputBudget, options: dict[str, Any] | None = None
) -> tuple[str, bytes]:
    """The layer's exact name ("lzma-raw") and its output.

    `kind` is lzma, zlib, gzip, bz2, brotli or zstd; `options` are the arguments the program passes
    (format, filters, wbits). Raises `BombError` over the budget, `DecodeError` for broken data.
    """
    options = options or {}
    try:
        name, output = _DECODERS[kind](data, budget.cap, options)
    except KeyError:
        raise DecodeError(f"no decoder for {kind}") from None
    except (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError, TypeError) as error:
        raise DecodeError(f"not valid {kind} data: {error}") from error
    budget.spend(len(output))
    return name, output


def _lzma(data: bytes, cap: int, options: dict[str, Any]) -> tuple[str, bytes]:
    form = options.get("format", lzma.FORMAT_AUTO)
    if form != lzma.FORMAT_RAW:
        return "lzma", _members(lambda: lzma.LZMADecompressor(form, memlimit=2**28), data, cap)
    filters = options.get("filters")
    tries: Sequence[Any] = [filters] if filters else _GUESSED_FILTERS
    trouble: Exception | None = None
    for chain in tries:
        try:
            _refuse_huge_dictionary(chain)
            return "lzma-raw", lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain).decompress(data, cap + 1)
        except lzma.LZMAError as error:
            trouble = error
    raise DecodeError(f"not valid raw lzma data: {trouble}")


_GUESSED_FILTERS: tuple[list[dict[str, int]], ...] = (
    [{"id": lzma.FILTER_LZMA2, "dict_size": _DICTIONARY_BYTES}],
    [{"id": lzma.FILTER_LZMA1, "dict_size": _DICTIONARY_BYTES}],
    [{"id": lzma.FILTER_DELTA, "dist": 1}, {"id": lzma.FILTER_LZMA2, "dict_size": _DICTIONARY_BYTES}],
)


def _refuse_huge_dictionary(chain: Sequence[dict[str, int]]) -> None:
    for one in chain:
        if one.get("dict_size", 0) > 2 * _DICTIONARY_BYTES:
            raise BombError(
                f"lzma dictionary of {one['dict_size']:,} bytes; {2 * _DICTIONARY_BYTES:,} are allowed"
            )


def _members(new: Any, data: bytes, cap: int) -> bytes:
    """Several streams in a row are one output, as the modules' own decompress functions have it."""
    parts: list[bytes] = []
    size = 0
    while data:
        stream = new()
        try:
            part = stream.decompress(data, cap + 1 - size)
        except (lzma.LZMAError, OSError):
            if parts:
                break  # trailing bytes after a valid stream are ignored
            raise
        parts.append(part)
        size += len(part)
        if size > cap:
            break
        if not stream.eof:
            raise EOFError("the data ends before the end of the stream")
        data = stream.unused_data
    return b"".join(parts)


def _bz2(data: bytes, cap: int, options: dict[str, Any]) -> tuple[str, bytes]:
    return "bz2", _members(bz2.BZ2Decompressor, data, cap)


def _zlib(data: bytes, cap: int, options: dict[str, Any]) -> tuple[str, bytes]:
    wbits = int(options.get("wbits", zlib.MAX_WBITS))
    stream = zlib.decompressobj(wbits)
    output = stream.decompress(data, cap + 1)
    if len(output) <= cap and not stream.eof:
        raise EOFError("the data ends before the end of the stream")
    return "zlib", output


def _gzip(data: bytes, cap: int, options: dict[str, Any]) -> tuple[str, bytes]:
    return "gzip", _zlib(data, cap, {"wbits": 16 + zlib.MAX_WBITS})[1]


def _zstd(data: bytes, cap: int, options: dict[str, Any]) -> tuple[str, bytes]:
    import zstandard

    try:
        reader = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(io.BytesIO(data))
        return "zstd", reader.read(cap + 1)
    except zstandard.ZstdError as error:
        raise DecodeError(f"not valid zstd data: {error}") from error


def _brotli(data: bytes, cap: int, options: dict[str, Any]) -> tuple[str, bytes]:
    import brotli

    stream = brotli.Decompressor()
    output = bytearray()
    try:
        for start in range(0, len(data), _STEP_BYTES):
            output += _brotli_step(stream, data[start : start + _STEP_BYTES], cap + 1 - len(output))
            if len(output) > cap:
                break
        if len(output) <= cap and not stream.is_finished():
            raise EOFError("the data ends before the end of the stream")
    except brotli.error as error:
        raise DecodeError(f"not valid brotli data: {error}") from error
    return "brotli", bytes(output)


def _brotli_step(stream: Any, chunk: bytes, room: int) -> bytes:
    """One chunk's output, at most about `room` bytes where the installed brotli (1.2) can limit it."""
    try:
        output = bytearray(stream.process(chunk, output_buffer_limit=room))
    except TypeError:
        return bytes(stream.process(chunk))  # brotli 1.1: the child's memory limit is the cap
    while len(output) < room and not stream.can_accept_more_data():
        output += stream.process(b"", output_buffer_limit=room - len(output))
    return bytes(output)


_DECODERS = {"lzma": _lzma, "zlib": _zlib, "gzip": _gzip, "bz2": _bz2, "brotli": _brotli, "zstd": _zstd}
