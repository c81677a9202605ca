"""A clean copy holds regular files with plain names; anything else is refused with its name."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.sandbox import clean_copy
from harness.sandbox.clean_copy import CleanCopy, CopyLimits, UnsafeFileError, check_path, copy_submission

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "submission"
    (folder / "inner").mkdir(parents=True)
    (folder / "train_gpt.py").write_text("print('hi')\n")
    (folder / "inner" / "README.md").write_text("text")
    return folder


def copied(source: Path, limits: CopyLimits | None = None) -> CleanCopy:
    return copy_submission(source, source.parent / "copy", limits)


def test_files_and_folders_are_copied(source: Path) -> None:
    copy = copied(source)
    assert copy.files == ("inner/README.md", "train_gpt.py")
    assert (copy.folder / "train_gpt.py").read_text() == "print('hi')\n"
    assert copy.total_bytes == 16


def test_repository_is_left_out(source: Path) -> None:
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("[core]")
    copy = copied(source)
    assert not (copy.folder / ".git").exists()
    assert copy.left_out == (".git (of a repository)",)


def test_link_to_a_file_of_the_submission_becomes_the_file(source: Path) -> None:
    (source / "link.py").symlink_to("train_gpt.py")
    copy = copied(source)
    assert not (copy.folder / "link.py").is_symlink()
    assert (copy.folder / "link.py").read_text() == "print('hi')\n"


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../secret", "inner/../../secret", "nowhere", "link.py", "inner"]
)
def test_link_that_leads_elsewhere_is_refused(source: Path, target: str) -> None:
    (source.parent / "secret").write_text("the answer")
    (source / "link.py").symlink_to(target)
    with pytest.raises(UnsafeFileError, match=r"link\.py: a link"):
        copied(source)
    assert not (source.parent / "copy").exists()


def test_link_into_the_repository_is_refused(source: Path) -> None:
    (source / ".git").mkdir()
    (source / ".git" / "HEAD").write_text("ref")
    (source / "head").symlink_to(".git/HEAD")
    with pytest.raises(UnsafeFileError, match="head: a link"):
        copied(source)


def test_fifo_is_refused(source: Path) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(UnsafeFileError, match="pipe: neither a file nor a folder"):
        copied(source)


def test_socket_is_refused(source: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "s"))
        with pytest.raises(UnsafeFileError, match="neither a file nor a folder"):
            copied(source)


def test_special_permissions_are_dropped(source: Path) -> None:
    (source / "train_gpt.py").chmod(0o6755)
    (source / "inner" / "README.md").chmod(0o666)
    copy = copied(source)
    assert stat.S_IMODE((copy.folder / "train_gpt.py").stat().st_mode) == 0o755
    assert stat.S_IMODE((copy.folder / "inner" / "README.md").stat().st_mode) == 0o644


def test_too_many_entries_are_refused(source: Path) -> None:
    with pytest.raises(UnsafeFileError, match="more than 2 files and folders"):
        copied(source, CopyLimits(entries=2))


def test_too_many_bytes_are_refused(source: Path) -> None:
    with pytest.raises(UnsafeFileError, match="larger than a run may copy"):
        copied(source, CopyLimits(total_bytes=15))


def test_too_deep_folders_are_refused(source: Path) -> None:
    (source / "inner" / "more").mkdir()
    with pytest.raises(UnsafeFileError, match="more than 1 folders deep"):
        copied(source, CopyLimits(depth=1))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "./a",
        "a\0b",
        "a\nb",
        "a\u202eyp.exe",
        "a\u200bb",
        "x" * 256,
        "d/" * 600,
    ],
    ids=repr,
)
def test_path_that_is_a_trick_is_refused(path: str) -> None:
    with pytest.raises(UnsafeFileError):
        check_path(path)


@pytest.mark.parametrize("path", ["train_gpt.py", "a/b.txt", "naïve.md", "..a", "a..b", "日本.md"])
def test_plain_path_is_accepted(path: str) -> None:
    check_path(path)


def test_name_that_is_not_utf_8_is_refused(source: Path) -> None:
    (source / os.fsdecode(b"bad\xff")).touch()
    with pytest.raises(UnsafeFileError, match="not UTF-8"):
        copied(source)


def test_copy_onto_an_existing_folder_is_refused(source: Path) -> None:
    (source.parent / "copy").mkdir()
    with pytest.raises(SetupError, match="cannot make"):
        copied(source)


def test_full_disk_is_the_machines_fault_and_leaves_nothing(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(clean_copy, "_copy_file", refuse)
    with pytest.raises(SetupError, match="No space left on device"):
        copied(source)
    assert not (source.parent / "copy").exists()
