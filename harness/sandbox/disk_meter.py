"""How many bytes an untrusted command has written, counted in slices so that the clock is never kept waiting.

A name in the folder is not the only place for bytes: a file can be deleted while it is open, lie below a path
too long to open, or in a folder closed to us. The first is counted through the open descriptors of the
processes; the others end the run, because what cannot be counted cannot be limited.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from harness.sandbox.process_tree import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ENTRIES_PER_STEP = 2_000
_ENTRY_BYTES = 512  # what an empty file takes at least, so that names alone are limited too
_BLOCK_BYTES = 512  # unit of st_blocks on every system


class DiskMeter:
    """Bytes in some folders together; `step` does a little of the next count and returns soon."""

    def __init__(self, folders: Sequence[Path], seen_as: Sequence[str] = ()) -> None:
        """Counts what lies there now, once and in full; later counts are beyond that.

        `seen_as`: what the command calls each of `folders`. What it wrote later is named so: where a folder
        lies on the host is no matter of whoever reads why a run ended.
        """
        self._folders = tuple(folders)
        self.uncountable: str | None = None
        """A path that could not be counted, with the reason; None while all were."""
        self._names: tuple[tuple[str, str], ...] = ()
        self._before = 0
        self._count = self._counting(None)
        self.written_bytes = 0
        self._before = self.count_now()
        self.written_bytes = 0
        self._names = tuple(zip((str(folder) for folder in folders), seen_as, strict=False))

    def count_now(self) -> int:
        """A whole count at once, for the end of a run."""
        total = self._before
        for total in self._counting(None):  # noqa: B007 - the last value is the count
            pass
        self.written_bytes = max(total - self._before, 0)
        return total

    def step(self, root_pid: int | None) -> bool:
        """Count up to 2,000 more entries; True when a count has just been finished.

        `root_pid` is the process above the command, whose open deleted files count too.
        """
        for total in self._count:
            if total < 0:
                return False
            self.written_bytes = max(total - self._before, 0)
            break
        self._count = self._counting(root_pid)
        return True

    def _counting(self, root_pid: int | None) -> Iterator[int]:
        """-1 after each slice, then the sum."""
        total = seen = 0
        devices: set[int] = set()
        queue: list[str] = []
        for folder in self._folders:
            with contextlib.suppress(OSError):
                devices.add(os.stat(folder).st_dev)  # noqa: PTH116 - Path has no cheaper way
                queue.append(str(folder))
        linked: set[tuple[int, int]] = set()
        while queue:
            folder_name = queue.pop()
            try:
                entries = os.scandir(folder_name)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno != errno.ENOTDIR:
                    self._cannot_count(folder_name, error)
                continue
            with entries:
                for entry in entries:
                    seen += 1
                    total += _ENTRY_BYTES
                    try:
                        total += _size(entry, linked)
                        if entry.is_dir(follow_symlinks=False):
                            queue.append(entry.path)
                    except FileNotFoundError:
                        pass
                    except OSError as error:
                        self._cannot_count(folder_name, error)
                    if seen % _ENTRIES_PER_STEP == 0:
                        yield -1
        if root_pid is not None:
            total += deleted_open_bytes(root_pid, devices)
        yield total

    def _cannot_count(self, folder: str, error: OSError) -> None:
        self.uncountable = f"{self._shown(folder)[:200]} ({os.strerror(error.errno or 0)})"

    def _shown(self, path: str) -> str:
        for host, name in self._names:
            if path == host or path.startswith(f"{host}/"):
                return name + path.removeprefix(host)
        return path


def _size(entry: os.DirEntry[str], linked: set[tuple[int, int]]) -> int:
    """Disk space of an entry; a file with several names counts at its first."""
    status = entry.stat(follow_symlinks=False)
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        key = (status.st_dev, status.st_ino)
        if key in linked:
            return 0
        linked.add(key)
    return status.st_blocks * _BLOCK_BYTES


def deleted_open_bytes(root_pid: int, devices: set[int]) -> int:
    """Disk space of files on `devices` that have no name any more but are open below `root_pid`."""
    sizes: dict[tuple[int, int], int] = {}
    for pid in descendants(root_pid):
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - read once a second
                with contextlib.suppress(OSError):
                    status = os.stat(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH116
                    if status.st_nlink == 0 and status.st_dev in devices:
                        sizes[(status.st_dev, status.st_ino)] = status.st_blocks * _BLOCK_BYTES
    return sum(sizes.values())
