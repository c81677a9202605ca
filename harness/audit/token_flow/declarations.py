"""What decorators, bases and annotations declare of functions and classes, read from the syntax alone."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow.objects import FunctionKind

if TYPE_CHECKING:
    from harness.audit.token_flow.objects import ClassOf

_BY_DECORATOR = {
    "property": FunctionKind.PROPERTY,
    "cached_property": FunctionKind.PROPERTY,
    "staticmethod": FunctionKind.STATIC,
    "classmethod": FunctionKind.OF_CLASS,
    "contextmanager": FunctionKind.CONTEXT,
    "asynccontextmanager": FunctionKind.CONTEXT,
}
_RECORDS = ("dataclass", "NamedTuple")


def last_name(node: ast.expr) -> str:
    """`name` of `module.name` or `module.name(...)`."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def kind_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> FunctionKind | None:
    """What its decorators make of a function."""
    for decorator in node.decorator_list:
        kind = _BY_DECORATOR.get(last_name(decorator))
        if kind is not None:
            return kind
    return None


def is_record(node: ast.ClassDef) -> bool:
    """Whether its annotations are its fields: a dataclass, a named tuple."""
    return any(last_name(each) in _RECORDS for each in (*node.decorator_list, *node.bases))


def fields_of(node: ast.ClassDef, bases: tuple[ClassOf, ...]) -> tuple[tuple[str, ast.expr | None], ...]:
    """Names of the fields with their defaults, those of the bases first."""
    fields = {name: default for base in reversed(bases) for name, default in base.fields or ()}
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            fields[each.target.id] = each.value
    return tuple(fields.items())
