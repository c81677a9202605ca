from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from harness.whole_file import whole_file

if TYPE_CHECKING:
    from pathlib import Path


def test_the_name_holds_the_old_content_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_an_interrupted_write_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"old")
    with contextlib.suppress(KeyboardInterrupt), whole_file(tmp_path / "a.bin") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "none" / "a.bin"):
        pytest.fail("the block ran without a file")
