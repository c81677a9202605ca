"""Which files of some folders are opened, read and written, seen by the kernel and told by our clock.

The system's file events (inotify) do not ask the script: an open by C++ code counts like one by Python, in a
sandbox or not. They do not tell who opened a file, nor about pages of a file that stays mapped;
`mapped_files` looks for those. What happened before the `with` block ends is in `events` when it has ended:
the kernel queues events at the time of the call.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

MOST_FILE_EVENTS = 200_000
MOST_FOLDERS = 4_096  # watched below the given ones; what a script makes in more is not told
_WAIT_MILLISECONDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEvent:
    """A file of folder `folder` (a label) was opened, created, written or deleted.

    `at` is in seconds of our clock since the watch began, `path` relative to the folder. "written" means
    complete: closed after writing, or renamed into place.
    """

    at: float
    kind: str
    folder: str
    path: str

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"at": round(self.at, 4), "kind": self.kind, "folder": self.folder, "path": self.path}


class FileWatch:
    """Watches `folders` (label to path) and those below while the `with` block runs.

    `events` holds what happened, in order; `overflowed` says that more happened than was kept or that the
    kernel dropped some. Raises `SetupError` where folders cannot be watched.
    """

    def __init__(self, folders: Mapping[str, Path], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.events: list[FileEvent] = []
        self.overflowed = False
        self._folders = {label: path.resolve() for label, path in folders.items()}
        self._clock = clock
        self._stop = threading.Event()
        self._watched: dict[int, tuple[str, str]] = {}  # label and relative folder of a watch

    def __enter__(self) -> FileWatch:
        """Start watching; what happens after this returns is told."""
        try:
            from inotify_simple import INotify, flags
        except ImportError as error:
            raise SetupError(
                "inotify-simple is not installed; run: pip install 'golf-harness[run]'"
            ) from error
        self._kinds = {
            flags.OPEN: "opened",
            flags.CREATE: "created",
            flags.CLOSE_WRITE: "written",
            flags.MOVED_TO: "written",
            flags.DELETE: "deleted",
        }
        self._mask = sum(self._kinds)
        self._is_folder, self._lost = flags.ISDIR, flags.Q_OVERFLOW
        try:
            self._notify = INotify()
        except OSError as error:
            raise SetupError(
                f"files cannot be watched ({error}); raise fs.inotify.max_user_instances"
            ) from error
        self._began = self._clock()
        for label, path in self._folders.items():
            self._watch(label, "", path, is_needed=True)
        self._thread = threading.Thread(target=self._read, name="watched files", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take what is waiting and stop."""
        self._stop.set()
        self._thread.join()
        self._notify.close()

    def _watch(self, label: str, relative: str, path: Path, *, is_needed: bool = False) -> None:
        """Watch a folder and those below it; a new one's files are told as created, if it came with some."""
        try:
            if len(self._watched) >= MOST_FOLDERS:
                self.overflowed = True
                return
            self._watched[self._notify.add_watch(path, self._mask)] = (label, relative)
            entries = sorted(path.iterdir())
        except OSError as error:
            if not is_needed:
                return  # gone again already
            self._notify.close()
            raise SetupError(
                f"{path}: cannot be watched ({error}); is it there, and is fs.inotify.max_user_watches large "
                "enough?"
            ) from error
        for entry in entries:
            below = f"{relative}{entry.name}"
            if entry.is_dir() and not entry.is_symlink():
                self._watch(label, f"{below}/", entry)
            elif not is_needed and self._thread_runs():
                self._add("created", label, below)

    def _thread_runs(self) -> bool:
        return threading.current_thread() is getattr(self, "_thread", None)

    def _read(self) -> None:
        while True:
            stopping = self._stop.is_set()  # asked before reading: what came before is still read
            events = self._notify.read(timeout=0 if stopping else _WAIT_MILLISECONDS)
            for event in events:
                self._take(event.wd, event.mask, event.name)
            if stopping and not events:
                return

    def _take(self, watch: int, mask: int, name: str) -> None:
        if mask & self._lost:
            self.overflowed = True
            return
        label, relative = self._watched.get(watch, ("", ""))
        if not name or not label:
            return
        if mask & self._is_folder:
            if self._kinds.get(mask & self._mask) in {"created", "written"}:
                path = self._folders[label] / relative / name
                self._watch(label, f"{relative}{name}/", path)
            return
        kind = self._kinds.get(mask & self._mask)
        if kind is not None:
            self._add(kind, label, f"{relative}{name}")

    def _add(self, kind: str, label: str, path: str) -> None:
        if len(self.events) >= MOST_FILE_EVENTS:
            self.overflowed = True
            return
        at = self._clock() - self._began
        self.events.append(FileEvent(at=at, kind=kind, folder=label, path=path[:300]))


def mapped_files(processes: Iterable[int], below: Path) -> tuple[str, ...]:
    """Files under `below` that one of `processes` (ids) has open or mapped now, relative to it."""
    root = str(below.resolve()) + "/"
    found: set[str] = set()
    for process in processes:
        folder = Path(f"/proc/{process}")
        try:
            maps = (folder / "maps").read_text(encoding="utf-8", errors="replace")
            found.update(line.split(None, 5)[-1] for line in maps.splitlines() if root in line)
            found.update(str(link.readlink()) for link in (folder / "fd").iterdir())
        except OSError:
            continue  # it is gone, or not ours to look at
    return tuple(sorted(one.removeprefix(root) for one in found if one.startswith(root)))
