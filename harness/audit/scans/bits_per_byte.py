"""Divisions that turn nats into bits per byte: constant bytes per token, and means of batch means.

Recognised by ln 2 (or log2 of e) as a factor of a product or quotient. Every other factor is looked at: a
number that is no whole number stands where counted bytes belong, also when it is multiplied into the sum
that the factor is.
"""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING, Any

from harness.audit.scans.local_values import local_values
from harness.audit.scans.scanned_program import FACTS_AT_MOST, ProgramIndex, dotted
from harness.audit.scans.scope_nodes import FunctionNode, called_name
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from harness.audit.scans.local_values import LocalValues
    from harness.audit.scans.scope_nodes import Scope

_MEANS = frozenset({"mean", "fmean", "nanmean", "average"})
# Bytes per token of any tokenizer in use, and their reciprocals as a factor.
_BYTES_PER_TOKEN = (1.05, 12.0)
_HOPS = 2  # from a parameter to what callers give for it


def scan_bits_per_byte(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` constant (with `value`, and `constant_line` where the number stands) or batch-means."""
    values = local_values(index)
    facts: list[dict[str, Any]] = []
    for path, scope in index.reached:
        judged_to = 0  # parts of a product are judged with it
        for node in index.own.of(scope, ast.BinOp):
            stretch = index.order.stretch(node)
            if stretch.start < judged_to or not isinstance(node.op, ast.Div | ast.Mult):
                continue
            judged_to = stretch.stop
            found = _judged(node, scope, values, index)
            if found is not None and len(facts) < FACTS_AT_MOST:
                facts.append({"file": path, "line": node.lineno, **found})
    return facts


def _judged(node: ast.BinOp, scope: Scope, values: LocalValues, index: ProgramIndex) -> dict[str, Any] | None:
    above, below = _factors(node, scope, values, index, 0)
    if not any(_is_ln2(one) for one in below) and not any(_is_log2e(one) for one in above):
        return None
    for factor, divides in [(one, True) for one in below] + [(one, False) for one in above]:
        number = _number(factor)
        if number is None or _is_ln2(factor) or _is_log2e(factor) or number == 0:
            continue
        bytes_per_token = number if divides else 1 / number
        low, high = _BYTES_PER_TOKEN
        if low < bytes_per_token < high and not bytes_per_token.is_integer():
            return {"kind": "constant", "value": bytes_per_token, "constant_line": factor.lineno}
    for factor in below:
        found = _added_up(factor, scope, index, 0)
        if found is not None:
            return found
    for factor in above:
        if _is_mean_of_means(factor, scope, index):
            return {"kind": "batch-means"}
    return None


def _factors(
    node: ast.expr, scope: Scope, values: LocalValues, index: ProgramIndex, depth: int
) -> tuple[list[ast.expr], list[ast.expr]]:
    """Factors above and below the bar, names of one value written out."""
    if depth > 12:
        return [node], []
    if isinstance(node, ast.Name):
        value = values.of(scope).get(node.id)
        if value is None and isinstance(scope, FunctionNode) and node.id not in values.of(scope):
            module = index.trees[index.file_of[id(scope)]]
            value = values.of(module).get(node.id)
        if value is not None:
            return _factors(value, scope, values, index, depth + 1)
    if isinstance(node, ast.Call) and dotted(node.func) in {"float", "int"} and len(node.args) == 1:
        return _factors(node.args[0], scope, values, index, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        above, below = _factors(node.left, scope, values, index, depth + 1)
        right_above, right_below = _factors(node.right, scope, values, index, depth + 1)
        if isinstance(node.op, ast.Div):
            right_above, right_below = right_below, right_above
        return above + right_above, below + right_below
    return [node], []


def _added_up(node: ast.expr, scope: Scope, index: ProgramIndex, depth: int) -> dict[str, Any] | None:
    """A sum below the bar into which a number of tokens times a constant is added."""
    while isinstance(node, ast.Call) and (isinstance(node.func, ast.Attribute) or len(node.args) == 1):
        # A method without arguments or a cast: the number is the same.
        node = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
    if not isinstance(node, ast.Name) or depth > _HOPS:
        return None
    for one in index.own.of(scope, ast.AugAssign, ast.Call):
        added: ast.expr | None = None
        if isinstance(one, ast.AugAssign) and isinstance(one.op, ast.Add):
            added = one.value if isinstance(one.target, ast.Name) and one.target.id == node.id else None
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "add_":
            is_sum = isinstance(one.func.value, ast.Name) and one.func.value.id == node.id
            added = one.args[0] if is_sum and one.args else None
        if added is not None and (constant := _per_token(added)) is not None:
            return {"kind": "constant", "value": constant, "constant_line": added.lineno}
    return _given(node.id, scope, index, depth)


def _given(name: str, scope: Scope, index: ProgramIndex, depth: int) -> dict[str, Any] | None:
    """The same of what callers give for a parameter."""
    function = index.by_node.get(id(scope))
    if function is None or name not in function.parameters:
        return None
    place = function.parameters.index(name)
    for caller, one in index.calls_of(function.name):
        given = next((word.value for word in one.keywords if word.arg == name), None)
        if given is None and place < len(one.args):
            given = one.args[place]
        found = _added_up(given, caller, index, depth + 1) if given is not None else None
        if found is not None:
            return {**found, "constant_file": index.file_of[id(caller)]}
    return None


def _per_token(added: ast.expr) -> float | None:
    """The constant of `y.numel() * 2.44`: a number of tokens counted by their size, times a fraction."""
    while isinstance(added, ast.Call) and dotted(added.func) in {"float", "int"} and len(added.args) == 1:
        added = added.args[0]
    if not isinstance(added, ast.BinOp) or not isinstance(added.op, ast.Mult | ast.Div):
        return None
    for one, other in ((added.left, added.right), (added.right, added.left)):
        number = _number(one)
        if number is None or number == 0:
            continue
        number = 1 / number if isinstance(added.op, ast.Div) else number
        low, high = _BYTES_PER_TOKEN
        if low < number < high and not number.is_integer() and _is_size(other):
            return number
    return None


def _is_size(node: ast.expr) -> bool:
    """Whether an expression is how many elements something has."""
    return any(
        (isinstance(one, ast.Call) and called_name(one) in {"numel", "len", "size"})
        or (isinstance(one, ast.Attribute) and one.attr in {"size", "shape"})
        for one in nodes_below(node)
    )


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return None if isinstance(node.value, bool) else float(node.value)
    return None


def _is_ln2(node: ast.expr) -> bool:
    number = _number(node)
    if number is not None:
        return abs(number - math.log(2)) < 1e-4
    if not isinstance(node, ast.Call) or len(node.args) != 1:
        return False
    argument = _number(node.args[0])
    inner = node.args[0]
    if isinstance(inner, ast.Call) and len(inner.args) == 1:  # torch.log(torch.tensor(2.0))
        argument = _number(inner.args[0])
    return called_name(node) == "log" and argument == 2.0


def _is_log2e(node: ast.expr) -> bool:
    number = _number(node)
    if number is not None:
        return abs(number - 1 / math.log(2)) < 1e-4
    return isinstance(node, ast.Call) and called_name(node) == "log2"


def _is_mean_of_means(node: ast.expr, scope: Scope, index: ProgramIndex) -> bool:
    """A mean over a list that a loop fills with losses: batches of different length would weigh the same."""
    if not isinstance(node, ast.Call):
        return False
    if called_name(node) not in _MEANS or not node.args or not isinstance(node.args[0], ast.Name):
        return False
    name = node.args[0].id
    return any(
        isinstance(one.func, ast.Attribute)
        and one.func.attr == "append"
        and isinstance(one.func.value, ast.Name)
        and one.func.value.id == name
        for one in index.own.of(scope, ast.Call)
    )
