"""Copies a submission into a fresh folder: regular files with plain names, nothing that leads outside.

The copy is what runs and what is counted, so it holds exactly what can be examined: no repository, no links,
no special files, no special permissions. A link to a file of the submission becomes that file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SKIPPED_FOLDERS = frozenset({".git"})
_LONGEST_NAME_BYTES, _LONGEST_PATH_BYTES = 255, 1_024
_CHUNK_BYTES = 2**20
# Control and format characters: they hide or reorder what a reviewer sees in a path.
_HIDDEN_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")


class UnsafeFileError(SubmissionError):
    """A file of the submission cannot be part of a run; `path` says which, the message why and what to do."""

    def __init__(self, path: str, reason: str) -> None:
        printable = path.encode("utf-8", "backslashreplace").decode("ascii", "backslashreplace")[:200]
        super().__init__(f"{printable}: {reason}")
        self.path = printable


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyLimits:
    """Far above what a submission needs; they keep a hostile folder from filling the machine."""

    entries: int = 10_000
    """Files and folders together."""
    total_bytes: int = 2 * 2**30
    depth: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanCopy:
    """What was copied, and what was left out on purpose."""

    folder: Path
    files: tuple[str, ...]
    """Relative, sorted."""
    total_bytes: int
    left_out: tuple[str, ...]
    """Folders of a repository, and links that became files, each with a word why."""


def copy_submission(source: Path, target: Path, limits: CopyLimits | None = None) -> CleanCopy:
    """Copy everything below `source` into the new folder `target`, which must not exist.

    Raises `UnsafeFileError` for what cannot be copied safely (nothing is left at `target` then), `SetupError`
    when the disk refuses.
    """
    allowed = limits or CopyLimits()
    root = source.resolve()
    if not root.is_dir():
        raise SubmissionError(f"{source} is not a folder; give the folder that holds train_gpt.py.")
    try:
        target.mkdir(parents=True)
        target.chmod(0o755)  # whatever our umask: the command may run as another user
    except OSError as error:
        raise SetupError(f"cannot make {target}: {error.strerror}. Remove it or free space.") from error
    try:
        return _copied(root, target, allowed)
    except OSError as error:
        _discard(target)
        raise SetupError(
            f"cannot copy {source} to {target}: {error.strerror} ({error.filename}). Free space or give read "
            "permission and run again."
        ) from error
    except BaseException:
        _discard(target)
        raise


def check_path(path: str) -> None:
    """Raises `UnsafeFileError` for a relative path that is a trick: `..`, absolute, NUL, hidden marks."""
    encoded = path.encode("utf-8", "surrogateescape")
    parts = path.split("/")
    if not path or path.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        raise UnsafeFileError(path, "not a path below the folder; rename it.")
    if any(0xDC80 <= ord(mark) <= 0xDCFF for mark in path):
        raise UnsafeFileError(path, "its name is not UTF-8; rename it.")
    if any(unicodedata.category(mark) in _HIDDEN_CATEGORIES for mark in path):
        raise UnsafeFileError(path, "its name has characters that are not shown; rename it.")
    if len(encoded) > _LONGEST_PATH_BYTES or any(len(part.encode()) > _LONGEST_NAME_BYTES for part in parts):
        raise UnsafeFileError(path, f"its path is longer than {_LONGEST_PATH_BYTES} bytes; shorten it.")


def _copied(root: Path, target: Path, limits: CopyLimits) -> CleanCopy:
    files: list[str] = []
    left_out: list[str] = []
    total = 0
    for number, (path, kind) in enumerate(_entries(root, limits, left_out), start=1):
        check_path(path)
        if number > limits.entries:
            raise UnsafeFileError(path, f"more than {limits.entries:,} files and folders; remove some.")
        if kind == "folder":
            (target / path).mkdir()
            (target / path).chmod(0o755)
            continue
        place = _inside(root, path) if kind == "link" else path
        if kind == "link":
            left_out.append(f"{path} (a link to {place}, copied as a file)")
        total += _copy_file(root, place, target / path, path, limits.total_bytes - total)
        files.append(path)
    return CleanCopy(
        folder=target, files=tuple(sorted(files)), total_bytes=total, left_out=tuple(sorted(left_out))
    )


def _entries(root: Path, limits: CopyLimits, left_out: list[str]) -> Iterator[tuple[str, str]]:
    """Relative path and `folder`, `file` or `link`; a folder comes before what is in it."""
    waiting = [""]
    while waiting:
        above = waiting.pop()
        with os.scandir(root / above) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{above}/{entry.name}" if above else entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if entry.name in _SKIPPED_FOLDERS:
                left_out.append(f"{path} (of a repository)")
            elif stat.S_ISLNK(mode):
                yield path, "link"
            elif stat.S_ISREG(mode):
                yield path, "file"
            elif stat.S_ISDIR(mode):
                if path.count("/") >= limits.depth:
                    raise UnsafeFileError(path, f"more than {limits.depth} folders deep; move it up.")
                yield path, "folder"
                waiting.append(path)
            else:
                raise UnsafeFileError(
                    path, "neither a file nor a folder (a pipe, socket or device); remove it."
                )


def _inside(root: Path, path: str) -> str:
    """The regular file of the submission a link leads to."""
    try:
        real = (root / path).resolve(strict=True)
        relative = real.relative_to(root)
    except (OSError, RuntimeError, ValueError) as error:
        raise UnsafeFileError(
            path, "a link that leads out of the folder or nowhere; put the file itself there."
        ) from error
    if not stat.S_ISREG(real.lstat().st_mode) or _SKIPPED_FOLDERS & set(relative.parts):
        raise UnsafeFileError(path, "a link to something that is not a file of the submission; remove it.")
    return relative.as_posix()


def _copy_file(root: Path, place: str, target: Path, path: str, room_bytes: int) -> int:
    """Bytes copied; permissions become those of a program or of a plain file, never more."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    source = os.open(root / place, flags)
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafeFileError(path, "it stopped being a regular file while it was copied.")
        mode = 0o755 if status.st_mode & 0o100 else 0o644
        copied = 0
        with target.open("xb") as copy:
            while chunk := os.read(source, _CHUNK_BYTES):
                copied += len(chunk)
                if copied > room_bytes:
                    raise UnsafeFileError(
                        path, "with it the folder is larger than a run may copy; remove data."
                    )
                copy.write(chunk)
        target.chmod(mode)
    finally:
        os.close(source)
    return copied


def _discard(target: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(target)
