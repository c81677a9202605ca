"""Files that appear under their name complete or not at all, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file to write that replaces `path` once the block is left, flushed to disk.

    Until then it lies beside it as `.NAME.PID.partial`; an error in the block removes it and leaves what was
    at `path`. Raises OSError where the folder or the disk does not allow it.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with unfinished.open("w+b") as file:  # checksums read what was written
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
