from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from harness.dynamic.left_files import left_files

if TYPE_CHECKING:
    from pathlib import Path


def test_new_and_changed_files_are_told_with_their_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    (folder / "deep").mkdir(parents=True)
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("kept", "changed", "deep/new")}
    for name in digests:
        (folder / name).write_text(name)
    found = dict(left_files(tmp_path, folder, {"kept": digests["kept"], "changed": "other"}))
    assert found == {name: (len(name), digests[name]) for name in ("changed", "deep/new")}


def test_of_a_folder_that_a_link_to_itself_took_the_place_of_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "submission"
    folder.symlink_to("submission")
    assert list(left_files(tmp_path, folder, {})) == []


def test_of_a_folder_that_a_link_to_another_took_the_place_of_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.pt").write_bytes(b"1")
    folder = tmp_path / "work" / "submission"
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "other")
    assert list(left_files(tmp_path / "work", folder, {})) == []
