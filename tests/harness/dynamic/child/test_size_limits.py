from __future__ import annotations

import ast

import pytest

from harness.dynamic.child.size_limits import with_small_limits

SCALE = 1 / 64


def small(expression: str) -> str:
    return ast.unparse(with_small_limits(ast.parse(expression), SCALE))


@pytest.mark.parametrize(
    ("written", "shrunk"),
    [
        ("t.numel() <= 65536", "t.numel() <= 1024"),
        ("65536 < module.weight.numel()", "1024 < module.weight.numel()"),
        ("1024 <= t.numel() <= 8192", "16 <= t.numel() <= 128"),
    ],
)
def test_a_limit_on_elements_shrinks_with_the_tensors(written: str, shrunk: str) -> None:
    assert small(written) == shrunk


@pytest.mark.parametrize(
    ("written", "shrunk"),
    [
        ("module.weight.shape[0] >= 64", "module.weight.shape[0] >= 8"),
        ("64 <= weight.size(1)", "8 <= weight.size(1)"),
    ],
)
def test_a_limit_on_a_side_of_a_weight_shrinks_by_the_root(written: str, shrunk: str) -> None:
    assert small(written) == shrunk


@pytest.mark.parametrize(
    "written",
    [
        "weight.shape[0] == 1",
        "rows.shape[0] >= 64",
        "weight.stride(0) >= 64",
        "t.numel() > 0",
        "len(t) <= 65536",
        "t.numel() <= limit",
        "t.shape[0] <= 65536",
    ],
)
def test_other_comparisons_keep_their_numbers(written: str) -> None:
    assert small(written) == written


def test_with_tensors_of_their_own_size_limits_stay() -> None:
    assert ast.unparse(with_small_limits(ast.parse("t.numel() <= 65536"), 1.0)) == "t.numel() <= 65536"
