from __future__ import annotations

import os

from harness.sandbox.removal import remove_tree


def test_a_folder_deeper_than_a_path_can_name_is_removed(tmp_path):
    root = tmp_path / "root"
    (root / "beside").mkdir(parents=True)
    (root / "beside" / "file").write_text("x")
    start = os.getcwd()  # noqa: PTH109 - the folder this process works in
    os.chdir(root)
    for _ in range(2_500):
        os.mkdir("d")  # noqa: PTH102 - no path is as long
        os.chdir("d")
    os.chdir(start)
    remove_tree(root)
    assert not root.exists()


def test_closed_folders_are_removed_and_links_are_not_followed(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a" / "b").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").write_text("x")
    (root / "a" / "b" / "link").symlink_to(outside)
    (root / "a" / "b").chmod(0)
    (root / "a").chmod(0)
    remove_tree(root)
    assert not root.exists()
    assert (outside / "kept").exists()


def test_what_is_not_there_is_removed_already(tmp_path):
    remove_tree(tmp_path / "nothing")
