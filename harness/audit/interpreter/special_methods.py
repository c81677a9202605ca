"""Methods the language calls by itself: operators, comparisons, truth, length, text."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Alternatives, Instance
from harness.audit.interpreter.objects import find_in_class

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.values import Value

OPTIONS_AT_MOST = 4

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.MatMult: "matmul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
}
_COMPARISONS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Eq: ("__eq__", "__eq__"),
    ast.NotEq: ("__ne__", "__ne__"),
    ast.Lt: ("__lt__", "__gt__"),
    ast.LtE: ("__le__", "__ge__"),
    ast.Gt: ("__gt__", "__lt__"),
    ast.GtE: ("__ge__", "__le__"),
}
_UNARY: dict[type[ast.AST], str] = {ast.USub: "__neg__", ast.UAdd: "__pos__", ast.Invert: "__invert__"}


def special(
    machine: Machine, value: Value, names: tuple[str, ...], args: list[Value], node: ast.AST
) -> Value | None:
    """What the first of these methods returns; None when the value's class has none of them."""
    ref = value.ref
    if isinstance(ref, Alternatives):
        found = None
        for option in ref.options[:OPTIONS_AT_MOST]:
            one = special(machine, option, names, args, node)
            if one is not None:
                found = one if found is None else machine.join(found, one)
        return found
    if not isinstance(ref, Instance) or ref.cls is None:
        return None
    for name in names:
        method = find_in_class(ref.cls, name)
        if method is not None and method.ref is not None:
            return machine.call(method, [value, *args], {}, node)
    return None


def binary(machine: Machine, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Value | None:
    """`left op right` by the methods of either side."""
    name = _OPERATORS.get(type(op))
    if name is None or (left.ref is None and right.ref is None):
        return None
    found = special(machine, left, (f"__{name}__",), [right], node)
    return found if found is not None else special(machine, right, (f"__r{name}__",), [left], node)


def in_place(machine: Machine, op: ast.operator, now: Value, operand: Value, node: ast.AST) -> Value | None:
    """`now op= operand` by a method of its own."""
    name = _OPERATORS.get(type(op))
    return None if name is None else special(machine, now, (f"__i{name}__",), [operand], node)


def compared(machine: Machine, op: ast.cmpop, left: Value, right: Value, node: ast.AST) -> Value | None:
    """`left op right` by the methods of either side."""
    if isinstance(op, ast.In | ast.NotIn):
        return special(machine, right, ("__contains__",), [left], node)
    names = _COMPARISONS.get(type(op))
    if names is None:
        return None
    found = special(machine, left, (names[0],), [right], node)
    return found if found is not None else special(machine, right, (names[1],), [left], node)


def unary(machine: Machine, op: ast.unaryop, value: Value, node: ast.AST) -> Value | None:
    """`op value` by a method."""
    name = _UNARY.get(type(op))
    return None if name is None else special(machine, value, (name,), [], node)
