from __future__ import annotations

import ast

import pytest

from harness.code.minified_source import minified
from harness.code.syntax_nodes import SyntaxNodes


def printed(source: str) -> str:
    tree = ast.parse(source)
    text = minified(tree, SyntaxNodes(tree))
    assert text is not None
    return text.decode()


def test_comments_and_docstrings_are_dropped() -> None:
    assert printed('"""Doc."""\n# why\ndef f():\n    """Doc."""\n    return 1\n') == "def f():\n return 1"


def test_a_function_of_nothing_but_a_docstring_keeps_a_body() -> None:
    assert printed('def f():\n    """Doc."""\n') == "def f():\n pass"


def test_spaces_are_dropped_but_not_inside_strings() -> None:
    assert printed("x = [1, 2]\ny = 'a , b = c'\n") == "x=[1,2]\ny='a , b = c'"


def test_annotations_of_arguments_are_dropped() -> None:
    assert printed("def f(x: int, *y: str) -> None:\n    g(x)\n") == "def f(x,*y):\n g(x)"


def test_locals_get_short_names_and_arguments_keep_theirs() -> None:
    source = "def f(value):\n    total = value + 1\n    return total * total\n"
    assert printed(source) == "def f(value):\n a=value+1\n return a*a"


def test_a_short_name_does_not_collide_with_a_global() -> None:
    assert printed("def f():\n    total = a\n    return total\n") == "def f():\n b=a\n return b"


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    total=1\n    def g():\n        return total\n    return g",
        "def f():\n    global total\n    total=1",
        "def f():\n    total=1\n    return locals()",
        "def f():\n    import os as total\n    return total",
    ],
)
def test_names_that_others_may_look_up_stay(source: str) -> None:
    assert "total" in printed(source)


def test_what_is_printed_still_parses() -> None:
    source = (
        "class A(B):\n    def f(self, x=-1, *a, **k):\n        if not x: yield -x\n"
        "        return f'{x!r:>{k}} = {a[1:-2]}' if x != 3 else lambda q: q ** -1\n"
        "async def g(x):\n    async for y in x: x @= y; x //= 2; x = x if (z := y) else [*x, -y]\n"
    )
    ast.parse(printed(source))
