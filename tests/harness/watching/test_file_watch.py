from __future__ import annotations

import mmap
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.watching.file_watch import FileWatch, mapped_files

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("inotify_simple", reason="golf-run needs the extra run")


def kinds_of(watch: FileWatch, path: str) -> list[str]:
    return [event.kind for event in watch.events if event.path == path]


def test_an_open_by_another_process_is_seen(tmp_path: Path) -> None:
    (tmp_path / "train.bin").write_bytes(b"abc")
    with FileWatch({"data": tmp_path}) as watch:
        subprocess.run(["cat", str(tmp_path / "train.bin")], check=True, capture_output=True)
    assert kinds_of(watch, "train.bin") == ["opened"]
    assert watch.events[0].folder == "data"


def test_an_artifact_is_written_when_it_is_closed(tmp_path: Path) -> None:
    with FileWatch({"out": tmp_path}) as watch:
        (tmp_path / "final.ptz").write_bytes(b"abc")
    assert kinds_of(watch, "final.ptz") == ["created", "opened", "written"]


def test_a_file_renamed_into_place_is_written_under_its_final_name(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"abc")
    with FileWatch({"out": tmp_path}) as watch:
        (tmp_path / "part").rename(tmp_path / "final.ptz")
    assert kinds_of(watch, "final.ptz") == ["written"]


def test_folders_made_later_are_watched_too(tmp_path: Path) -> None:
    with FileWatch({"out": tmp_path}) as watch:
        (tmp_path / "logs").mkdir()
        for number in range(20):
            (tmp_path / "logs" / f"{number}.txt").write_text("x")
    told = {event.path for event in watch.events}
    assert told == {f"logs/{number}.txt" for number in range(20)}


def test_files_written_by_native_code_are_seen(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with FileWatch({"out": tmp_path}) as watch:
        torch.save({"w": torch.zeros(3)}, str(tmp_path / "model.pt"))  # torch's own C++ writer
    assert "written" in kinds_of(watch, "model.pt")


def test_a_folder_that_is_not_there_is_a_fault_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be watched"), FileWatch({"data": tmp_path / "missing"}):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_shard_that_stays_mapped_after_it_was_closed_is_found(tmp_path: Path) -> None:
    shard = tmp_path / "train.bin"
    shard.write_bytes(b"abc" * 4096)
    with shard.open("rb") as file:
        kept = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    assert mapped_files([os.getpid()], tmp_path) == ("train.bin",)
    kept.close()
    assert mapped_files([os.getpid()], tmp_path) == ()
