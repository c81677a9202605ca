"""Control groups of both versions on a folder tree that looks like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.sandbox import control_group
from harness.sandbox.control_group import ControlGroup, make_control_group

FILES = {
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "memory.events": "oom 1\noom_kill 2",
    "memory.peak": "4096",
    "pids.max": "max",
    "pids.events": "max 3",
    "cgroup.procs": "",
    "cgroup.kill": "",
    "cgroup.controllers": "memory pids",
    "cgroup.subtree_control": "",
    "memory.limit_in_bytes": "0",
    "memory.max_usage_in_bytes": "8192",
    "memory.oom_control": "under_oom 0\noom_kill 1",
}


def filled(folder: Path) -> Path:
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - Path.mkdir is replaced here
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's tree: a new group is born with its control files."""
    real = Path.mkdir

    def mkdir(self: Path, *arguments: int, **options: bool) -> None:
        real(self, *arguments, **options)
        if self.name.startswith("golf-"):
            filled(self)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    return tmp_path


def tables(folder: Path, mounts: str, own: str) -> tuple[Path, Path]:
    (folder / "mounts").write_text(mounts)
    (folder / "own").write_text(own)
    return folder / "mounts", folder / "own"


def unified(kernel: Path, group: str) -> ControlGroup:
    root = filled(kernel / "sys")
    filled(root / group.lstrip("/"))
    return make_control_group(*tables(kernel, f"cgroup2 {root} cgroup2 rw 0 0\n", f"0::{group}\n"))


def new_groups(kernel: Path) -> list[Path]:
    return sorted(kernel.rglob("golf-*"))


def test_root_of_a_unified_tree_gets_a_group_with_both_limits(kernel: Path) -> None:
    group = unified(kernel, "/")
    group.limit(1000, 20)
    (folder,) = new_groups(kernel)
    assert (folder / "memory.max").read_text().startswith("1000")
    assert (folder / "pids.max").read_text().startswith("20")
    assert (group.limits_memory, group.limits_processes) == (True, True)


def test_group_of_a_service_manager_is_left_alone(kernel: Path) -> None:
    group = unified(kernel, "/user.slice/session-3.scope")
    group.limit(1000, 20)
    assert new_groups(kernel) == []
    assert (group.limits_memory, group.limits_processes) == (False, False)


def test_delegated_group_is_used(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getxattr", lambda _path, name: b"1" if name == "user.delegate" else b"")
    group = unified(kernel, "/user.slice/golf.scope")
    group.limit(1000, None)
    assert [folder.parent.name for folder in new_groups(kernel)] == ["golf.scope"]


def test_separate_trees_are_used_where_they_are_ours(kernel: Path) -> None:
    """A container whose memory group belongs to its maker, and whose group of processes is the root."""
    memory, pids = filled(kernel / "m" / "maker" / "box").parents[1], filled(kernel / "p")
    mounts = f"cgroup {memory} cgroup rw,memory 0 0\ncgroup {pids} cgroup rw,pids 0 0\n"
    group = make_control_group(*tables(kernel, mounts, "8:pids:/\n4:memory:/maker/box\n0::/\n"))
    group.limit(1000, 20)
    assert [folder.parent for folder in new_groups(kernel)] == [pids]
    assert (group.limits_memory, group.limits_processes) == (False, True)


def test_counts_and_peak_of_a_unified_group_are_read(kernel: Path) -> None:
    group = unified(kernel, "/")
    assert (group.memory_kills(), group.refused_forks(), group.peak_memory_bytes()) == (2, 3, 4096)


def test_counts_and_peak_of_separate_groups_are_read(kernel: Path) -> None:
    group = ControlGroup({"memory": filled(kernel / "memory")}, is_unified=False)
    assert (group.memory_kills(), group.refused_forks(), group.peak_memory_bytes()) == (1, 0, 8192)


def test_machine_without_control_groups_gets_one_that_does_nothing(tmp_path: Path) -> None:
    group = make_control_group(*tables(tmp_path, "proc /proc proc rw 0 0\n", ""))
    group.limit(1000, 20)
    group.add(1)
    group.remove()
    assert (group.limits_memory, group.peak_memory_bytes(), group.memory_kills()) == (False, None, 0)


def test_group_that_takes_no_process_is_not_reported_as_a_limit(kernel: Path) -> None:
    group = unified(kernel, "/")
    group.limit(1000, 20)
    (folder,) = new_groups(kernel)
    (folder / "cgroup.procs").unlink()
    group.add(os.getpid())
    assert (group.limits_memory, group.limits_processes) == (False, False)


def test_empty_group_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_group, "_REMOVE_SECONDS", 0.1)
    folder = tmp_path / "golf-1"
    folder.mkdir()
    ControlGroup({"pids": folder}, is_unified=False).remove()
    assert not folder.exists()


def test_empty_groups_of_killed_harnesses_are_swept(kernel: Path) -> None:
    root = filled(kernel / "sys")
    gone, alive = root / "golf-4194305-1", root / f"golf-{os.getpid()}-0"
    os.mkdir(gone)  # noqa: PTH102 - Path.mkdir is replaced here
    os.mkdir(alive)  # noqa: PTH102
    make_control_group(*tables(kernel, f"cgroup2 {root} cgroup2 rw 0 0\n", "0::/\n"))
    assert (gone.exists(), alive.exists()) == (False, True)
