"""Local variables that are constants: bound once in their function, to a number, and nowhere else."""

from __future__ import annotations

import ast
from collections import Counter


def local_constants(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.Assign]:
    """The statements that bind them, one name each; a parameter is none.

    A name that an inner function binds too, or declares `nonlocal` or `global`, may be changed there.
    """
    bound: Counter[str] = Counter()
    statements: list[ast.Assign] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            bound[node.id] += 1
        elif isinstance(node, ast.arg):
            bound[node.arg] += 1
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            bound.update(name for name in node.names for _ in range(2))
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
            and type(node.value.value) in {int, float}
        ):
            statements.append(node)
    return [
        one for one in statements if isinstance(one.targets[0], ast.Name) and bound[one.targets[0].id] == 1
    ]
