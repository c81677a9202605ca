"""Standard output of the script, read along: every line becomes an event, the text goes on unchanged."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_LINE = 1 << 16


class ReadAlong:
    """A text stream that tells the lines written to it. Everything else is that of the stream behind it."""

    def __init__(self, stream: TextIO, tell: Callable[[str], None]) -> None:
        self._stream = stream
        self._tell = tell
        self._rest = ""

    def write(self, text: str) -> int:
        """Write, and tell the lines that are complete."""
        written = self._stream.write(text)
        if isinstance(text, str):
            *lines, rest = (self._rest + text).split("\n")
            self._rest = rest[-_LONGEST_LINE:]
            for line in lines:
                self._tell(line)
        return written

    def writelines(self, lines: Any) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Whatever else a stream has."""
        return getattr(self._stream, name)


def read_along(tell: Callable[[str], None]) -> Callable[[], None]:
    """Put a reader before `sys.stdout`; the answer takes it away."""
    stream = sys.stdout
    reader = ReadAlong(stream, tell)
    sys.stdout = reader

    def end() -> None:
        if sys.stdout is reader:
            sys.stdout = stream

    return end
