"""Comparison of values: constants, identity, and positions that a loop has passed."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any, Final

from harness.audit.interpreter import special_methods
from harness.audit.interpreter.positions import ONE
from harness.audit.interpreter.values import (
    ANYTHING,
    COMPARED,
    FALSE,
    NUMBERS,
    TRUE,
    UNKNOWN,
    Value,
    computed_from,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine

_MEMBERSHIP: Final = (ast.In, ast.NotIn)
_IDENTITY: Final = (ast.Is, ast.IsNot)
_SAMENESS: Final = (*_IDENTITY, ast.Eq, ast.NotEq)
_EQUAL: Final = (ast.Is, ast.Eq)
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def compare(machine: Machine, op: ast.cmpop, left: Value, right: Value, node: ast.AST) -> Value:
    """`left op right`."""
    if left.ref is not None or right.ref is not None:
        own = special_methods.compared(machine, op, left, right, node)
        if own is not None:
            return own if not isinstance(op, ast.NotIn) else Value(source=own.source)
    if isinstance(op, _MEMBERSHIP):
        inside = machine.registry.contains(machine, right, left, node)
        if inside.const is UNKNOWN or isinstance(op, ast.In):
            return inside
        return FALSE if inside.const else TRUE
    if isinstance(op, _SAMENESS):
        same = _identity(left, right)
        if same is not None:
            return TRUE if same == isinstance(op, _EQUAL) else FALSE
    if left.const is not UNKNOWN and right.const is not UNKNOWN and left.ref is None and right.ref is None:
        try:
            return TRUE if _COMPARE[type(op)](left.const, right.const) else FALSE
        except (TypeError, KeyError):
            return ANYTHING
    decided = _by_line(machine, op, left, right)
    if decided is not None:
        return decided
    one, other = machine.source_of(left), machine.source_of(right)
    source = computed_from((one, other))
    if one.scores and other.scores and not isinstance(op, _IDENTITY):
        source = source.labelled(COMPARED)
    result = Value(source=source)
    return machine.registry.compared(machine, op, left, right, result, node)


def _identity(left: Value, right: Value) -> bool | None:
    """Whether something is None, where that is known."""
    for value, against in ((left, right), (right, left)):
        if against.const is None and against.ref is None:
            if value.const is None and value.ref is None:
                return True
            if value.ref is not None:
                return False if type(value.ref).__name__ != "Alternatives" else _none_among(value)
            if value.const is not UNKNOWN:
                return False
    return None


def _none_among(value: Value) -> bool | None:
    options = getattr(value.ref, "options", ())
    return None if any(option.const is None for option in options) else False


def _by_line(machine: Machine, op: ast.cmpop, left: Value, right: Value) -> Value | None:
    """A loop counter in a later pass is at least that pass."""
    if left.line is None and right.line is None:
        return None
    passes = {loop.id: loop.number for loop in machine.loops}
    for value, against, turned in ((left, right, False), (right, left, True)):
        if value.line is None or not value.line.slopes or not isinstance(against.const, NUMBERS):
            continue
        if any(loop not in passes or unit != ONE for loop, unit in value.line.slopes):
            continue
        least = value.line.least(passes)
        if least is None:
            continue
        if isinstance(op, ast.Eq | ast.NotEq) and least > against.const:
            return FALSE if isinstance(op, ast.Eq) else TRUE
        grows = isinstance(op, ast.Gt | ast.GtE) != turned
        strict = isinstance(op, ast.Gt | ast.Lt)
        if not isinstance(op, ast.Gt | ast.GtE | ast.Lt | ast.LtE):
            continue
        if grows and (least > against.const or (not strict and least >= against.const)):
            return TRUE
        if not grows and (least > against.const or (strict and least >= against.const)):
            return FALSE
    return None
