"""Constants that a function binds: a local variable or an attribute of `self`, once, to a number."""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def local_constants(
    function: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[tuple[str, ast.Assign]]:
    """Name and statement of each.

    A parameter is none, nor a name that is bound twice, that an inner function binds too, or that is declared
    `nonlocal` or `global`: it may be changed there.
    """
    bound: Counter[str] = Counter()
    statements: list[tuple[str, str, ast.Assign]] = []
    for node in ast.walk(function):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            bound[ast.unparse(node)] += 1
        elif isinstance(node, ast.arg):
            bound[node.arg] += 1
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            bound.update(name for name in node.names for _ in range(2))
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and _is_number(node.value):
            name = _name(node.targets[0])
            if name is not None:
                statements.append((name, ast.unparse(node.targets[0]), node))
    for name, whole, statement in statements:
        if bound[whole] == 1:
            yield name, statement


def _is_number(value: ast.expr) -> bool:
    """Written down, or arithmetic of such: `1 << 22`."""
    if isinstance(value, ast.BinOp):
        return _is_number(value.left) and _is_number(value.right)
    return isinstance(value, ast.Constant) and type(value.value) in {int, float}


def _name(target: ast.expr) -> str | None:
    """Of a variable, or of an attribute of `self`."""
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
        return target.attr
    return None
