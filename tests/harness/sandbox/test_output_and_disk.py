"""The log pipe and the disk meter alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.sandbox.disk_meter import DiskMeter
from harness.sandbox.log_pipe import LogPipe

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20


def test_line_is_as_old_as_its_first_byte() -> None:
    lines: list[tuple[float, bytes]] = []
    pipe = LogPipe(1000, lambda seconds, line: lines.append((seconds, line)))
    os.write(pipe.write_end, b"be")
    pipe.read(1.0)
    os.write(pipe.write_end, b"gun\nnext\n")
    pipe.read(2.0)
    pipe.close()
    assert lines == [(1.0, b"begun\n"), (2.0, b"next\n")]


def test_nothing_beyond_the_limit_is_handed_on() -> None:
    lines: list[bytes] = []
    pipe = LogPipe(6, lambda _, line: lines.append(line))
    os.write(pipe.write_end, b"12345\n6789\n")
    pipe.read(1.0)
    pipe.finish(1.0)
    assert (lines, pipe.is_over, pipe.read_bytes) == ([b"12345\n"], True, 11)


def test_empty_pipe_does_not_wait() -> None:
    pipe = LogPipe(10, lambda _seconds, _line: None)
    assert not pipe.read(0.0)
    assert pipe.is_open
    pipe.close()


def test_bytes_that_lay_there_before_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "before").write_bytes(b"x" * MIB)
    meter = DiskMeter([tmp_path])
    (tmp_path / "after").write_bytes(b"x" * MIB)
    meter.count_now()
    assert MIB <= meter.written_bytes <= MIB + 16_384


def test_file_with_two_names_counts_once(tmp_path: Path) -> None:
    meter = DiskMeter([tmp_path])
    (tmp_path / "one").write_bytes(b"x" * MIB)
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    meter.count_now()
    assert meter.written_bytes <= MIB + 16_384


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    meter = DiskMeter([tmp_path])
    (tmp_path / "usr").symlink_to("/usr")
    meter.count_now()
    assert meter.written_bytes < 16_384


def _nest(folder: Path, depth: int) -> None:
    """Folders inside each other, beyond the longest path that a system opens."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep" * 50, dir_fd=here)
        inner = os.open("deep" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_folders_too_deep_to_count_are_named_as_the_command_sees_them(tmp_path: Path) -> None:
    meter = DiskMeter([tmp_path], ["/submission"])
    _nest(tmp_path, 30)
    meter.count_now()
    assert meter.uncountable is not None
    assert meter.uncountable.startswith("/submission/deepdeep")
    assert str(tmp_path) not in meter.uncountable


def test_folders_too_deep_before_the_run_are_named_by_their_path(tmp_path: Path) -> None:
    _nest(tmp_path, 30)
    meter = DiskMeter([tmp_path], ["/submission"])
    assert meter.uncountable is not None
    assert meter.uncountable.startswith(str(tmp_path))


def test_large_folder_is_counted_in_steps(tmp_path: Path) -> None:
    meter = DiskMeter([tmp_path])
    for number in range(2_500):
        (tmp_path / str(number)).touch()
    assert [meter.step(None), meter.step(None)] == [False, True]
    assert meter.written_bytes >= 2_500 * 512
