"""Where a network mixes the previous position into the next one, and whether document starts are masked.

The shape: `x[:, 1:] + g * x[:, :-1]`, or the same with the shifted tensor made first, where `g` is computed
and not a constant (constants make hashes of token ids). A comparison anywhere behind `g` or the shifted
tensor is the mask. Beside it: attention that is told where documents begin.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.scanned_program import FACTS_AT_MOST, dotted
from harness.audit.scans.scope_nodes import FunctionNode, called_name
from harness.audit.scans.setting_expressions import Expression, Settings, settings_of
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.scans.scanned_program import ProgramIndex

_Made = dict[str, list[ast.expr]]  # what local names are assigned
_SLICE_ROUNDS = 6
_NAMES_AT_MOST = 60
_FACTORS_AT_MOST = 8
_MASKS = {"where", "masked_fill", "masked_fill_", "ne", "eq", "not_equal"}


def scan_previous_token(index: ProgramIndex) -> dict[str, list[dict[str, Any]]]:
    """`mixes`: file, line, masked, conditions (as `setting_expressions`). `isolates`: file, line."""
    mixes: list[dict[str, Any]] = []
    isolates: list[dict[str, Any]] = []
    for path, scope in index.reached:
        if not isinstance(scope, FunctionNode):
            continue
        isolates.extend(
            {"file": path, "line": node.lineno}
            for node in index.own.of(scope, ast.Call)
            if _tells_documents(node)
        )
        if not any(_sliced_name(node) for node in index.own.of(scope, ast.Subscript)):
            continue
        made = _assigned(scope, index)
        for statement, conditions in _guarded(scope, settings_of(index)):
            mixed = _mixed(statement, made)
            if mixed is not None:
                fact = {"file": path, "line": mixed.lineno, "masked": _is_masked(mixed, made)}
                mixes.append({**fact, "conditions": conditions})
    return {"mixes": mixes[:FACTS_AT_MOST], "isolates": isolates[:FACTS_AT_MOST]}


def _guarded(scope: FunctionNode, settings: Settings) -> Iterator[tuple[ast.stmt, list[Expression]]]:
    """Simple statements of a function with the conditions around them."""
    stack: list[tuple[list[ast.stmt], list[Expression]]] = [(scope.body, [])]
    while stack:
        body, conditions = stack.pop()
        for statement in body:
            if isinstance(statement, ast.If):
                test = settings.expression(statement.test, scope)
                stack.append((statement.body, [*conditions, test]))
                stack.append((statement.orelse, [*conditions, {"op": "not", "of": [test]}]))
            elif isinstance(statement, ast.For | ast.While | ast.With):
                stack.append((statement.body, conditions))
            elif isinstance(statement, ast.Assign | ast.AugAssign | ast.Return | ast.AnnAssign):
                yield statement, conditions


def _mixed(statement: ast.stmt, made: _Made) -> ast.BinOp | None:
    """The sum of a tensor and a computed share of its shifted self."""
    if any(isinstance(node, ast.Mod | ast.BitXor) for node in nodes_below(statement)):
        return None  # arithmetic on token ids
    for node in nodes_below(statement):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
            continue
        for side, other in ((node.left, node.right), (node.right, node.left)):
            shifted = _share_of_shifted(side, made)
            if shifted is not None and _mentions(other, shifted):
                return node
    return None


def _share_of_shifted(node: ast.expr, made: _Made) -> str | None:
    """The tensor whose shifted self is multiplied by something computed."""
    factors = _factors(node)
    for tensor in factors:
        name = _shifted(tensor, made) if len(factors) > 1 else None
        if name is not None and any(not _is_constant(each) for each in factors if each is not tensor):
            return name
    return None


def _factors(node: ast.expr) -> list[ast.expr]:
    """The parts of a product."""
    factors: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and len(factors) < _FACTORS_AT_MOST:
        factors.append(node.right)
        node = node.left
    return [node, *factors]


def _is_constant(node: ast.expr) -> bool:
    leaves = (ast.Constant, ast.operator, ast.BinOp, ast.UnaryOp, ast.unaryop)
    return all(isinstance(leaf, leaves) for leaf in nodes_below(node))


def _shifted(node: ast.expr, made: _Made) -> str | None:
    """The name X of `X[:, :-1]`, itself or inside what a local name was made from."""
    if isinstance(node, ast.Name):
        values = made.get(node.id, [])
        return next((name for value in values if (name := _name_sliced_in(value)) is not None), None)
    return _name_sliced_in(node) if isinstance(node, ast.Subscript) else None


def _name_sliced_in(node: ast.expr) -> str | None:
    return next((name for child in nodes_below(node) if (name := _sliced_name(child)) is not None), None)


def _sliced_name(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
        return None
    parts = node.slice.elts
    if len(parts) >= 2 and _is_all_but_last(parts[1]) and isinstance(node.value, ast.Name):
        return node.value.id
    return None


def _is_all_but_last(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Slice)
        and node.lower is None
        and isinstance(node.upper, ast.UnaryOp)
        and isinstance(node.upper.op, ast.USub)
        and isinstance(node.upper.operand, ast.Constant)
        and node.upper.operand.value == 1
    )


def _mentions(node: ast.expr, name: str) -> bool:
    return any(isinstance(child, ast.Name) and child.id == name for child in nodes_below(node))


def _assigned(scope: FunctionNode, index: ProgramIndex) -> _Made:
    made: _Made = {}
    for node in index.own.of(scope, ast.Assign, ast.AugAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        target = node.target if isinstance(node, ast.AugAssign) else target
        if isinstance(target, ast.Name):
            made.setdefault(target.id, []).append(node.value)
    return made


def _is_masked(node: ast.expr, made: _Made) -> bool:
    """Whether a comparison, or a call that masks, lies behind the names of the sum."""
    waiting: list[ast.expr] = [node]
    seen: set[str] = set()
    for _ in range(_SLICE_ROUNDS):
        names = set()
        for expression in waiting:
            for child in nodes_below(expression):
                if isinstance(child, ast.Compare):
                    return True
                if isinstance(child, ast.Call) and called_name(child) in _MASKS:
                    return True
                if isinstance(child, ast.Name):
                    names.add(child.id)
        names -= seen
        if not names or len(seen) > _NAMES_AT_MOST:
            return False
        seen |= names
        waiting = [value for name in sorted(names) for value in made.get(name, ())]
    return False


def _tells_documents(node: ast.Call) -> bool:
    """Attention with the borders of packed documents."""
    names = {keyword.arg or "" for keyword in node.keywords}
    return any(name.startswith(("cu_seqlens_q", "cu_seqlens_k", "cu_seq_q")) for name in names) or dotted(
        node.func
    ).endswith("varlen_func")
