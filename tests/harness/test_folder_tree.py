from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from harness import folder_tree
from harness.errors import SetupError, SubmissionError
from harness.folder_tree import FolderTree, submission_folders
from harness.submission import FileKind

NOT_FOR_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def put(root: Path, *names: str) -> Path:
    """Write a small file under each name; returns the root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return root


def kinds(tree: FolderTree) -> dict[str, FileKind]:
    return {entry.path: entry.kind for entry in tree.entries()}


def test_entries_are_sorted_with_sizes(tmp_path: Path) -> None:
    tree = FolderTree(put(tmp_path, "train.log", "logs/b.log", "README.md"))
    assert [(entry.path, entry.size_bytes) for entry in tree.entries()] == [
        ("README.md", 9),
        ("logs/b.log", 10),
        ("train.log", 9),
    ]


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    tree = FolderTree(put(tmp_path, "logs/a.log"))
    assert tree.read("logs/a.log", 4) == b"logs"
    assert tree.read("logs/a.log", 4000) == b"logs/a.log"


def test_a_link_is_named_with_its_target_and_not_read(tmp_path: Path) -> None:
    put(tmp_path, "outside.txt", "sub/README.md")
    (tmp_path / "sub" / "leak.txt").symlink_to("../outside.txt")
    tree = FolderTree(tmp_path / "sub")
    entry = tree.entries()[1]
    assert (entry.kind, entry.target) == (FileKind.SYMLINK, "../outside.txt")
    with pytest.raises(SetupError, match=r"leak\.txt .*cannot be read"):
        tree.read("leak.txt", 100)


def test_a_linked_folder_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path, "secret/key.txt", "sub/README.md")
    (tmp_path / "sub" / "inner").symlink_to(tmp_path / "secret")
    tree = FolderTree(tmp_path / "sub")
    assert kinds(tree) == {"README.md": FileKind.FILE, "inner": FileKind.SYMLINK}
    with pytest.raises(SetupError, match="cannot be read"):
        tree.read("inner/key.txt", 100)


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/passwd", "a/../../outside.txt", "", "a//b", "x\0y"])
def test_paths_out_of_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    put(tmp_path, "outside.txt", "sub/a/README.md")
    with pytest.raises(SetupError, match="is not a path inside"):
        FolderTree(tmp_path / "sub").read(path, 100)


def test_a_fifo_neither_blocks_nor_is_read(tmp_path: Path) -> None:
    os.mkfifo(put(tmp_path, "README.md") / "train.log")
    tree = FolderTree(tmp_path)
    assert kinds(tree)["train.log"] is FileKind.OTHER
    with pytest.raises(SetupError, match="is not a regular file"):
        tree.read("train.log", 100)


def test_a_socket_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(put(tmp_path, "README.md"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("model.bin")
        assert kinds(FolderTree(tmp_path))["model.bin"] is FileKind.OTHER


def test_a_device_is_not_read() -> None:
    with pytest.raises(SetupError, match="is not a regular file"):
        FolderTree(Path("/dev")).read("null", 100)


def test_a_folder_cannot_be_read_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="is not a regular file"):
        FolderTree(put(tmp_path, "logs/a.log")).read("logs", 100)


def test_a_name_that_is_not_utf8_is_made_printable(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_bytes(b"x")
    tree = FolderTree(tmp_path)
    assert [entry.path for entry in tree.entries()] == ["caf\\xe9.txt"]
    assert tree.read("caf\\xe9.txt", 10) == b"x"


def test_too_many_files_are_cut_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_tree, "ENTRIES_AT_MOST", 2)
    tree = FolderTree(put(tmp_path, "a", "b", "c"))
    assert [entry.path for entry in tree.entries()] == ["a", "b"]
    assert "more than 2 files" in tree.problems[0]


def test_very_deep_folders_are_reported(tmp_path: Path) -> None:
    put(tmp_path, "README.md", "d/" * 70 + "deep.txt")
    tree = FolderTree(tmp_path)
    assert len(tree.entries()) == 1
    assert "64 folders deep" in tree.problems[0]


def test_a_clone_inside_the_folder_is_reported(tmp_path: Path) -> None:
    tree = FolderTree(put(tmp_path, "README.md", ".git/config"))
    assert [entry.path for entry in tree.entries()] == ["README.md"]
    assert "own folder: not read" in tree.problems[0]


@NOT_FOR_ROOT
def test_an_unreadable_folder_is_reported(tmp_path: Path) -> None:
    put(tmp_path, "README.md", "logs/a.log")
    (tmp_path / "logs").chmod(0)
    tree = FolderTree(tmp_path)
    assert [entry.path for entry in tree.entries()] == ["README.md"]
    assert "cannot be listed" in tree.problems[0]


@NOT_FOR_ROOT
def test_an_unreadable_file_is_an_error_of_the_machine(tmp_path: Path) -> None:
    (put(tmp_path, "README.md") / "README.md").chmod(0)
    with pytest.raises(SetupError, match="Permission denied"):
        FolderTree(tmp_path).read("README.md", 10)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"No such file.*Give a submission folder"):
        FolderTree(tmp_path / "none")


def test_a_file_instead_of_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="is a file, not a folder"):
        FolderTree(put(tmp_path, "train_gpt.py") / "train_gpt.py")


def test_a_path_below_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="lies below a file"):
        FolderTree(put(tmp_path, "train_gpt.py") / "train_gpt.py" / "x")


def test_a_dangling_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(SubmissionError, match="does not exist"):
        FolderTree(tmp_path / "link")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with pytest.raises(SubmissionError, match="holds no files"):
        FolderTree(tmp_path).entries()


def test_the_entry_starts_at_records(tmp_path: Path) -> None:
    folder = put(tmp_path, "records/track_10min_16mb/2026-04-01_X/README.md") / "records/track_10min_16mb"
    assert FolderTree(folder / "2026-04-01_X").entry == "records/track_10min_16mb/2026-04-01_X"


def test_a_folder_elsewhere_has_no_entry(tmp_path: Path) -> None:
    assert FolderTree(put(tmp_path, "mine/README.md") / "mine").entry == ""


X = "records/track_10min_16mb/2026-04-01_X"
Y = "records/track_non_record_16mb/2026-04-02_Y"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", [X, Y]),
        ("records", [X, Y]),
        ("records/track_10min_16mb", [X]),
        (X, [X]),
        (Y, [Y]),
        (f"{X}/logs", [f"{X}/logs"]),
    ],
)
def test_a_path_of_a_checkout_means_the_submissions_below_it(
    tmp_path: Path, given: str, found: list[str]
) -> None:
    put(tmp_path, "train_gpt.py", f"{X}/train_gpt.py", f"{X}/logs/a/train.log", f"{X}/old/train_gpt.py")
    put(tmp_path, f"{Y}/README.md", "records/README.md", ".venv/lib/submission.json")
    assert submission_folders(tmp_path / given) == tuple(tmp_path / name for name in found)


def test_a_folder_of_submissions_without_the_layout_means_each_of_them(tmp_path: Path) -> None:
    put(tmp_path, "b/submission.json", "a/train_gpt.py", "a/logs/train.py", "notes/README.md")
    assert submission_folders(tmp_path) == (tmp_path / "a", tmp_path / "b")


def test_a_folder_named_after_a_pull_request_means_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path, "records/1234/2026-04-01_X/train_gpt.py", "records/77/2026-04-01_Y/submission.json")
    assert submission_folders(tmp_path / "records/1234") == (tmp_path / "records/1234/2026-04-01_X",)


def test_a_folder_without_any_submission_is_taken_as_one(tmp_path: Path) -> None:
    assert submission_folders(put(tmp_path, "notes.txt")) == (tmp_path,)


def test_a_file_below_a_record_folder_means_that_folder(tmp_path: Path) -> None:
    put(tmp_path, "records/track/one/train_gpt.py", "records/track/one/logs/a.log", "records/README.md")
    one = (tmp_path / "records/track/one").resolve()
    assert submission_folders(one / "train_gpt.py") == (one,)
    assert submission_folders(one / "logs" / "a.log") == (one,)
    with pytest.raises(SubmissionError, match="is a file"):
        submission_folders(tmp_path / "records/README.md")
