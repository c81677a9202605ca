"""The files that a run left in its folder: new ones and those it changed, with their bytes and SHA-256."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.sandbox.request import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ARTIFACT_BYTES = 512 * MIB
_ARTIFACTS_AT_MOST = 2_000


def left_files(work: Path, folder: Path, before: Mapping[str, str]) -> Iterator[tuple[str, tuple[int, str]]]:
    """New and changed regular files below `folder`, links not followed.

    The run could write all of `work`: where it put a link in place of this folder or one above it, nothing
    is read.
    """
    try:
        is_ours = folder.resolve() == work.resolve() / folder.relative_to(work)
    except (OSError, RuntimeError):  # a link to itself
        return
    if not is_ours:
        return
    found = 0
    pending = [folder]
    while pending:
        entries = _entries(pending.pop())
        pending += [Path(entry.path) for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)]
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                continue
            relative = Path(entry.path).relative_to(folder).as_posix()
            size, digest = file_digest(Path(entry.path))
            if size < 0 or before.get(relative) == digest:
                continue
            found += 1
            if found > _ARTIFACTS_AT_MOST:
                return
            yield relative, (size, digest)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """By name; none of a folder that is closed to us or lies too deep to name."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
    return []


def file_digest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a regular file; size -1 for anything else and beyond what is read."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
    except OSError:
        return -1, ""
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > _ARTIFACT_BYTES:
            return -1, ""
        return status.st_size, hashlib.file_digest(file, "sha256").hexdigest()
