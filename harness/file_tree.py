"""The one interface through which a submission's files are read, on disk or in git."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from harness.submission import FileEntry


class FileTree(Protocol):
    """A folder of files, read-only. Paths are relative, '/'-separated, never absolute, never with '..'."""

    def entries(self) -> tuple[FileEntry, ...]:
        """Every path below the folder, sorted, symlinks not followed."""
        ...

    def read(self, path: str, limit_bytes: int) -> bytes:
        """At most `limit_bytes` of a regular file.

        Raises `SetupError` when the clone lacks the object or the disk refuses; callers turn that into
        NOT-CHECKED, never into a failure of the submission.
        """
        ...
