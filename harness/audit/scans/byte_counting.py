"""Where byte tables are read: is the space before a token counted once, and not after a boundary?

The tables are known from the functions that build them (`byte_tables`); names are followed through the
program by what they hold. Every read of the table of leading spaces is one fact: guarded by the negated
boundary table at another index (the token before), unguarded, or guarded by the token itself.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.byte_tables import builders
from harness.audit.scans.local_values import local_values
from harness.audit.scans.name_roles import Role, Roles
from harness.audit.scans.scanned_program import FACTS_AT_MOST, ProgramIndex
from harness.audit.scans.scope_nodes import called_name
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from harness.audit.scans.local_values import LocalValues
    from harness.audit.scans.scope_nodes import Scope

_STATEMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
_SPACE_INSIDE = "bytes-with-space"
_TYPE_METHODS = frozenset({"item", "to", "astype", "bool", "int", "long", "cpu", "numpy", "clone", "tolist"})
_TYPES = frozenset({"bool", "int"})
_MADE_ANEW = frozenset({"zeros", "empty", "ones", "full", "zeros_like", "empty_like", "full_like", "list"})


def scan_byte_counting(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` guarded, unguarded, same-token or twice, with the line that counts."""
    results: dict[int, tuple[Role, ...]] = {}
    for builder in builders(index):
        if any(builder.returns):
            twice = any(
                fault["kind"] == "space-inside" for table in builder.tables for fault in table["faults"]
            )
            results[id(builder.function)] = tuple(
                _SPACE_INSIDE if role == "bytes" and twice else role for role in builder.returns
            )

    def seed(node: ast.expr, scope: Scope) -> Role:
        if isinstance(node, ast.Call):
            for function in index.by_name.get(called_name(node), ()):
                found = results.get(id(function.node))
                if found is not None:
                    return found if len(found) > 1 else found[0]
        return None

    if not results:
        return []
    roles = Roles(index, seed)
    values = local_values(index)
    facts: list[dict[str, Any]] = []
    for path, scope in index.reached:
        order = index.order
        leads = [
            order.places[id(node)]
            for node in index.own.of(scope, ast.Subscript)
            if _reads(node, "lead", scope, roles)
        ]
        for statement in index.own.of(scope, *_STATEMENTS) if leads else ():
            if not any(place in order.stretch(statement) for place in leads):
                continue
            found = _judged(statement, scope, roles, values, index)
            if found == "unguarded" and not _counts_bytes(scope, roles, index):
                continue  # the flag of a space may be for something else, such as an input of a network
            if found is not None and len(facts) < FACTS_AT_MOST:
                facts.append({"file": path, "line": statement.lineno, "kind": found})
    return facts


def _counts_bytes(scope: Scope, roles: Roles, index: ProgramIndex) -> bool:
    """Whether the function reads a table of bytes at all."""
    return any(
        _reads(node, "bytes", scope, roles) or _reads(node, _SPACE_INSIDE, scope, roles)
        for node in index.own.of(scope, ast.Subscript)
    )


def _judged(
    statement: ast.stmt, scope: Scope, roles: Roles, values: LocalValues, index: ProgramIndex
) -> str | None:
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.expr):
        return None
    leads = [node for node in nodes_below(value) if _reads(node, "lead", scope, roles)]
    if not leads:
        return None
    if isinstance(statement, ast.Assign) and value in leads:
        return None  # only taken out here; judged where it is used, written out below
    if isinstance(statement, ast.Assign) and _bare(value) in leads:
        return _where_used(statement, leads[0], scope, roles, values, index)
    if isinstance(statement, ast.AugAssign) and _holds_space(statement.target, scope, roles, index):
        return "twice"
    return _kind(leads[0], value, scope, roles, values)


def _holds_space(target: ast.expr, scope: Scope, roles: Roles, index: ProgramIndex) -> bool:
    """Whether what the space is added to was read from a table that has it already."""
    given = [
        assign.value
        for assign in index.own.of(scope, ast.Assign)
        if any(ast.dump(one) == ast.dump(target) for one in assign.targets)
    ]
    return any(_reads(node, _SPACE_INSIDE, scope, roles) for value in given for node in nodes_below(value))


