"""The command's output: split into lines, stamped with our clock, cut at a limit, never blocking."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK_BYTES = 2**16
_LONGEST_LINE_BYTES = 2**16  # a line without an end is handed on in pieces of this size
_PIPE_BYTES = 2**20  # while we look elsewhere for a moment the command does not wait
_F_SETPIPE_SZ = 1031


class LogPipe:
    """The reading end of standard output and error. Open it, hand `write_end` to the command, close that."""

    def __init__(self, limit_bytes: int, on_output: Callable[[float, bytes], None]) -> None:
        """`on_output` gets seconds and one line with its line end; the last may have none."""
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        with contextlib.suppress(OSError):  # the user's share of pipe memory is used up: 64 KiB do
            fcntl.fcntl(self.write_end, _F_SETPIPE_SZ, _PIPE_BYTES)
        self._limit = limit_bytes
        self._on_output = on_output
        self._rest = bytearray()
        self._rest_seconds = 0.0
        self.read_bytes = 0
        self.is_open = True

    @property
    def is_over(self) -> bool:
        """Whether more was written than is allowed; what is beyond is not handed on."""
        return self.read_bytes > self._limit

    def read(self, seconds: float) -> bool:
        """Take what is there, 64 KiB at most; False when nothing was, or the end was reached."""
        try:
            chunk = os.read(self.read_end, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self.is_open = False
            return False
        allowed = max(self._limit - self.read_bytes, 0)
        self.read_bytes += len(chunk)
        self._hand_on(seconds, chunk[:allowed])
        return True

    def finish(self, seconds: float) -> None:
        """Read what dead processes left in the pipe, hand on the last line, close."""
        while not self.is_over and self.read(seconds):
            pass
        if self._rest:
            self._on_output(self._rest_seconds, bytes(self._rest))
            self._rest.clear()
        self.close()

    def close_write_end(self) -> None:
        """After the command has its copy; the end is seen only when all copies are closed."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        """Both ends; more than once is fine."""
        self.close_write_end()
        if self.read_end >= 0:
            os.close(self.read_end)
            self.read_end = -1
        self.is_open = False

    def _hand_on(self, seconds: float, chunk: bytes) -> None:
        if not self._rest:
            self._rest_seconds = seconds  # a line is as old as its first byte
        self._rest += chunk
        *lines, rest = bytes(self._rest).split(b"\n")
        for line in lines:
            self._on_output(self._rest_seconds, line + b"\n")
            self._rest_seconds = seconds
        self._rest = bytearray(rest)
        if len(self._rest) >= _LONGEST_LINE_BYTES:
            self._on_output(self._rest_seconds, bytes(self._rest))
            self._rest.clear()
