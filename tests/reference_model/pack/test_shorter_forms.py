from __future__ import annotations

import sys

import pytest

from harness.code.source_code import read_code
from harness.errors import SetupError
from harness.folder_tree import FolderTree
from reference_model.pack.minify import minified
from reference_model.pack.self_extracting import self_extracting
from tests.reference_model.pack.packages import output

PROGRAM = '''"""Says."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Which."""

    FIRST = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    kind: Kind = Kind.FIRST
    long_field_name: int = 3


def long_function_name(chosen: Chosen, *, keyword_of_it: int = 2) -> int:
    """Adds."""
    local_value = chosen.long_field_name + keyword_of_it
    assert local_value  # stays
    return local_value


def main() -> None:
    types = typing.get_type_hints(Chosen)
    print(types["kind"].__name__, long_function_name(Chosen(), keyword_of_it=4), type(Chosen()).__name__)


if __name__ == "__main__":
    main()
'''


def test_the_minified_program_is_shorter_and_says_the_same(tmp_path):
    text = minified(PROGRAM)
    assert len(text) < 0.7 * len(PROGRAM)
    assert output(text, tmp_path) == "Kind 7 Chosen\n"


def test_minifying_keeps_class_names_field_types_and_asserts():
    text = minified(PROGRAM)
    assert "class Chosen" in text
    assert "kind:Kind" in text
    assert "assert " in text


def test_minifying_without_the_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "python_minifier", None)
    with pytest.raises(SetupError, match=r"pip install 'golf-harness\[pack\]'"):
        minified(PROGRAM)


@pytest.mark.parametrize("program", [PROGRAM, PROGRAM + "# filler\n" * 2000, "print('Kind 7 Chosen')\n"])
def test_the_self_extracting_program_says_the_same(program, tmp_path):
    assert output(self_extracting(program), tmp_path) == "Kind 7 Chosen\n"


def test_golf_check_reads_the_program_inside_the_stub_and_counts_the_file_as_shipped(tmp_path):
    text = self_extracting(PROGRAM)
    (tmp_path / "train_gpt.py").write_text(text)
    tree = FolderTree(tmp_path)
    code = read_code(tree, tree.entries())
    assert code.entry.text == PROGRAM
    assert code.entry.unpacked
    assert code.shipped_bytes == len(text.encode())
    assert code.problems == ()
