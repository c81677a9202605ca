from __future__ import annotations

import ast
import base64
import lzma
import random

import pytest

from harness.packed_size import PACK_LIMIT_BYTES, STUB, base85_length, packed_size, without_comments
from harness.syntax_nodes import SyntaxNodes

PROGRAM = b"import torch\n" + b"".join(b"x%d = torch.zeros(%d)\n" % (n, n * n) for n in range(400))


def printed(source: str) -> str:
    tree = ast.parse(source)
    text = without_comments(tree, SyntaxNodes(tree))
    assert text is not None
    return text.decode()


def test_the_size_is_that_of_a_wrapper_one_could_write() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 2**16}]
    packed = base64.b85encode(lzma.compress(PROGRAM, format=lzma.FORMAT_RAW, filters=filters)).decode()
    assert packed_size([PROGRAM]) == len(STUB.replace('""', f'"{packed}"'))


def test_nothing_packs_to_nothing() -> None:
    assert packed_size([]) is None
    assert packed_size([b" \n"]) is None


def test_more_than_an_artifact_is_not_packed() -> None:
    assert packed_size([bytes(PACK_LIMIT_BYTES), b"x"]) is None


def test_noise_does_not_shrink() -> None:
    noise = random.Random(1).randbytes(10_000)
    assert packed_size([noise]) >= 12_500


@pytest.mark.parametrize("size", range(9))
def test_base85_length_is_exact(size: int) -> None:
    assert base85_length(size) == len(base64.b85encode(bytes(size)))


def test_comments_and_docstrings_are_dropped() -> None:
    assert printed('"""Doc."""\n# why\ndef f():\n    """Doc."""\n    return 1\n') == "def f():\n return 1"


def test_a_function_of_nothing_but_a_docstring_keeps_a_body() -> None:
    assert printed('def f():\n    """Doc."""\n') == "def f():\n pass"


def test_what_is_printed_is_the_same_program() -> None:
    source = "class A:\n    def f(self, x=1):\n        if x:\n            return [y for y in 'a  b']\n"
    assert ast.dump(ast.parse(printed(source))) == ast.dump(ast.parse(source))


def test_a_comment_costs_bytes_until_it_is_dropped() -> None:
    commented = "x = 1\n" + "".join(f"# note {n * n * n}\n" for n in range(500))
    without = packed_size([printed(commented).encode()])
    kept = packed_size([commented.encode()])
    assert without is not None
    assert kept is not None
    assert kept > without + 1_000
