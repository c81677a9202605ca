"""Reads what an untrusted command left in its output folder, as nothing but bytes of a regular file.

The folder is hostile: a name can be a link to a file of ours, a second name of one, a pipe that never ends,
or far too large. Read only after every process of the command is dead.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_CHUNK_BYTES = 2**20


class UnsafeResultError(SubmissionError):
    """A result is not a plain file of its own within the size it may have, or it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A result by its bytes; `sha256` in hexadecimal."""

    name: str
    size_bytes: int
    sha256: str


def read_sealed(folder: Path, name: str, max_bytes: int) -> bytes:
    """The whole file.

    Raises `UnsafeResultError` for anything but a regular file with one name and at most `max_bytes`, and
    `SetupError` when our disk fails.
    """
    with _opened(folder, name, max_bytes) as (descriptor, size):
        return b"".join(_chunks(descriptor, name, size))


def sealed_digest(folder: Path, name: str, max_bytes: int) -> SealedFile:
    """Size and digest without holding the file in memory; raises as `read_sealed` does."""
    digest = hashlib.sha256()
    with _opened(folder, name, max_bytes) as (descriptor, size):
        for chunk in _chunks(descriptor, name, size):
            digest.update(chunk)
    return SealedFile(name=name, size_bytes=size, sha256=digest.hexdigest())


def seal_copy(folder: Path, name: str, max_bytes: int, target: Path) -> SealedFile:
    """Copy it to `target`, a new file that nobody may write to; the digest is of the bytes copied.

    Raises as `read_sealed` does; FileExistsError when `target` is there already: a seal is set once.
    """
    digest = hashlib.sha256()
    with _opened(folder, name, max_bytes) as (descriptor, size):
        copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
        try:
            for chunk in _chunks(descriptor, name, size):
                digest.update(chunk)
                _write_all(copy, chunk)
            os.fsync(copy)
        except OSError as error:
            os.unlink(target)  # noqa: PTH108 - beside the other calls on descriptors
            raise SetupError(
                f"cannot write {target}: {error.strerror}. Free space there and resume."
            ) from error
        finally:
            os.close(copy)
    return SealedFile(name=name, size_bytes=size, sha256=digest.hexdigest())


@contextmanager
def _opened(folder: Path, name: str, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Descriptor and size of a file that passed every test; all tests are on the descriptor, not the name."""
    *folders, last = name.split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in (*folders, last)):
        raise ValueError(f"{name!r} is not the path of a result below its folder")
    parent = _descended(folder, folders)
    try:
        # O_NONBLOCK: a named pipe without a writer would keep the open waiting for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(last, flags, dir_fd=parent)
    except FileNotFoundError as error:
        raise UnsafeResultError(
            f"{name} was not written; the run must leave it in its output folder."
        ) from error
    except OSError as error:
        raise UnsafeResultError(
            f"{name} cannot be opened as a regular file ({error.strerror}): it is a link or a special file. "
            "Write the bytes themselves."
        ) from error
    finally:
        os.close(parent)
    try:
        status = os.fstat(descriptor)
        _check(name, status, max_bytes)
        yield descriptor, status.st_size
    finally:
        os.close(descriptor)


def _descended(folder: Path, folders: Sequence[str]) -> int:
    """A descriptor of the last of nested folders, none of which is a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(folder, flags)
        for name in folders:
            above, descriptor = descriptor, -1
            try:
                descriptor = os.open(name, flags, dir_fd=above)
            finally:
                os.close(above)
    except OSError as error:
        where = "/".join((str(folder), *folders))
        raise UnsafeResultError(f"{where} is not a folder of its own: {error.strerror}.") from error
    return descriptor


def _check(name: str, status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeResultError(f"{name} is not a regular file. Write the bytes themselves.")
    if status.st_nlink != 1:
        raise UnsafeResultError(
            f"{name} has {status.st_nlink} names (hard links), so it may be a file from elsewhere; write a "
            "file of its own."
        )
    if status.st_size > max_bytes:
        over = status.st_size - max_bytes
        raise UnsafeResultError(
            f"{name} has {status.st_size:,} bytes, {over:,} over the {max_bytes:,} allowed."
        )


def _chunks(descriptor: int, name: str, size: int) -> Iterator[bytes]:
    """Exactly the bytes the size promised."""
    left = size
    while left:
        try:
            chunk = os.read(descriptor, min(left, _CHUNK_BYTES))
        except OSError as error:
            raise SetupError(f"cannot read {name}: {error.strerror}. Check the disk and resume.") from error
        if not chunk:
            raise UnsafeResultError(f"{name} shrank while it was read: something still writes to it.")
        left -= len(chunk)
        yield chunk
    if os.read(descriptor, 1):
        raise UnsafeResultError(f"{name} grew while it was read: something still writes to it.")


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
