"""Where libraries register what their calls, methods and operators mean.

A handler gets the machine, the arguments as values, and the syntax node; it returns the result, or None to
leave it to the next handler and in the end to the default: a value computed from all that went in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from harness.audit.interpreter.heap import Instance
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.values import Value

    Call = Callable[[Machine, str, list[Value], dict[str, Value], ast.AST], Value | None]
    Method = Callable[[Machine, Value, str, list[Value], dict[str, Value], ast.AST], Value | None]
    Attribute = Callable[[Machine, Value, str, ast.AST], Value | None]
    Subscript = Callable[[Machine, Value, Value, ast.AST], Value | None]
    Subscripted = Callable[[Machine, Value, Value, Value, ast.AST], Value]
    Taken = Callable[[Machine, Value], Value]
    Store = Callable[[Machine, Value, Value, Value, ast.AST, bool], bool]
    AugmentedElement = Callable[[Machine, Value, Value, Value, Value, ast.AugAssign], bool]
    Computed = Callable[[Machine, object, Value, Value, Value, ast.AST], Value]
    Scored = Callable[[Machine, Value, Value, Value, ast.AST], Value]
    Iterated = Callable[[Machine, Value, dict[int, tuple[int | None, int | None]]], Value | None]
    Forwarded = Callable[[Machine, Value, Instance, list[Value], Value, ast.AST], None]

PATHS_AT_MOST = 4_096  # dotted names in memory


@dataclass(slots=True)
class Handlers:
    """All that is registered. Lists are asked in order of registration."""

    calls: dict[str, list[Call]] = field(default_factory=dict)  # by dotted name, "*.name" for any module
    methods: dict[str, list[Method]] = field(default_factory=dict)  # by method name, "*" for any
    attributes: dict[str, list[Attribute]] = field(default_factory=dict)
    subscripts: list[Subscript] = field(default_factory=list)  # before an element is read
    subscripted: list[Subscripted] = field(default_factory=list)  # after an array was indexed
    taken: list[Taken] = field(default_factory=list)  # after an element of a list or dictionary was read
    stores: list[Store] = field(default_factory=list)  # before an element is written; True: done
    augmented: list[AugmentedElement] = field(default_factory=list)  # x[i] += y; True: done
    computed: list[Computed] = field(default_factory=list)  # after arithmetic
    compared: list[Computed] = field(default_factory=list)  # after a comparison
    scored: list[Scored] = field(default_factory=list)  # after a score was made
    iterated: list[Iterated] = field(default_factory=list)  # elements of library objects
    forwarded: list[Forwarded] = field(default_factory=list)  # after a network ran


HANDLERS = Handlers()


def on_call(*names: str) -> Callable[[Call], Call]:
    """Handle calls of these dotted names; `*.name` is any module's, `a.b.*` anything below a.b."""

    def register(handler: Call) -> Call:
        handlers_of.cache_clear()
        for name in names:
            HANDLERS.calls.setdefault(name, []).append(handler)
        return handler

    return register


def on_method(*names: str) -> Callable[[Method], Method]:
    """Handle methods of these names on any object that is not an instance of a class of the script."""

    def register(handler: Method) -> Method:
        for name in names:
            HANDLERS.methods.setdefault(name, []).append(handler)
        return handler

    return register


def on_attribute(*names: str) -> Callable[[Attribute], Attribute]:
    """Handle attributes of these names."""

    def register(handler: Attribute) -> Attribute:
        for name in names:
            HANDLERS.attributes.setdefault(name, []).append(handler)
        return handler

    return register


@lru_cache(maxsize=PATHS_AT_MOST)
def handlers_of(path: str) -> tuple[Call, ...]:
    """The handlers for a call of this dotted name, the most specific first."""
    found = list(HANDLERS.calls.get(path, ()))
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found.extend(HANDLERS.calls.get(".".join(parts[:end]) + ".*", ()))
    found.extend(HANDLERS.calls.get(f"*.{parts[-1]}", ()))
    return tuple(found)
