"""Where a slice from the start of validation goes: which lines of its function use it.

`replaces` says that it takes the place of the stream: it is returned, or goes back into the name it was taken
from. For any other `uses` are the lines of the statements that read it, a loop over it whole, so that rules
can tell a part that is scored from one that only a warm-up or a copy sees.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.data_sources import VALIDATION, data_roles
from harness.audit.scans.scanned_program import FACTS_AT_MOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.scans.scanned_program import ProgramIndex
    from harness.audit.scans.scope_nodes import Scope

_ROUNDS = 4
_USES_AT_MOST = 60
_STORES_AT_MOST = 4_000  # of one function: a longer one is taken to score what it slices


def scan_validation_parts(index: ProgramIndex) -> list[dict[str, Any]]:
    """One fact for each slice of validation tokens that starts at the first."""
    roles = data_roles(index)
    facts: list[dict[str, Any]] = []
    for path, scope in index.reached:
        for node in index.own.of(scope, ast.Subscript):
            if not isinstance(node.slice, ast.Slice) or node.slice.lower is not None:
                continue
            if node.slice.upper is None or roles.of(node.value, scope) != VALIDATION:
                continue
            if len(facts) >= FACTS_AT_MOST:
                return facts
            replaces, uses = _used(node, scope, index)
            facts.append({"file": path, "line": node.lineno, "replaces": replaces, "uses": uses})
    return facts


def _used(part: ast.Subscript, scope: Scope, index: ProgramIndex) -> tuple[bool, list[list[int]]]:
    taken_from = ast.unparse(part.value)
    names: set[str] = set()
    replaces = False
    stores = list(_stores(scope, index))
    if len(stores) > _STORES_AT_MOST:
        return True, []
    for targets, value in stores:
        if any(one is part for one in index.order.below(value)):
            stored = {one for target in targets for one in _names(target)}
            names |= stored
            replaces = replaces or taken_from in stored or any(ast.unparse(t) == taken_from for t in targets)
    returned = index.own.of(scope, ast.Return)
    if any(one is part for node in returned if node.value for one in index.order.below(node.value)):
        replaces = True
    for _ in range(_ROUNDS):
        before = len(names)
        for targets, value in stores:
            if _reads(value, names, index):
                names |= {one for target in targets for one in _names(target)}
        if len(names) == before:
            break
    uses: list[list[int]] = []
    for statement in index.own.of(scope, *_STATEMENTS):
        heads = [statement.iter] if isinstance(statement, ast.For) else _heads(statement)
        if any(_reads(head, names, index) or _holds(head, part, index) for head in heads):
            uses.append([statement.lineno, statement.end_lineno or statement.lineno])
    return replaces or len(uses) > _USES_AT_MOST, uses[:_USES_AT_MOST]


_STATEMENTS = (
    ast.For,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.Expr,
    ast.Return,
    ast.If,
    ast.While,
    ast.With,
)


def _heads(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.If | ast.While):
        return [statement.test]
    if isinstance(statement, ast.With):
        return [one.context_expr for one in statement.items]
    value = getattr(statement, "value", None)
    return [value] if isinstance(value, ast.expr) else []


def _stores(scope: Scope, index: ProgramIndex) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    for node in index.own.of(scope, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.For):
        if isinstance(node, ast.Assign):
            yield node.targets, node.value
        elif isinstance(node, ast.For):
            yield [node.target], node.iter
        elif node.value is not None:
            yield [node.target], node.value


def _names(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Tuple | ast.List):
        return [name for one in target.elts for name in _names(one)]
    if isinstance(target, ast.Subscript | ast.Starred | ast.Attribute):
        return _names(target.value)
    return [target.id] if isinstance(target, ast.Name) and target.id not in {"self", "cls"} else []


def _reads(node: ast.expr, names: set[str], index: ProgramIndex) -> bool:
    return any(isinstance(one, ast.Name) and one.id in names for one in index.order.below(node))


def _holds(node: ast.expr, part: ast.Subscript, index: ProgramIndex) -> bool:
    return any(one is part for one in index.order.below(node))
