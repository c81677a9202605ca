"""Results are bytes of a plain file of their own, or a reason."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from harness.sandbox.sealed_files import UnsafeResultError, read_sealed, seal_copy, sealed_digest


def test_plain_file_is_read_and_digested(tmp_path: Path) -> None:
    (tmp_path / "artifact.bin").write_bytes(b"weights")
    sealed = sealed_digest(tmp_path, "artifact.bin", 7)
    assert read_sealed(tmp_path, "artifact.bin", 7) == b"weights"
    assert (sealed.size_bytes, sealed.sha256) == (7, hashlib.sha256(b"weights").hexdigest())


def test_file_over_its_cap_is_refused_with_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "artifact.bin").write_bytes(b"weights")
    with pytest.raises(UnsafeResultError, match="has 7 bytes, 1 over the 6 allowed"):
        read_sealed(tmp_path, "artifact.bin", 6)


def test_sparse_file_of_a_terabyte_is_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "artifact.bin").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UnsafeResultError, match="allowed"):
        read_sealed(tmp_path, "artifact.bin", 2**24)


def test_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsafeResultError, match=r"artifact\.bin was not written"):
        read_sealed(tmp_path, "artifact.bin", 10)


def test_second_name_of_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the answer")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "artifact.bin").hardlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeResultError, match="2 names"):
        read_sealed(tmp_path / "out", "artifact.bin", 100)


def test_folder_that_became_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "artifact.bin").write_bytes(b"x")
    (tmp_path / "out").symlink_to(tmp_path / "host")
    with pytest.raises(UnsafeResultError, match="not a folder of its own"):
        read_sealed(tmp_path / "out", "artifact.bin", 100)


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "artifact.bin").mkdir()
    with pytest.raises(UnsafeResultError, match="not a regular file"):
        read_sealed(tmp_path, "artifact.bin", 100)


def test_device_in_place_of_the_file_is_refused() -> None:
    with pytest.raises(UnsafeResultError, match="not a regular file"):
        read_sealed(Path("/dev"), "zero", 100)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "a//b", "a/../b", "a\0b"])
def test_path_that_leads_elsewhere_is_our_own_mistake(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not the path of a result"):
        read_sealed(tmp_path, name, 100)


def test_result_in_a_folder_is_read_and_a_linked_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model").write_bytes(b"weights")
    assert read_sealed(tmp_path, "out/model", 100) == b"weights"
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(UnsafeResultError, match="link is not a folder of its own"):
        read_sealed(tmp_path, "link/model", 100)


def test_seal_is_a_read_only_copy_and_set_once(tmp_path: Path) -> None:
    (tmp_path / "artifact.bin").write_bytes(b"weights")
    target = tmp_path / "sealed.bin"
    seal_copy(tmp_path, "artifact.bin", 100, target)
    (tmp_path / "artifact.bin").write_bytes(b"changed after sealing")
    assert target.read_bytes() == b"weights"
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    with pytest.raises(FileExistsError):
        seal_copy(tmp_path, "artifact.bin", 100, target)


def test_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "artifact.bin"
    file.write_bytes(b"weights")
    real = os.read

    def read_and_grow(descriptor: int, count: int) -> bytes:
        with file.open("ab") as more:
            more.write(b"+")
        return real(descriptor, count)

    monkeypatch.setattr(os, "read", read_and_grow)
    with pytest.raises(UnsafeResultError, match="grew while it was read"):
        read_sealed(tmp_path, "artifact.bin", 100)
