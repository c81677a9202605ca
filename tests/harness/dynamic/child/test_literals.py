from __future__ import annotations

import ast
from typing import Any

import pytest

from harness.dynamic.child.literals import with_literals


def run(source: str, **literals: Any) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(with_literals(ast.parse(source), literals), "script", "exec"), names)
    return names


@pytest.mark.parametrize(
    "source",
    [
        "BUCKETS = 1 << 22\ngot = BUCKETS",
        "BUCKETS: int = 4 * 1024\ngot = BUCKETS",
        "class Sizes:\n    BUCKETS = 4096\ngot = Sizes.BUCKETS",
        "def f(BUCKETS=4096): return BUCKETS\ngot = f()",
        "def f(*, BUCKETS=4096): return BUCKETS\ngot = f()",
        "def f(BUCKETS): return BUCKETS\ngot = f(BUCKETS=4096)",
    ],
)
def test_a_constant_is_overridden_wherever_it_is_bound_by_name(source: str) -> None:
    assert run(source, BUCKETS=64)["got"] == 64


def test_a_computed_value_keeps_its_meaning() -> None:
    assert run("n = 3\nBUCKETS = n * 2", BUCKETS=64)["BUCKETS"] == 6


def test_a_local_variable_keeps_its_meaning() -> None:
    assert run("def f():\n    BUCKETS = 5\n    return BUCKETS\nx = f()", BUCKETS=64)["x"] == 5


def test_other_names_keep_their_constants() -> None:
    assert run("A = 1\nB = 2", A=9)["B"] == 2
