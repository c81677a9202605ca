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


def local(source: str, **literals: Any) -> Any:
    names: dict[str, Any] = {}
    exec(compile(with_literals(ast.parse(source), {}, literals), "script", "exec"), names)
    return names["got"]


def test_a_constant_that_a_function_binds_once_is_overridden_where_that_is_asked_for() -> None:
    assert local("def f():\n    ttt_batch = 16\n    return ttt_batch\ngot = f()", ttt_batch=2) == 2


@pytest.mark.parametrize(
    "body",
    [
        "n = 16\n    n += 1",
        "n = 16\n    for n in (17,): pass",
        "n = 16 + one",
        "n = 16\n    def g():\n        nonlocal n\n        n = 17\n    g()",
    ],
)
def test_a_local_variable_that_changes_keeps_its_meaning(body: str) -> None:
    assert local(f"one = 1\ndef f():\n    {body}\n    return n\ngot = f()", n=2) in {16, 17}


def test_an_attribute_that_a_method_sets_once_is_overridden_too() -> None:
    source = "class Cache:\n    def __init__(self):\n        self.BUCKETS = 1 << 22\ngot = Cache().BUCKETS"
    assert local(source, BUCKETS=128) == 128


def test_an_attribute_of_another_object_keeps_its_meaning() -> None:
    source = "class A: pass\ndef f(other):\n    other.BUCKETS = 4096\n    return other.BUCKETS\ngot = f(A())"
    assert local(source, BUCKETS=128) == 4096
