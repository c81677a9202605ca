"""A submission folder on disk, read without following links or trusting what lies in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError
from harness.git.folder_choice import RECORDS, is_marker, marked_folders, record_folders
from harness.submission import FileEntry, FileKind

if TYPE_CHECKING:
    from collections.abc import Iterator

# The fullest submission folder of the challenge has fewer than 400 files.
ENTRIES_AT_MOST = 50_000
# Looking for submissions below a checkout: the challenge's main has 700 files, a user's may hold data.
SEARCHED_AT_MOST = 500_000
DEPTH_AT_MOST = 64


def _printable(name: str) -> str:
    """A file name as text; bytes that are not UTF-8 become backslash escapes, so it can be printed."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def _kind(mode: int) -> FileKind:
    if stat.S_ISREG(mode):
        return FileKind.FILE
    return FileKind.SYMLINK if stat.S_ISLNK(mode) else FileKind.OTHER


def _checked(path: Path) -> Path:
    """The folder itself, links in the way to it resolved. Raises `SubmissionError` with what to give."""
    if path.is_dir():
        return path.resolve()
    wanted = "Give a submission folder such as records/track_10min_16mb/<name>."
    try:
        path.lstat()
    except NotADirectoryError:
        raise SubmissionError(f"{path} lies below a file, not below a folder. {wanted}") from None
    except OSError as error:
        raise SubmissionError(f"{path} cannot be opened ({error.strerror}). {wanted}") from error
    if path.is_symlink() and not path.exists():
        raise SubmissionError(f"{path} is a link to something that does not exist. {wanted}")
    raise SubmissionError(f"{path} is a file, not a folder. {wanted}")


def _entry_of(root: Path) -> str:
    """The path from the last folder named records/ on, "" when there is none above."""
    parts = root.parts
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == RECORDS:
            return "/".join(_printable(part) for part in parts[index:])
    return ""


