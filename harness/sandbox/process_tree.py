"""The processes below one process, read from /proc: how many, how much memory, and ending them all.

Imports the standard library only, because the first process inside a sandbox uses it too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from dataclasses import dataclass

_ENDED_STATES = ("Z", "X")
_KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeUse:
    """What the processes below one use together at one moment."""

    processes: int
    tasks: int
    """Threads of all of them."""
    resident_bytes: int
    """Own and shared-memory pages; a page shared by a fork is counted once per process."""


def descendants(pid: int) -> list[int]:
    """Every living process below `pid`, ended ones that wait to be reaped left out."""
    found: list[int] = []
    queue = [pid]
    while queue:
        for child in _children(queue.pop()):
            queue.append(child)
            if _status(child).get("State", "X")[:1] not in _ENDED_STATES:
                found.append(child)
    return found


def tree_use(pid: int) -> TreeUse:
    """Threads and resident memory of everything below `pid`."""
    processes = tasks = resident = 0
    queue = [pid]
    while queue:
        for child in _children(queue.pop()):
            queue.append(child)
            status = _status(child)
            if status.get("State", "X")[:1] in _ENDED_STATES:
                continue
            processes += 1
            tasks += int(status.get("Threads", "1"))
            resident += _kilobytes(status, "RssAnon") + _kilobytes(status, "RssShmem")
    return TreeUse(processes=processes, tasks=tasks, resident_bytes=resident * 1024)


def proportional_bytes(pid: int) -> int | None:
    """Memory of everything below `pid` with shared pages divided among their users; None if hidden from us.

    Slow (milliseconds per gigabyte): asked only when the plain sum is over a limit.
    """
    total = 0
    for child in descendants(pid):
        try:
            with open(f"/proc/{child}/smaps_rollup", encoding="ascii") as table:  # noqa: PTH123
                rows = dict(row.split(":", 1) for row in table if row.startswith(("Pss_Anon", "Pss_Shmem")))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            return None
        if not rows:
            return None  # a kernel before 5.4
        total += sum(int(value.split()[0]) for value in rows.values())
    return total * 1024


def process_1_below(pid: int) -> int | None:
    """The process below `pid` that is number 1 of a process namespace of its own."""
    queue = [pid]
    while queue:
        for child in _children(queue.pop()):
            numbers = _status(child).get("NSpid", "").split()
            if len(numbers) > 1 and numbers[-1] == "1":
                return child
            queue.append(child)
    return None


def kill_descendants(pid: int, seconds: float = _KILL_SECONDS) -> int:
    """Kill everything below `pid`, which must be its subreaper; how many are still alive after `seconds`.

    All are stopped before any is killed: what is stopped cannot fork while its siblings are hunted down.
    """
    deadline = time.monotonic() + seconds
    stopped: set[int] = set()
    # The kernel's list can miss one while another ends, so only a second empty look is believed.
    while (alive := descendants(pid) or descendants(pid)) and time.monotonic() < deadline:
        fresh = set(alive) - stopped
        for number in fresh or alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGSTOP if fresh else signal.SIGKILL)
        stopped |= fresh
        if not fresh:
            time.sleep(0.001)
    return len(alive)


def _children(pid: int) -> list[int]:
    """Those of every thread."""
    if not _has_children_files():
        return _children_by_parent(pid)
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - ten times a second
            with (
                contextlib.suppress(OSError),
                open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as table,  # noqa: PTH123
            ):
                found += [int(number) for number in table.read().split()]
    return found


@functools.cache
def _has_children_files() -> bool:
    """Whether the kernel was built with them (CONFIG_PROC_CHILDREN), as those of distributions are."""
    return os.access("/proc/thread-self/children", os.R_OK)


def _children_by_parent(pid: int) -> list[int]:
    """The slow way: the parent that each process of the machine names."""
    names = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    return [int(name) for name in names if _status(int(name)).get("PPid") == str(pid)]


def _status(pid: int) -> dict[str, str]:
    """/proc/PID/status as a table; empty when the process has gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as table:  # noqa: PTH123
            return {name: value.strip() for name, _, value in (row.partition(":") for row in table)}
    except OSError:
        return {}


def _kilobytes(status: dict[str, str], name: str) -> int:
    return int(status[name].split()[0]) if name in status else 0
