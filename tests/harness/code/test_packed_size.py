from __future__ import annotations

import base64
import lzma
import random

import pytest

from harness.code.packed_size import PACK_LIMIT_BYTES, STUB, base85_length, packed_size

PROGRAM = b"import torch\n" + b"".join(b"x%d = torch.zeros(%d)\n" % (n, n * n) for n in range(400))


def test_the_size_is_that_of_a_wrapper_one_could_write() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 2**16}]
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


def test_a_comment_costs_bytes_like_any_other_text() -> None:
    commented = "x = 1\n" + "".join(f"# note {n * n * n}\n" for n in range(500))
    without = packed_size([b"x = 1\n"])
    kept = packed_size([commented.encode()])
    assert without is not None
    assert kept is not None
    assert kept > without + 1_000
