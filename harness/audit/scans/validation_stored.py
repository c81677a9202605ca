"""Validation tokens that go elsewhere than into a score: written to a file, or into a quantiser's statistics.

Statistics are recognised by hooks on the layers of a network: a function of the program that registers them
and is given validation tokens, or an object that reads them. Written tokens are those turned into bytes or
numbers inside the call that writes.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.call_order import call_order
from harness.audit.scans.data_sources import VALIDATION, VALIDATION_LOADER, data_roles
from harness.audit.scans.scanned_program import FACTS_AT_MOST, ProgramIndex
from harness.audit.scans.scope_nodes import called_name
from harness.audit.scans.setting_expressions import settings_of

if TYPE_CHECKING:
    from harness.audit.scans.call_order import OrderedCall
    from harness.audit.scans.name_roles import Role, Roles

_AS_BYTES = frozenset({"tobytes", "tolist"})
_PASSING = frozenset(
    {"numpy", "cpu", "to", "contiguous", "astype", "compress", "tobytes", "tolist", "b85encode"}
)
_WRITES = frozenset({"write", "write_bytes", "save", "dump", "savez", "savez_compressed"})
_HOOKS = frozenset({"register_forward_hook", "register_forward_pre_hook"})
_DEPTH = 8


def scan_validation_stored(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` written or statistics, with the conditions above the call."""
    roles = data_roles(index)
    settings = settings_of(index)
    facts: list[dict[str, Any]] = []
    seen: set[int] = set()
    for call in call_order(index).calls:
        if id(call.node) in seen or call.leaves or len(facts) >= FACTS_AT_MOST:
            continue
        kind = _kind(call, roles, index)
        if kind is None:
            continue
        seen.add(id(call.node))
        tests = [settings.condition(test, outcome, scope) for test, outcome, scope in call.tests]
        facts.append({"file": call.file, "line": call.node.lineno, "kind": kind, "tests": tests})
    return facts


def _kind(call: OrderedCall, roles: Roles, index: ProgramIndex) -> str | None:
    name = called_name(call.node)
    given = [*call.node.args, *(word.value for word in call.node.keywords)]
    if name in _WRITES and name not in index.by_name:
        return "written" if any(_holds_tokens(one, call, roles, 0, False) for one in given[:6]) else None
    if name in index.by_name and _hooks(name, index):
        roles_given = [roles.of(one, call.scope) for one in given[:16]]
        return "statistics" if any(_has(one) or one == VALIDATION_LOADER for one in roles_given) else None
    return None


def _holds_tokens(node: ast.expr, call: OrderedCall, roles: Roles, depth: int, as_bytes: bool) -> bool:
    """Whether an expression is validation tokens turned to bytes or numbers, compressed or not."""
    if depth > _DEPTH:
        return False
    if isinstance(node, ast.Call):
        name = called_name(node)
        inner = [*node.args[:2]]
        if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Constant):
            inner.append(node.func.value)
        as_bytes = as_bytes or name in _AS_BYTES
        return name in _PASSING and any(_holds_tokens(one, call, roles, depth + 1, as_bytes) for one in inner)
    return as_bytes and _has(roles.of(node, call.scope))


def _has(role: Role) -> bool:
    return role == VALIDATION or (isinstance(role, tuple) and any(_has(one) for one in role))


def _hooks(name: str, index: ProgramIndex) -> bool:
    """Whether a function watches what goes through layers; one that turns nats to bits measures a score."""
    for function in index.by_name[name][:2]:
        calls = index.own.called(function.node).keys()
        if calls & _HOOKS and "log" not in calls:
            return True
    return False
