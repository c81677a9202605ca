from __future__ import annotations

import types
from typing import Any

import pytest
import torch

from harness.dynamic.child.facade import triton_language
from harness.dynamic.child.facade.triton_package import Config, Kernel, TensorDescriptor, autotune, jit

tl: Any = types.SimpleNamespace(**triton_language._NAMES)


@jit
def softmax_rows(out, given, columns, row_stride, size: Any):  # type: ignore[no-untyped-def]
    row = tl.program_id(0)
    place = tl.arange(0, size)
    mask = place < columns
    x = tl.load(given + row * row_stride + place, mask=mask, other=-float("inf"))
    e = tl.exp(x - tl.max(x, axis=0))
    tl.store(out + row * row_stride + place, e / tl.sum(e, axis=0), mask=mask)


def test_a_kernel_of_rows_computes_what_torch_computes() -> None:
    given = torch.randn(7, 10)
    out = torch.zeros_like(given)
    softmax_rows[(7,)](out, given, 10, given.stride(0), size=16, num_warps=4)
    torch.testing.assert_close(out, given.softmax(-1))


@jit
def product(a, b, c, rows, columns, inner, by: Any, sms: Any):  # type: ignore[no-untyped-def]
    tiles = tl.cdiv(columns, by)
    for tile in tl.range(tl.program_id(0), tl.cdiv(rows, by) * tiles, sms):
        row, column = tile // tiles * by, tile % tiles * by
        total = tl.zeros((by, by), dtype=tl.float32)
        for step in range(tl.cdiv(inner, by)):
            total = tl.dot(a.load([row, step * by]), b.load([column, step * by]).T, total)
        c.store([row, column], total)


@pytest.mark.parametrize("sms", [64, 4, 1])
def test_a_tiled_product_is_the_product_however_tiles_are_shared_out(sms: int) -> None:
    a, b, c = torch.randn(20, 12), torch.randn(9, 12), torch.zeros(20, 9)
    described = [TensorDescriptor.from_tensor(each, [8, 8]) for each in (a, b, c)]
    product[lambda meta: (min(meta["sms"], 6),)](*described, 20, 9, 12, by=8, sms=sms)
    torch.testing.assert_close(c, a @ b.T)


@jit
def halves_of_even_programs(out):  # type: ignore[no-untyped-def]
    number = tl.program_id(0)
    tl.store(out + number, number)
    if number % 2 == 0:
        tl.store(out + number, number // 2)


def test_programs_that_branch_differently_run_one_by_one() -> None:
    out = torch.zeros(6, dtype=torch.int64)
    halves_of_even_programs[(6,)](out)
    assert out.tolist() == [0, 1, 1, 3, 2, 5]


@jit
def counted_then_branched(out):  # type: ignore[no-untyped-def]
    tl.atomic_add(out, 1)
    if tl.program_id(0) > 2:
        tl.atomic_add(out, 10)


def test_what_was_written_before_a_branch_is_not_written_twice() -> None:
    out = torch.zeros(1, dtype=torch.int64)
    counted_then_branched[(5,)](out)
    assert out.item() == 25


@jit
def copied(out, given, size: Any):  # type: ignore[no-untyped-def]
    place = tl.program_id(0) * size + tl.arange(0, size)
    tl.store(out + place, tl.load(given + place))


def test_a_pointer_starts_at_the_first_element_of_a_view() -> None:
    whole, out = torch.arange(12.0), torch.zeros(4)
    copied[(2,)](out, whole[4:8], size=2)
    assert out.tolist() == [4.0, 5.0, 6.0, 7.0]


def test_autotune_gives_the_constants_of_its_first_choice() -> None:
    out = torch.zeros(4)
    tuned = autotune([Config({"size": 2}), Config({"size": 4})], key=[])(Kernel(copied.fn))
    tuned[lambda meta: (4 // meta["size"],)](out, torch.arange(4.0))
    assert out.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_what_is_not_played_is_named() -> None:
    with pytest.raises(AttributeError, match="inline_asm"):
        triton_language._unknown("inline_asm")
