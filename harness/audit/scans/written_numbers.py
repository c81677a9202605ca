"""Numbers that expressions of constants come to, and factors that change nothing in the end."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING

from harness.audit.scans.scanned_program import dotted
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.audit.scans.local_values import LocalValues
    from harness.audit.scans.scope_nodes import Scope

_DEPTH = 6


def number(node: ast.expr, depth: int = 0) -> float | None:
    """The number an expression of constants comes to."""
    if depth > _DEPTH:
        return None
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            return None
        return float(node.value) if abs(node.value) < 1e18 else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = number(node.operand, depth + 1)
        return None if value is None else -value
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        value, name = number(node.args[0], depth + 1), dotted(node.func).rpartition(".")[2]
        if value is not None and name in {"log", "float", "tensor", "float64"}:
            return (math.log(value) if value > 0 else None) if name == "log" else value
    if isinstance(node, ast.BinOp):
        left, right = number(node.left, depth + 1), number(node.right, depth + 1)
        if left is not None and right is not None:
            if isinstance(node.op, ast.Mult):
                return left * right
            if isinstance(node.op, ast.Div) and right:
                return left / right
            if isinstance(node.op, ast.Sub | ast.Add):
                return left - right if isinstance(node.op, ast.Sub) else left + right
    return None


def is_unit(value: float) -> bool:
    """One, or what turns nats into bits and back."""
    return any(math.isclose(value, unit, rel_tol=1e-6) for unit in (1.0, math.log(2), 1 / math.log(2)))


def undone_scalings(products: Iterable[ast.BinOp], scope: Scope, values: LocalValues) -> set[int]:
    """Products with a number that the product around them takes back: `(x * 1000) / 1000`."""
    found: set[int] = set()
    for outer in products:
        scaled = _factor(outer)
        if scaled is None:
            continue
        by, inner = scaled
        for _ in range(_DEPTH):
            if isinstance(inner, ast.Name):
                value = values.of(scope).get(inner.id)
                if value is None:
                    break
                inner = value
            elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                inner = inner.func.value
            elif isinstance(inner, ast.Call) and len(inner.args) == 1 and dotted(inner.func) == "float":
                inner = inner.args[0]
            else:
                break
        before = _factor(inner)
        if before is not None and math.isclose(by * before[0], 1.0, rel_tol=1e-9):
            found |= {id(outer), id(inner)}
    return found


def _factor(node: ast.AST) -> tuple[float, ast.expr] | None:
    """The number that something is multiplied by, and what is multiplied."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult | ast.Div):
        return None
    right, left = number(node.right), number(node.left)
    if right:
        return (right if isinstance(node.op, ast.Mult) else 1 / right), node.left
    return (left, node.right) if left and isinstance(node.op, ast.Mult) else None


def is_step_of_slices(value: float, slices: Iterable[ast.Slice], scope: Scope, values: LocalValues) -> bool:
    """Whether slices advance by this number, as `[i * 1024 : (i + 1) * 1024]`: it counts what is in them."""
    if value < 2 or value != int(value):
        return False
    for one in slices:
        for node in nodes_below(one):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                sides = (number(values.written_out(side, scope)) for side in (node.left, node.right))
                if value in sides:
                    return True
    return False
