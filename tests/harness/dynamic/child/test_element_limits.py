from __future__ import annotations

import ast

import pytest

from harness.dynamic.child.element_limits import with_small_limits

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
    "written", ["t.numel() > 0", "len(t) <= 65536", "t.numel() <= limit", "t.shape[0] <= 65536"]
)
def test_other_comparisons_keep_their_numbers(written: str) -> None:
    assert small(written) == written


def test_with_tensors_of_their_own_size_limits_stay() -> None:
    assert ast.unparse(with_small_limits(ast.parse("t.numel() <= 65536"), 1.0)) == "t.numel() <= 65536"
