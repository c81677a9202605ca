from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.imported_packages import imported_packages, required_packages
from tests.builders import make_submission

if TYPE_CHECKING:
    from pathlib import Path


def test_an_import_inside_a_function_is_found_with_its_line(tmp_path: Path) -> None:
    source = "import os\n\n\ndef load():\n    import brotli\n    return brotli, os\n"
    (package,) = imported_packages(make_submission(tmp_path, train_gpt__py=source))
    assert (package.name, package.place.file, package.place.line) == ("brotli", "train_gpt.py", 5)


def test_the_standard_library_and_own_modules_are_no_packages(tmp_path: Path) -> None:
    source = "import json\nfrom kernels_of_mine import fast\n"
    submission = make_submission(tmp_path, train_gpt__py=source, kernels_of_mine__py="fast = 1\n")
    assert imported_packages(submission) == ()


def test_a_script_that_does_not_parse_is_read_line_by_line(tmp_path: Path) -> None:
    source = "import brotli\nprint('x'\n"
    (package,) = imported_packages(make_submission(tmp_path, train_gpt__py=source))
    assert (package.name, package.place.line) == ("brotli", 1)


def test_requirement_names_lose_versions_and_options(tmp_path: Path) -> None:
    lines = "--extra-index-url https://example.org/simple\nFlash-Attn==2.6\n# brotli later\nzstandard>=0.22\n"
    submission = make_submission(tmp_path, requirements__txt=lines)
    assert required_packages(submission) == ("flash_attn", "zstandard")
