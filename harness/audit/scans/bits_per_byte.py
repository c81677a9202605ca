"""Divisions that turn nats into bits per byte: constant bytes per token, and means of batch means.

Recognised by ln 2 (or log2 of e) as a factor of a product or quotient. Every other factor is looked at: a
number that is no whole number stands where counted bytes belong.
"""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING, Any

from harness.audit.scans.local_values import LocalValues
from harness.audit.scans.scanned_program import (
    FACTS_AT_MOST,
    FunctionNode,
    ProgramIndex,
    dotted,
    own_nodes,
)

if TYPE_CHECKING:
    from harness.audit.scans.name_roles import Scope

_MEANS = frozenset({"mean", "fmean", "nanmean", "average"})
# Bytes per token of any tokenizer in use, and their reciprocals as a factor.
_BYTES_PER_TOKEN = (1.05, 12.0)


def scan_bits_per_byte(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` constant (with `value`, and `constant_line` where the number stands) or batch-means."""
    values = LocalValues()
    facts: list[dict[str, Any]] = []
    for path, scope in index.reached:
        inner: set[int] = set()
        for node in own_nodes(scope):
            if not isinstance(node, ast.BinOp) or id(node) in inner:
                continue
            if not isinstance(node.op, ast.Div | ast.Mult):
                continue
            inner.update(id(one) for one in ast.walk(node))
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
    return dotted(node.func).rpartition(".")[2] == "log" and argument == 2.0


def _is_log2e(node: ast.expr) -> bool:
    number = _number(node)
    if number is not None:
        return abs(number - 1 / math.log(2)) < 1e-4
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "log2"


def _is_mean_of_means(node: ast.expr, scope: Scope, index: ProgramIndex) -> bool:
    """A mean over a list that a loop fills with losses: batches of different length would weigh the same."""
    if not isinstance(node, ast.Call):
        return False
    last = dotted(node.func).rpartition(".")[2]
    if last not in _MEANS or not node.args or not isinstance(node.args[0], ast.Name):
        return False
    name = node.args[0].id
    return any(
        isinstance(one, ast.Call)
        and isinstance(one.func, ast.Attribute)
        and one.func.attr == "append"
        and isinstance(one.func.value, ast.Name)
        and one.func.value.id == name
        for one in own_nodes(scope)
    )
