"""A submission folder inside a commit, read as objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.submission import FileEntry, FileKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.git.objects import ObjectReader, TreeItem

# The fullest submission folder of the challenge has fewer than 400 files.
ENTRIES_AT_MOST = 50_000
_TARGET_BYTES = 4096


class GitTree:
    """A folder inside a commit (a `FileTree`). `entry` is its path from the repository root.

    With `only`, the tree is just those files, by path from the repository root. `problems` says what a cap
    left out; it is complete once `entries` was called.
    """

    def __init__(
        self,
        reader: ObjectReader,
        *,
        commit: str,
        entry: str,
        tree: str,
        only: Mapping[str, TreeItem] | None = None,
    ) -> None:
        self.commit = commit
        self.entry = entry
        self.problems: tuple[str, ...] = ()
        self._reader = reader
        self._tree = tree
        self._only = only
        self._items: dict[str, TreeItem] | None = None
        self._entries: tuple[FileEntry, ...] | None = None

    def entries(self) -> tuple[FileEntry, ...]:
        """Every path below the folder, sorted; at most 50,000, then `problems` says so.

        Raises `SetupError` when the clone lacks one of the folder's tree objects.
        """
        if self._entries is None:
            self._entries = tuple(self._entry(path, item) for path, item in sorted(self._named().items()))
        return self._entries

    def read(self, path: str, limit_bytes: int) -> bytes:
        """At most `limit_bytes` of a regular file.

        Raises `SetupError` when there is no such regular file or the clone lacks its content.
        """
        item = self._named().get(path)
        if item is None:
            raise SetupError(f"commit {self.commit[:9]} has no file {path!r} in {self.entry or 'its root'!r}")
        if item.kind is not FileKind.FILE:
            raise SetupError(f"{path} is a {item.kind.value}, not a regular file: not read")
        return self._reader.read(item.sha, limit_bytes)

    def _named(self) -> dict[str, TreeItem]:
        if self._items is None:
            found: dict[str, TreeItem] = {}
            for path, item in self._only.items() if self._only is not None else self._reader.walk(self._tree):
                if len(found) >= ENTRIES_AT_MOST:
                    where = self.entry or "the commit"
                    self.problems = (
                        f"{where}: more than {ENTRIES_AT_MOST:,} files; the others were left out",
                    )
                    break
                found[path] = item
            self._items = found
        return self._items

    def _entry(self, path: str, item: TreeItem) -> FileEntry:
        kind = FileKind.OTHER if ".." in path.split("/") else item.kind
        size = None if kind is FileKind.SUBMODULE else self._reader.size(item.sha)
        if kind is FileKind.FILE and size is None:
            kind = FileKind.MISSING
        return FileEntry(
            path=path, kind=kind, size_bytes=size, blob=item.sha, target=self._target(kind, item)
        )

    def _target(self, kind: FileKind, item: TreeItem) -> str | None:
        if kind is not FileKind.SYMLINK:
            return None
        try:
            return self._reader.read(item.sha, _TARGET_BYTES).decode("utf-8", errors="backslashreplace")
        except SetupError:
            return None
