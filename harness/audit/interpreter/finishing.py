"""Destructors: code that runs when the last reference to an object goes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Function
from harness.audit.interpreter.objects import find_in_class

if TYPE_CHECKING:
    from harness.audit.interpreter.heap import Class
    from harness.audit.interpreter.machine import Machine

NODES_AT_MOST = 400
# Calls by which an object gives back what it holds.
_ENDING = frozenset(
    {
        *("close", "join", "shutdown", "stop", "release", "unlink", "set", "cancel", "clear", "terminate"),
        *("kill", "wait", "flush", "put", "put_nowait", "remove", "synchronize", "empty_cache", "destroy"),
        *("getattr", "hasattr", "isinstance", "is_alive", "super", "print", "free", "__del__", "__exit__"),
    }
)


def watch(machine: Machine, cls: Class, node: ast.AST) -> None:
    """Say so when the destructor of a class does more than give back what the object holds."""
    found = find_in_class(cls, "__del__")
    function = found.ref if found is not None else None
    body = function.node if isinstance(function, Function) else None
    for at, inner in enumerate(ast.walk(body) if body is not None else ()):
        if at >= NODES_AT_MOST:
            break
        if not isinstance(inner, ast.Call):
            continue
        name = inner.func.attr if isinstance(inner.func, ast.Attribute) else ast.unparse(inner.func)
        if name not in _ENDING:
            machine.cannot_see("destructor", f"{cls.name}.__del__ calls {name}"[:120], node, on_path=True)
            return
    if body is None:
        machine.cannot_see("destructor", cls.name, node, on_path=True)
