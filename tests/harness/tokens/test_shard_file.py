from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SetupError
from harness.tokens.shard_file import (
    SHARD_HEADER_BYTES,
    read_shard,
    shard_paths,
    shard_token_count,
    write_shard,
)

if TYPE_CHECKING:
    from pathlib import Path


def shard_with(path: Path, *, magic: int = 20240520, version: int = 1, count: int = 3, body: bytes) -> Path:
    header = np.zeros(256, dtype="<i4")
    header[:3] = magic, version, count
    path.write_bytes(header.tobytes() + body)
    return path


@settings(deadline=None, max_examples=30)
@given(tokens=st.lists(st.integers(0, 65535), max_size=50))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, tokens: list[int]) -> None:
    path = tmp_path_factory.mktemp("shard") / "s.bin"
    write_shard(path, np.array(tokens, dtype=np.int64))
    assert read_shard(path).tolist() == tokens


def test_a_shard_has_the_bytes_of_the_official_format(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.bin", np.array([1, 258, 65535]))
    expected = shard_with(tmp_path / "e.bin", body=b"\x01\x00\x02\x01\xff\xff").read_bytes()
    assert (tmp_path / "s.bin").read_bytes() == expected


def test_the_count_is_told_from_header_and_size(tmp_path: Path) -> None:
    assert shard_token_count(shard_with(tmp_path / "s.bin", body=b"abcdef")) == 3


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"magic": 7, "body": b"abcdef"}, "magic number is 7, not 20240520"),
        ({"version": 2, "body": b"abcdef"}, "version 2"),
        ({"count": -5, "body": b"abcdef"}, "claims -5 tokens"),
        ({"count": 2**31 - 1, "body": b"abcdef"}, r"claims 2,147,483,647 tokens = 4,294,968,318 bytes"),
        ({"count": 3, "body": b"abcde"}, r"cut short.*1,030 bytes, the file has 1,029 \(-1\)"),
        ({"count": 3, "body": b"abcd"}, r"cut short.*\(-2\)"),
        ({"count": 3, "body": b"abcdefgh"}, r"too long.*\(\+2\)"),
    ],
)
def test_a_defect_is_a_setup_error_with_numbers(tmp_path: Path, claims: dict[str, int], words: str) -> None:
    path = shard_with(tmp_path / "s.bin", **claims)  # type: ignore[arg-type]
    with pytest.raises(SetupError, match=words):
        read_shard(path)


def test_a_file_shorter_than_a_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.bin").write_bytes(b"x" * 1023)
    with pytest.raises(SetupError, match=f"1,023 bytes, shorter than the {SHARD_HEADER_BYTES:,}"):
        shard_token_count(tmp_path / "s.bin")


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.bin")
    with pytest.raises(SetupError, match="not a regular file"):
        read_shard(tmp_path / "s.bin")


def test_a_missing_shard_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="No such file"):
        read_shard(tmp_path / "s.bin")


@pytest.mark.parametrize("tokens", [[-1], [65536]])
def test_ids_that_uint16_cannot_hold_are_refused(tmp_path: Path, tokens: list[int]) -> None:
    with pytest.raises(SetupError, match=r"0\.\.65535"):
        write_shard(tmp_path / "s.bin", np.array(tokens))
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(SetupError, match="No space left"):
        write_shard(tmp_path / "s.bin", np.array([1]))
    assert not list(tmp_path.iterdir())


def test_shards_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        write_shard(tmp_path / f"fineweb_train_{number:06d}.bin", np.array([number]))
    write_shard(tmp_path / "fineweb_val_000000.bin", np.array([9]))
    names = [path.name[-5] for path in shard_paths(tmp_path, "train")]
    assert names == ["0", "1", "2"]


def test_a_folder_without_the_split_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no fineweb_val_\*\.bin.*golf-data"):
        shard_paths(tmp_path, "val")
