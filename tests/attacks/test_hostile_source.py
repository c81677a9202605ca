"""Source and wrappers made to kill, fill or fool whoever reads them: each gives a problem, never a crash."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import os
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest
import zstandard

from harness.code import source_code
from harness.code.guarded_process import Guard
from harness.code.source_code import read_code
from harness.folder_tree import FolderTree

if TYPE_CHECKING:
    from pathlib import Path

    from harness.submission import Code

ZEROS = bytes(64 * 2**20)


def code_of(folder: Path, script: str | bytes, **files: bytes) -> Code:
    (folder / "train_gpt.py").write_bytes(script.encode() if isinstance(script, str) else script)
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    tree = FolderTree(folder)
    return read_code(tree, tree.entries())


def kinds(code: Code) -> list[str]:
    return [problem.kind for problem in code.problems]


@pytest.mark.parametrize(
    "script",
    [
        "x = " + "(" * 5_000 + "1" + ")" * 5_000,
        "x = " + "-" * 100_000 + "1",
        "x = 1" + " + 1" * 200_000,
        "x = " + "[" * 10_000 + "]" * 10_000,
        "x" + ".a" * 100_000,
        "f" + "(1)" * 50_000,
        "".join(" " * n + "if 1:\n" for n in range(500)) + " " * 500 + "pass",
        "lambda: " * 50_000 + "1",
        "x = f'" + "{f'" * 200 + "'}" * 200 + "'",
        "x = " + "9" * 100_000,
        "x = '\\N{" + "A" * 100_000 + "}'",
    ],
    ids=[
        "parentheses",
        "minus",
        "plus",
        "brackets",
        "dots",
        "calls",
        "blocks",
        "lambdas",
        "f-strings",
        "digits",
        "name",
    ],
)
def test_a_script_that_kills_the_parser_is_a_problem_of_the_script(tmp_path: Path, script: str) -> None:
    code = code_of(tmp_path, script)
    assert code.entry is not None
    assert code.entry.shipped_bytes == len(script)
    assert set(kinds(code)) <= {"unparseable", "bomb"}


def test_a_line_of_100_megabytes_is_not_even_read(tmp_path: Path) -> None:
    code = code_of(tmp_path, b"x = '" + b"a" * 100_000_000 + b"'\n")
    assert kinds(code) == ["too-large"]
    assert code.entry is not None
    assert code.entry.shipped_bytes == 100_000_007


def test_a_null_byte_is_unparseable(tmp_path: Path) -> None:
    assert kinds(code_of(tmp_path, b"x = 1\x00\n")) == ["unparseable"]


def test_random_bytes_are_unparseable(tmp_path: Path) -> None:
    assert kinds(code_of(tmp_path, os.urandom(5_000).replace(b"\x00", b"\xff"))) == ["unparseable"]


def test_a_utf7_cookie_hides_nothing(tmp_path: Path) -> None:
    hidden = "import tilt\n".encode("utf-7").replace(b"tilt", b"+AHQ-ilt")
    code = code_of(tmp_path, b"# coding: utf-7\n" + hidden, tilt__py=b"x = 1\n")
    assert [source.path for source in code.closure] == ["tilt.py"]
    assert code.entry is not None
    assert "import tilt" in (code.entry.text or "")


def test_full_width_letters_hide_no_exec(tmp_path: Path) -> None:
    packed = base64.b85encode(zlib.compress(b"print('what really runs')\n" * 9)).decode()
    code = code_of(tmp_path, f"import zlib,base64\nｅｘｅｃ(zlib.decompress(base64.b85decode({packed!r})))\n")
    assert code.entry is not None
    assert code.entry.layers == ("base85", "zlib")


@pytest.mark.parametrize("cookie", ["latin-1", "rot13", "hex", "no-such-codec", "idna", "unicode_escape"])
def test_a_strange_cookie_does_not_crash(tmp_path: Path, cookie: str) -> None:
    code = code_of(tmp_path, f"# coding: {cookie}\nx = 'é'\n".encode("latin-1"))
    assert code.entry is not None


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    code = code_of(tmp_path, b"\xef\xbb\xbfimport os\n")
    assert code.entry is not None
    assert (code.entry.text, code.entry.parses, code.problems) == ("import os\n", True, ())


def test_a_form_feed_does_not_shift_lines(tmp_path: Path) -> None:
    code = code_of(tmp_path, "import os\n\x0c\nimport tilt\n", tilt__py=b"x = 1\n")
    assert code.closure[0].reached_from is not None
    assert code.closure[0].reached_from.line == 3


@pytest.mark.parametrize(
    ("call", "packed"),
    [
        ("lzma.decompress", lzma.compress(ZEROS)),
        ("zlib.decompress", zlib.compress(ZEROS)),
        ("gzip.decompress", gzip.compress(ZEROS)),
        ("bz2.decompress", bz2.compress(ZEROS)),
        ("zstandard.decompress", zstandard.compress(ZEROS)),
        ("brotli.decompress", brotli.compress(ZEROS, quality=1)),
    ],
    ids=lambda value: value.partition(".")[0] if isinstance(value, str) else "",
)
def test_a_compression_bomb_is_stopped_and_named(tmp_path: Path, call: str, packed: bytes) -> None:
    text = base64.b85encode(packed).decode()
    code = code_of(
        tmp_path, f"import {call.partition('.')[0]},base64\nexec({call}(base64.b85decode({text!r})))\n"
    )
    assert kinds(code) == ["bomb"]
    assert "16,777,216" in code.problems[0].message


def test_a_huge_lzma_dictionary_is_refused(tmp_path: Path) -> None:
    filters = "[{'id':lzma.FILTER_LZMA2,'dict_size':4000000000}]"
    script = f"import lzma\nexec(lzma.decompress(b'x'*99,format=lzma.FORMAT_RAW,filters={filters}))\n"
    assert kinds(code_of(tmp_path, script)) == ["bomb"]


def test_a_text_that_grows_by_repetition_is_not_built(tmp_path: Path) -> None:
    code = code_of(tmp_path, "s = 'a' * 10**10\nt = s.replace('a', 'b' * 10**6)\nexec(t)\n")
    assert kinds(code) == ["undecodable"]


def test_a_loop_without_end_is_not_followed(tmp_path: Path) -> None:
    code = code_of(tmp_path, "def f(n): return f(n + 1)\nwhile True: f(0)\nexec(f(0))\n")
    assert code.entry is not None


def wrapped(script: str, times: int) -> str:
    """The script inside this many self-extracting wrappers."""
    for _ in range(times):
        script = f"import zlib\nexec(zlib.decompress({zlib.compress(script.encode())!r}))\n"
    return script


def test_wrappers_inside_wrappers_end_at_the_cap(tmp_path: Path) -> None:
    innermost = "import torch\nprint('the innermost program of all of them')\n"
    code = code_of(tmp_path, wrapped(innermost, times=12))
    assert kinds(code) == ["undecodable"]
    assert "more than 8 wrappers" in code.problems[0].message


def test_a_wrapper_that_unpacks_to_itself_ends(tmp_path: Path) -> None:
    code = code_of(tmp_path, "exec(open(__file__).read())\n")
    assert code.entry is not None


def test_files_that_import_each_other_end(tmp_path: Path) -> None:
    code = code_of(tmp_path, "import a\n", a__py=b"import b, train_gpt\n", b__py=b"import a\n")
    assert [source.path for source in code.closure] == ["a.py", "b.py"]


def test_nothing_of_the_script_is_executed(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    script = f"import os,pathlib\npathlib.Path({str(witness)!r}).write_text('ran')\nexec('import os')\n"
    code_of(tmp_path, script, sitecustomize__py=script.encode(), lzma__py=script.encode())
    assert not witness.exists()


def test_a_path_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("token = 1\n")
    folder = tmp_path / "entry"
    folder.mkdir()
    code = code_of(folder, "exec(open('../secret.py').read())\nexec(open('/etc/passwd').read())\n")
    assert code.closure == ()


def test_a_script_that_outlasts_the_reader_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_code, "GUARD", Guard(wall_seconds=0.001))
    code = code_of(tmp_path, "x = 1\n" * 50_000)
    assert kinds(code) == ["bomb"]
    assert code.entry is not None
    assert (code.entry.path, code.entry.text) == ("train_gpt.py", None)
