"""A control group for one run: the kernel's own limit on memory and processes of all its processes together.

Made only below a group that is ours to manage: the root of a hierarchy (a container's own, or a machine
without a service manager) or one marked as delegated. Any other group belongs to whoever made it, and a
limit there could surprise its owner; the run then goes on with per-process limits and a watch, and says so.
Source: cgroup-v1/memory.rst, cgroup-v1/pids.rst, cgroup-v2.rst and the "single writer" rule of systemd.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from pathlib import Path

_RUN_NUMBERS = itertools.count(1)
_REMOVE_SECONDS = 5.0
_DELEGATION_MARKS = ("trusted.delegate", "user.delegate")


class ControlGroup:
    """Limits of one run. Methods for controllers that this machine does not give us do nothing."""

    def __init__(self, folders: dict[str, Path], *, is_unified: bool) -> None:
        """`folders` by controller (memory, pids): the group's folder, existing and empty."""
        self._folders = folders
        self._is_unified = is_unified
        self.limits_memory = False
        self.limits_processes = False

    def limit(self, memory_bytes: int | None, processes: int | None) -> None:
        """Set what is asked for; `limits_memory` and `limits_processes` say what the kernel took."""
        memory, pids = self._folders.get("memory"), self._folders.get("pids")
        if memory is not None and memory_bytes is not None:
            name = "memory.max" if self._is_unified else "memory.limit_in_bytes"
            self.limits_memory = _written(memory / name, str(memory_bytes))
            _written(memory / "memory.swap.max", "0")
            _written(memory / "memory.oom.group", "1")
        if pids is not None and processes is not None:
            self.limits_processes = _written(pids / "pids.max", str(processes))

    def add(self, pid: int) -> None:
        """Move a process in; its future children follow."""
        for folder in set(self._folders.values()):
            if not _written(folder / "cgroup.procs", str(pid)):
                self.limits_memory = self.limits_memory and folder != self._folders.get("memory")
                self.limits_processes = self.limits_processes and folder != self._folders.get("pids")

    def memory_kills(self) -> int:
        """How often the kernel killed for memory."""
        name = "memory.events" if self._is_unified else "memory.oom_control"
        return self._count("memory", name, "oom_kill")

    def refused_forks(self) -> int:
        """How often a new process or thread was refused."""
        return self._count("pids", "pids.events", "max")

    def peak_memory_bytes(self) -> int | None:
        """The most the group used at one time; None where unknown."""
        folder = self._folders.get("memory")
        if folder is None:
            return None
        try:
            name = "memory.peak" if self._is_unified else "memory.max_usage_in_bytes"
            return int((folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Kill what is left in it and remove it; a group that stays does no harm and is named by our pid."""
        for folder in set(self._folders.values()):
            _written(folder / "cgroup.kill", "1")
            deadline = time.monotonic() + _REMOVE_SECONDS
            while time.monotonic() < deadline:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.005)  # the last process is still being buried
                    continue
                break

    def _count(self, controller: str, file: str, key: str) -> int:
        folder = self._folders.get(controller)
        if folder is None:
            return 0
        with contextlib.suppress(OSError, ValueError, IndexError):
            for row in (folder / file).read_text(encoding="ascii").splitlines():
                words = row.split()
                if words and words[0] == key:
                    return int(words[1])
        return 0


def make_control_group(
    mounts_file: Path = Path("/proc/self/mounts"), own_groups: Path = Path("/proc/self/cgroup")
) -> ControlGroup:
    """A new empty group below ours for each controller we may manage; without any, one that does nothing."""
    name = f"golf-{os.getpid()}-{next(_RUN_NUMBERS)}"
    try:
        mounts = mounts_file.read_text(encoding="utf-8").splitlines()
        own = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ControlGroup({}, is_unified=True)
    membership = {row.split(":", 2)[1]: row.split(":", 2)[2] for row in own if row.count(":") >= 2}
    separate: dict[str, Path] = {}
    for controllers, group in membership.items():
        for controller in set(controllers.split(",")) & {"memory", "pids"}:
            root = _mount_point(mounts, "cgroup", controller)
            folder = _child(root, group, name) if root is not None else None
            if folder is not None:
                separate[controller] = folder
    if separate or any("memory" in controllers.split(",") for controllers in membership):
        return ControlGroup(separate, is_unified=False)
    root = _mount_point(mounts, "cgroup2", None)
    if root is None or "" not in membership:
        return ControlGroup({}, is_unified=True)
    return ControlGroup(_unified_child(root, membership[""], name), is_unified=True)


def _unified_child(root: Path, group: str, name: str) -> dict[str, Path]:
    parent = root / group.lstrip("/")
    if not _is_ours(root, parent):
        return {}
    for controller in ("memory", "pids"):
        _written(parent / "cgroup.subtree_control", f"+{controller}")
    folder = _child(root, group, name)
    if folder is None:
        return {}
    try:
        given = set((folder / "cgroup.controllers").read_text(encoding="ascii").split())
    except OSError:
        given = set()
    usable: dict[str, Path] = {controller: folder for controller in ("memory", "pids") if controller in given}
    if not usable:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return usable


def _child(root: Path, group: str, name: str) -> Path | None:
    parent = root / group.lstrip("/")
    if not _is_ours(root, parent):
        return None
    _sweep(parent)
    try:
        (parent / name).mkdir()
    except OSError:
        return None
    return parent / name


def _sweep(parent: Path) -> None:
    """Remove empty groups of harnesses that were killed; the kernel keeps those that hold a process."""
    with contextlib.suppress(OSError):
        for folder in parent.glob("golf-*-*"):
            owner = folder.name.split("-")[1]
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _is_ours(root: Path, group: Path) -> bool:
    """Whether nobody else manages the group."""
    if group == root:
        return True
    for mark in _DELEGATION_MARKS:
        with contextlib.suppress(OSError):
            if os.getxattr(group, mark) == b"1":
                return True
    return False


def _mount_point(mounts: list[str], kind: str, controller: str | None) -> Path | None:
    for row in mounts:
        words = row.split()
        if len(words) < 4 or words[2] != kind:
            continue
        if controller is None or controller in words[3].split(","):
            return Path(words[1].replace("\\040", " "))
    return None


def _written(file: Path, text: str) -> bool:
    """Whether the kernel took it; control files are never created by us."""
    try:
        descriptor = os.open(file, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(descriptor, text.encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
