from __future__ import annotations

import ast
from typing import Any

import pytest

from harness.dynamic.child.capture.source_hooks import HookNames, hooked


class _Heard:
    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def hooks(self, names: HookNames) -> dict[str, Any]:
        def added(site: str, op: str, before: Any, value: Any) -> Any:
            self.said.append(("added", site, op, before, value))
            return value

        def reduced(site: str, obj: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            self.said.append(("reduced", name))
            return getattr(obj, name)(*args, **kwargs)

        def summed(site: str, func: Any, *args: Any, **kwargs: Any) -> Any:
            self.said.append(("summed",))
            return func(*args, **kwargs)

        def formatted(value: Any) -> Any:
            self.said.append(("formatted", value))
            return value

        def printed(func: Any, *args: Any, **kwargs: Any) -> Any:
            return func(*args, **kwargs)

        return {
            names.added: added, names.reduced: reduced, names.summed: summed,
            names.formatted: formatted, names.printed: printed,
        }  # fmt: skip


def _run(source: str) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    names, heard = HookNames(), _Heard()
    withdraw = names.publish(heard.hooks(names))
    space: dict[str, Any] = {}
    try:
        exec(compile(hooked(ast.parse(source), "/a/b/script.py", names), "script.py", "exec"), space)
    finally:
        withdraw()
    return space, heard.said


@pytest.mark.parametrize(
    ("source", "result", "said"),
    [
        ("x = 1.0\nx += 2.5", 3.5, ("added", "script.py:2:0 x", "+", 1.0, 2.5)),
        ("x = 1.0\nx -= 2.5", -1.5, ("added", "script.py:2:0 x", "-", 1.0, 2.5)),
        ("x = 1.0\nx = x + 2.5", 3.5, ("added", "script.py:2:0 x", "+", 1.0, 2.5)),
        ("s = [1.0]\ns[0] += 2.5\nx = s[0]", 3.5, ("added", "script.py:2:0 s[0]", "+", 1.0, 2.5)),
        (
            "s = [1.0]\ns[len(s) - 1] += 2.5\nx = s[0]",
            3.5,
            ("added", "script.py:2:0 s[len(s) - 1]", "+", None, 2.5),
        ),
        ("import numpy as np\nx = np.ones(3).sum()", 3.0, ("reduced", "sum")),
        ("import numpy as np\nx = np.mean(np.ones(3))", 1.0, ("reduced", "mean")),
        ("x = sum(v for v in (1.0, 2.0))", 3.0, ("summed",)),
        ("v = 1.25\nx = f'{v:.1f}'", "1.2", ("formatted", 1.25)),
    ],
)
def test_a_hook_hears_the_value_and_the_script_gets_it(
    source: str, result: Any, said: tuple[Any, ...]
) -> None:
    space, heard = _run(source)
    assert space["x"] == result
    assert said in heard


def test_lines_of_errors_stay_those_of_the_script() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _run("x = 0.0\n\nx += (1 /\n  0)")
    assert caught.traceback[-1].lineno + 1 == 3


def test_a_call_of_super_and_a_kernel_are_left_alone() -> None:
    source = """
class A:
    def sum(self): return 1
class B(A):
    def sum(self): return super().sum() + 1
def jit(f): return f
@jit
def kernel(x):
    x += 1
    return x
x = B().sum() + kernel(1)
"""
    space, heard = _run(source)
    assert space["x"] == 4
    assert not [each for each in heard if each[0] == "added"]


def test_hooks_have_other_names_in_every_run() -> None:
    assert HookNames().added != HookNames().added
