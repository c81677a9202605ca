"""Counts the lines a pull request adds, cheaply: files are read once, and large ones not at all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.submission import FileKind

if TYPE_CHECKING:
    from harness.git.objects import Difference, ObjectReader, TreeItem

# Enough to recognise what no reviewer reads. The largest log of the challenge has 2.2 MB.
COUNTED_FILE_BYTES = 4 * 2**20
COUNTED_TOTAL_BYTES = 64 * 2**20
_BINARY_TEST_BYTES = 8000  # git calls a file binary when its first 8,000 bytes hold a zero byte


class AddedLines:
    """Counts for the differences of one pull request; None where the total or a file is too large."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self._left = COUNTED_TOTAL_BYTES

    def of(self, difference: Difference) -> int | None:
        """Lines of the new version that the old one does not have (order and moves ignored).

        None for deletions, binaries, links, absent content and what exceeds the reading caps.
        """
        new = self._text(difference.new)
        if new is None:
            return None
        old = self._text(difference.old)
        if not old:
            return new.count(b"\n") + (bool(new) and not new.endswith(b"\n"))
        return (Counter(new.split(b"\n")) - Counter(old.split(b"\n"))).total()

    def _text(self, item: TreeItem | None) -> bytes | None:
        if item is None or item.kind is not FileKind.FILE:
            return None
        size = self._reader.size(item.sha)
        if size is None or size > min(self._left, COUNTED_FILE_BYTES):
            return None
        try:
            data = self._reader.read(item.sha, size)
        except SetupError:
            return None
        self._left -= size
        return None if b"\0" in data[:_BINARY_TEST_BYTES] else data