class FolderTree:
    """A folder on disk (a `FileTree`).

    `root` is the folder with links in its own path resolved, `entry` its path from records/ on ("" when
    no such folder is above it). `problems` says what could not be listed; complete after `entries`.
    Raises `SubmissionError` when there is no such folder, or (on `entries`) when it is empty.
    """

    def __init__(self, path: Path) -> None:
        self.root = _checked(path)
        self.entry = _entry_of(self.root)
        self.problems: tuple[str, ...] = ()
        self._found: dict[str, tuple[Path, os.stat_result]] | None = None

    def entries(self) -> tuple[FileEntry, ...]:
        """Every path below the folder, sorted, symlinks not followed; at most 50,000 (see `problems`).

        Folders themselves are not listed. Raises `SubmissionError` when there is nothing to list.
        """
        found = self._listed()
        if not found:
            why = f" ({'; '.join(self.problems)})" if self.problems else ""
            raise SubmissionError(
                f"{self.root} holds no files{why}. A submission needs README.md, submission.json, a train "
                "script and its logs."
            )
        return tuple(_file_entry(name, *found[name]) for name in sorted(found))

    def read(self, path: str, limit_bytes: int) -> bytes:
        """At most `limit_bytes` of a regular file.

        Raises `SetupError` when `path` leaves the folder, is no regular file, or the disk refuses.
        """
        parts = path.split("/")
        if path.startswith("/") or "\0" in path or {"", ".", ".."} & set(parts):
            raise SetupError(f"{path!r} is not a path inside {self.root}: not read")
        real, _ = (self._found or {}).get(path, (self.root.joinpath(*parts), None))
        try:
            descriptor = _open_below(self.root, real.relative_to(self.root).parts)
        except OSError as error:
            raise SetupError(f"{path} in {self.root} cannot be read: {error.strerror or error}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SetupError(f"{path} in {self.root} is not a regular file: not read")
        with os.fdopen(descriptor, "rb") as file:
            try:
                return file.read(max(0, limit_bytes))
            except OSError as error:
                raise SetupError(
                    f"{path} in {self.root} cannot be read: {error.strerror or error}"
                ) from error

    def _listed(self) -> dict[str, tuple[Path, os.stat_result]]:
        if self._found is None:
            problems: list[str] = []
            self._found = {
                _printable(str(path.relative_to(self.root))).replace(os.sep, "/"): (path, status)
                for path, status in _walk(self.root, ENTRIES_AT_MOST, problems)
            }
            self.problems = tuple(problems)
        return self._found


def _file_entry(name: str, path: Path, status: os.stat_result) -> FileEntry:
    kind = _kind(status.st_mode)
    target: str | None = None
    if kind is FileKind.SYMLINK:
        try:
            target = _printable(os.readlink(path))  # noqa: PTH115 - Path.readlink would tidy the target
        except OSError:
            target = None
    return FileEntry(path=name, kind=kind, size_bytes=status.st_size, target=target)


def _open_below(root: Path, parts: tuple[str, ...]) -> int:
    """Open a file step by step from the root, refusing a link at every step (O_NOFOLLOW).

    O_NONBLOCK keeps a fifo from blocking the open.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(parts[-1], flags, dir_fd=folder)
    finally:
        os.close(folder)


def _walk(
    root: Path, at_most: int, problems: list[str], *, hidden: bool = True
) -> Iterator[tuple[Path, os.stat_result]]:
    """Files, links and devices below a folder, folder by folder in name order; links are not followed.

    A .git folder is skipped: it is a clone's, never part of a submission. `hidden` False skips every
    folder whose name starts with a dot.
    """
    waiting = [(root, 0)]
    count = 0
    while waiting:
        folder, depth = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                inside = sorted(listing, key=lambda item: item.name)
        except OSError as error:
            problems.append(f"{folder} cannot be listed: {error.strerror or error}")
            continue
        deeper = []
        for item in inside:
            try:
                status = item.stat(follow_symlinks=False)
            except OSError as error:
                problems.append(f"{item.path} cannot be examined: {error.strerror or error}")
                continue
            if stat.S_ISDIR(status.st_mode):
                if item.name == ".git":
                    problems.append(f"{item.path} is a clone's own folder: not read")
                    continue
                if not hidden and item.name.startswith("."):
                    continue
                if depth >= DEPTH_AT_MOST:
                    problems.append(f"{item.path} lies more than {DEPTH_AT_MOST} folders deep: not listed")
                    continue
                deeper.append((Path(item.path), depth + 1))
                continue
            if count >= at_most:
                problems.append(f"{root} holds more than {at_most:,} files; the others were left out")
                return
            count += 1
            yield Path(item.path), status
        waiting.extend(reversed(deeper))


def submission_folders(path: Path) -> tuple[Path, ...]:
    """The submission folders that a path means: itself, or every one below it, sorted.

    A folder that directly holds submission*.json or a train script is one; so is every
    records/<track>/<name>; logs/ and other inner folders of a submission are not. A folder without any
    such thing below is taken as one submission, so that what it lacks gets reported.
    A file below records/<track>/<name> means that folder: tools that run on changed files name files.
    Raises `SubmissionError` when there is no such folder.
    """
    if path.is_file() and (folder := _folder_of_file(path)) is not None:
        return (folder,)
    root = _checked(path)
    names = [
        str(found.relative_to(root)).replace(os.sep, "/")
        for found, _ in _walk(root, SEARCHED_AT_MOST, [], hidden=False)
    ]
    if (root / RECORDS).is_dir():
        inner = record_folders(name for name in names if name.startswith(f"{RECORDS}/"))
    elif any(is_marker(name) for name in names if "/" not in name):
        return (root,)
    else:
        inner = _below(_entry_of(root) or (RECORDS if root.name == RECORDS else ""), names)
    return tuple(root / folder for folder in inner) or (root,)


def _folder_of_file(path: Path) -> Path | None:
    """The records/<track>/<name> that a file lies in; None for a file elsewhere."""
    parents = path.parent.resolve().parents
    inner = [path.parent.resolve(), *parents]
    return next((each for each in inner if len(each.parents) > 1 and each.parents[1].name == RECORDS), None)


def _below(entry: str, names: list[str]) -> tuple[str, ...]:
    """Submission folders below a folder whose path from records/ on is `entry`; none means itself."""
    if not entry:
        return marked_folders(names)
    folders = record_folders(f"{entry}/{name}" for name in names)
    return tuple(folder[len(entry) + 1 :] for folder in folders if folder.startswith(f"{entry}/"))
