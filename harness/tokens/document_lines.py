"""Documents from a file of JSON lines, one object with "text" each; every defect has its line number.

Source of the format: docs_selected.jsonl of the challenge (data/README.md of openai/parameter-golf).
"""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

LINE_CAP_BYTES = 16 << 20  # the longest web page of the challenge's documents is far below one MiB


@dataclass(slots=True)
class SkippedLines:
    """How many lines could not be used, and why the first could not."""

    count: int = 0
    first: str = field(default="")

    def add(self, reason: str) -> None:
        """Count one line."""
        self.count += 1
        self.first = self.first or reason


def _text_of(line: bytes) -> str:
    """The document of a line; raises ValueError with the reason where it holds none."""
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start:,} of the line)") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"holds a {type(value).__name__}, not an object with 'text'")
    if "text" not in value:
        raise ValueError(f"has no 'text' among its {len(value):,} keys")
    text = value["text"]
    if not isinstance(text, str):
        raise ValueError(f"has a 'text' of type {type(text).__name__}, not a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"has half a surrogate pair at character {error.start:,} of its 'text'") from None
    return text


def _skip_to_line_end(file: BinaryIO) -> None:
    while part := file.readline(LINE_CAP_BYTES):
        if part.endswith(b"\n"):
            return


def documents_of(
    path: Path, *, skipped: SkippedLines | None, tell_bytes: Callable[[int], None]
) -> Iterator[str]:
    """The documents of a file in order, in memory one at a time; `tell_bytes` hears how far the reading is.

    Raises SetupError at the first line that holds no document, or counts such lines in `skipped` where given.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SetupError(f"{path}: is not a regular file; documents are read from a file of JSON lines")
        file = path.open("rb")
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror or error}") from error
    with file:
        number = done = 0
        while line := file.readline(LINE_CAP_BYTES + 1):
            number += 1
            done += len(line)
            try:
                if len(line) > LINE_CAP_BYTES:
                    _skip_to_line_end(file)
                    raise ValueError(f"is longer than {LINE_CAP_BYTES:,} bytes")
                text = _text_of(line)
            except ValueError as error:
                if skipped is None:
                    raise SetupError(
                        f"{path}:{number:,} {error}; mend the line, or leave such lines out with --skip-bad"
                    ) from error
                skipped.add(f"line {number:,} {error}")
                continue
            yield text
            tell_bytes(done)
