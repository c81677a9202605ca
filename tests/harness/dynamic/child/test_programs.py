from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from harness.dynamic.child.facade.programs import AnsweredProcess, answer

if TYPE_CHECKING:
    from pathlib import Path


def test_nvidia_smi_shows_an_h100() -> None:
    assert b"H100" in answer(["nvidia-smi"], b"")[1]


def test_what_lrzip_packs_it_unpacks(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights" * 500)
    assert answer(["lrzip", "-z", "-L", "9", "-o", f"{tmp_path}/m.lrz", f"{tmp_path}/model"], b"")[0] == 0
    assert answer(["lrzip", "-d", "-f", "-o", f"{tmp_path}/back", f"{tmp_path}/m.lrz"], b"")[0] == 0
    assert (tmp_path / "back").read_bytes() == b"weights" * 500
    assert (tmp_path / "m.lrz").stat().st_size < 500


def test_lrzip_without_its_file_fails_as_a_program_does() -> None:
    assert answer(["lrzip", "nothing-here"], b"")[0] == 1


def test_pyminify_gives_the_text_back(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    assert answer(["pyminify", "--rename-globals", f"{tmp_path}/a.py"], b"")[1] == b"x = 1\n"


def test_another_program_is_refused_and_named() -> None:
    status, _, error = answer(["curl", "http://example.org"], b"")
    assert (status, error.split(b":")[0]) == (1, b"curl")


def test_output_is_text_where_text_was_asked_for() -> None:
    process = AnsweredProcess(["nvidia-smi"], stdout=subprocess.PIPE, text=True)
    assert isinstance(process.communicate()[0], str)


def test_a_program_reads_what_it_is_given() -> None:
    process = AnsweredProcess(["pyminify", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.communicate(b"y = 2\n")[0] == b"y = 2\n"


def test_a_package_that_is_here_needs_no_installing() -> None:
    assert answer(["python", "-m", "pip", "install", "-q", "numpy>=1.26"], b"")[0] == 0


def test_a_package_that_is_not_here_cannot_be_installed() -> None:
    assert answer(["python", "-m", "pip", "install", "no-such-package"], b"")[0] == 1