def _bare(value: ast.expr) -> ast.expr:
    """The value without what only changes its type: `x.item()`, `x.to(...)`, `bool(x)`."""
    while isinstance(value, ast.Call):
        if isinstance(value.func, ast.Attribute) and value.func.attr in _TYPE_METHODS:
            value = value.func.value
        elif isinstance(value.func, ast.Name) and value.func.id in _TYPES and len(value.args) == 1:
            value = value.args[0]
        else:
            break
    return value


def _where_used(
    taken: ast.Assign, lead: ast.AST, scope: Scope, roles: Roles, values: LocalValues, index: ProgramIndex
) -> str | None:
    """The kind at the statement that uses the flag; the first that guards it speaks for all."""
    names = {target.id for target in taken.targets if isinstance(target, ast.Name)}
    kinds = []
    for statement in index.own.of(scope, *_STATEMENTS):
        value = getattr(statement, "value", None)
        if statement is taken or not isinstance(value, ast.expr):
            continue
        if any(isinstance(one, ast.Name) and one.id in names for one in nodes_below(value)):
            kinds.append(_kind(lead, value, scope, roles, values))
    return next((kind for kind in kinds if kind == "guarded"), kinds[0] if kinds else None)


def _kind(lead: ast.AST, value: ast.expr, scope: Scope, roles: Roles, values: LocalValues) -> str | None:
    whole = values.written_out(value, scope)
    boundaries = [node for node in nodes_below(whole) if _reads(node, "boundary", scope, roles)]
    if any(_reads(node, _SPACE_INSIDE, scope, roles) for node in nodes_below(whole)):
        return "twice"
    if not boundaries:
        return "unguarded"
    # As it stands in the statement, if it does: written out, two arrays made alike look like one.
    plain = [node for node in nodes_below(value) if _reads(node, "boundary", scope, roles)]
    others = [
        node
        for node in plain or boundaries
        if _differ(node.slice, lead.slice, scope, values)  # type: ignore[attr-defined]
    ]
    if not others:
        return "same-token"
    return "guarded" if _is_negated(others[0], value if plain else whole) else "unguarded"


def _differ(one: ast.expr, other: ast.expr, scope: Scope, values: LocalValues) -> bool:
    """Whether two indices are of different tokens: two arrays made alike and filled later are two arrays."""
    if ast.dump(one) == ast.dump(other):
        return False
    whole = values.written_out(one, scope)
    if ast.dump(whole) != ast.dump(values.written_out(other, scope)):
        return True
    return any(isinstance(node, ast.Call) and called_name(node) in _MADE_ANEW for node in nodes_below(whole))


def _is_negated(node: ast.AST, whole: ast.expr) -> bool:
    """Whether a flag is turned round before it is used."""
    above = [one for one in nodes_below(whole) if one is not node and node in set(nodes_below(one))]
    return any(_turns_round(parent, node) for parent in above)


def _turns_round(parent: ast.AST, node: ast.AST) -> bool:
    """`~x`, `not x`, `logical_not(x)`, `1 - x`, `x == 0`, `where(x, ...)`, `... if x else ...`."""
    if isinstance(parent, ast.UnaryOp):
        return isinstance(parent.op, ast.Invert | ast.Not)
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.Sub)
    if isinstance(parent, ast.Compare):
        return isinstance(parent.ops[0], ast.Eq | ast.Is | ast.NotEq)
    if isinstance(parent, ast.IfExp):
        return node in set(nodes_below(parent.test))
    names = {"logical_not", "bitwise_not", "where", "eq"}
    return isinstance(parent, ast.Call) and called_name(parent) in names


def _reads(node: ast.AST, role: str, scope: Scope, roles: Roles) -> bool:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and roles.of(node.value, scope) == role
    )
