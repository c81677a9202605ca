"""Files, programs and addresses a script asks for, by an audit hook: once set it cannot be taken away."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.dynamic.child.script_source import folders_of_others

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from harness.dynamic.child.capture.recorder import Recorder

_MEMORY = re.compile(r"/proc/[^/]+/(?:task/[^/]+/)?mem")
_WRITING = os.O_WRONLY | os.O_RDWR
_PROGRAMS = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
}
# How a script gets at objects of ours that it was not given.
_WALKS = {"gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._getframe", "sys._current_frames"}
_NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request"}


class FileAudit:
    """Turns audit events into `open`, `write`, `spawn` and `net` events of the record."""

    def __init__(
        self, recorder: Recorder, *, val_files: Sequence[str], train_files: Sequence[str], data: str
    ) -> None:
        self._recorder = recorder
        self._splits = {
            **{os.path.realpath(path): "train" for path in train_files},
            **{os.path.realpath(path): "val" for path in val_files},
        }
        self._data = os.path.realpath(data) + os.sep
        self._written: set[str] = set()
        self._others = folders_of_others()
        self._is_on = True
        self._busy = False

    def start(self) -> None:
        """Set the hook."""
        sys.addaudithook(self._heard)

    def stop(self) -> None:
        """Hear nothing from now on."""
        self._is_on = False

    def writes(self, path: Any) -> None:
        """Tell a write that no audit event tells: torch saves with its own file code."""
        if isinstance(path, str | os.PathLike):
            self._wrote(os.path.realpath(path), "wb")

    def _wrote(self, path: str, mode: str) -> None:
        self._written.add(path)
        self._recorder.event("write", path=path, mode=mode, site="writes")

    def _heard(self, name: str, args: tuple[Any, ...]) -> None:
        if not self._is_on or self._busy:
            return
        self._busy = True
        try:
            if name == "open":
                self._opened(*args)
            elif name in _PROGRAMS:
                self._recorder.event("spawn", call=name, command=_words(args), site=name)
            elif name in _NETWORK:
                self._recorder.event("net", call=name, address=_words(args[1:] or args), site=name)
            elif name == "os.rename":
                self._wrote(os.path.realpath(args[1]), "rename")
            elif name in _WALKS or (name == "object.__getattr__" and args[1] == "tb_frame"):
                self._walked(name if name in _WALKS else args[1], sys._getframe(1))
        except Exception:  # the hook of a process must not raise: the script would see it
            self._recorder.dropped("fault of the audit hook")
        finally:
            self._busy = False

    def _walked(self, what: str, frame: FrameType) -> None:
        """Libraries do it all the time; a script has no reason to."""
        file = frame.f_code.co_filename
        if not file.startswith(self._others):
            self._recorder.remark("reached", f"{what} at {file.rsplit('/', 1)[-1]}:{frame.f_lineno}")

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor
        real = os.path.realpath(os.fsdecode(path))
        if _MEMORY.fullmatch(real):
            self._recorder.remark("reached", f"open of {real}")
        if isinstance(flags, int) and flags & _WRITING:
            self._wrote(real, str(mode or flags))
            return
        split = "written" if real in self._written else self._splits.get(real)
        if split is None:
            if not real.startswith(self._data):
                return  # libraries, caches, the script's own files
            split = "sidecar" if "val" in Path(real).name else "other"
        self._recorder.event("open", path=real, split=split, site="opens")


def _words(args: Sequence[Any]) -> str:
    return " ".join(
        " ".join(map(str, each)) if isinstance(each, list | tuple) else str(each)
        for each in args
        if each is not None and not isinstance(each, dict)
    )[:300]


def follow_saves(audit: FileAudit) -> Callable[[], None]:
    """Tell `torch.save` as a write; the answer ends it."""
    import torch

    save = torch.save

    def save_told(obj: Any, f: Any, *args: Any, **kwargs: Any) -> None:
        audit.writes(f)
        save(obj, f, *args, **kwargs)

    torch.save = save_told
    return lambda: setattr(torch, "save", save)
