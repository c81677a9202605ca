"""Names that no line of the submission binds: a call of one ends the script, it hides nothing.

Anything that can bind a name by its text (star imports, `globals`, `setattr`, `exec`) makes that unknown.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.program import Program

_BINDERS = frozenset(
    {
        *("exec", "eval", "globals", "vars", "locals", "builtins", "__builtins__", "__dict__", "setattr"),
        *("__setattr__", "__import__", "importlib", "import_module", "runpy", "_getframe"),
        *("f_globals", "f_builtins", "__globals__", "__getattr__", "ModuleType", "ctypes", "cffi", "inspect"),
        *("gc", "__reduce__", "__setstate__", "*"),
    }
)
_KEPT = "bound names"


def is_bound_nowhere(program: Program, name: str) -> bool:
    """Whether no file of the submission can bind this name."""
    known = program.kept.get(_KEPT)
    if not isinstance(known, frozenset):
        known = program.kept[_KEPT] = frozenset(_bound(program))
    return name not in known and not known & _BINDERS


def _bound(program: Program) -> Iterator[str]:
    """The names that are bound anywhere, and those of the binders that are used."""
    for path in program.sources:
        if path != program.entry and not path.lower().endswith(".py"):
            continue
        tree = program.tree(path)
        if tree is None:
            yield "*"
            continue
        for node in nodes_below(tree):
            yield from _bound_by(node)


def _bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load) or node.id in _BINDERS:
            yield node.id
    elif isinstance(node, ast.Attribute) and node.attr == "modules" and isinstance(node.value, ast.Name):
        yield "*" if node.value.id.strip("_") == "sys" else node.attr
    elif isinstance(node, ast.Attribute):
        if not isinstance(node.ctx, ast.Load) or node.attr in _BINDERS - {"eval"}:  # `model.eval()`
            yield node.attr
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield from (node.asname or node.name).split(".")
        yield from node.name.split(".")
    elif isinstance(node, ast.ImportFrom) and node.module == "sys":
        yield "*"
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
