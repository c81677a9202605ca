"""Attributes that only code outside of networks sets: what one switches off stays off in a forward pass.

What a forward pass may run is every method of a class of the script, and by name all that a method speaks of.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.program import Program

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_HIDDEN = frozenset({"setattr", "exec", "eval", "__dict__", "vars", "__setattr__", "register_buffer"})
_KEPT = "set by methods"


def may_be_set_in_a_pass(program: Program, names: set[str]) -> frozenset[str]:
    """Which of these attributes a forward pass of the script could set."""
    known = program.kept.get(_KEPT)
    if not isinstance(known, frozenset):
        known = program.kept[_KEPT] = _set_by_methods(program)
    return frozenset(names) if known & _HIDDEN else frozenset(names) & known


def _set_by_methods(program: Program) -> frozenset[str]:
    functions: dict[str, list[_Function]] = {}
    todo: list[_Function] = []
    for path in program.sources:
        tree = program.tree(path) if path == program.entry or path.endswith(".py") else None
        for node in nodes_below(tree) if tree is not None else ():
            if isinstance(node, _Function):
                functions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.ClassDef):
                todo.extend(one for one in node.body if isinstance(one, _Function) and one.name != "__init__")
    seen: set[int] = set()
    found: set[str] = set()
    while todo:
        function = todo.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        for name, is_set in _named(function):
            if is_set or name in _HIDDEN:
                found.add(name)
            todo.extend(functions.get(name, ()))
    return frozenset(found)


def _named(function: _Function) -> Iterator[tuple[str, bool]]:
    """The names a function speaks of, and whether it sets an attribute of that name."""
    for node in nodes_below(function):
        if isinstance(node, ast.Attribute):
            yield node.attr, not isinstance(node.ctx, ast.Load)
        elif isinstance(node, ast.Name):
            yield node.id, False
