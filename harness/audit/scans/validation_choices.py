"""Choices that a script makes by comparing two results over validation: weights, a setting, when to stop.

A result is what a function returns that is given validation tokens and turns nats into bits. Results are
followed by name through the program. A comparison of two of them counts when the branch leaves a loop, puts
other weights into a network, or keeps a value that is later used for something other than a line of the log.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.call_order import call_order
from harness.audit.scans.data_sources import VALIDATION, data_roles
from harness.audit.scans.name_roles import Role, Roles
from harness.audit.scans.scanned_program import FACTS_AT_MOST, ProgramIndex, dotted
from harness.audit.scans.scope_nodes import called_name
from harness.audit.scans.setting_expressions import settings_of
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from harness.audit.scans.call_order import CallOrder, OrderedCall
    from harness.audit.scans.scope_nodes import Scope

_RESULT = "result"
_RESULTS_AT_MOST = 8  # values that one evaluation returns
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_WEIGHTS = frozenset({"load_state_dict", "copy_", "state_dict", "swap_tensors"})
_WRITES = frozenset({"save", "dump", "dumps", "compress", "write_bytes", "save_file", "tofile"})
_LEVELS_OF_CALLS = 3


def scan_validation_choices(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts with the comparison's line, the `evaluated_` line before it, `tests` and the `effect`.

    `effect` is stops, weights or setting; `writes_later` says that something is saved after the choice.
    """
    order = call_order(index)
    evaluations = _evaluations(order, index)
    if not evaluations:
        return []
    roles = _result_roles(index, {id(call.node) for call in evaluations})
    settings = settings_of(index)
    facts: list[dict[str, Any]] = []
    for path, scope in index.reached:
        for node in index.own.of(scope, ast.If):
            if len(facts) >= FACTS_AT_MOST:
                return facts
            if not _compares_results(node.test, scope, roles):
                continue
            effect = _effect(node, scope, roles, index)
            before = _last_before(evaluations, node, scope)
            if effect is None or before is None:
                continue
            tests = [*before.tests, *_tests_around(node, scope, index)]
            facts.append(
                {
                    "file": path,
                    "line": node.lineno,
                    "effect": effect,
                    "evaluated_file": before.file,
                    "evaluated_line": _made_at(node, scope, index) or before.node.lineno,
                    "in_training": order.training is not None and order.training in before.loops,
                    "writes_later": _writes_after(order, before),
                    "tests": [settings.condition(test, outcome, at) for test, outcome, at in tests],
                }
            )
    return facts


def _evaluations(order: CallOrder, index: ProgramIndex) -> list[OrderedCall]:
    """Calls of functions of the program that take validation tokens and turn nats into bits."""
    roles = data_roles(index)
    turns: dict[str, bool] = {}
    found: list[OrderedCall] = []
    for call in order.calls:
        name = called_name(call.node)
        if name not in index.by_name or call.leaves:
            continue
        if name not in turns:
            turns[name] = _turns_to_bits(name, index, _LEVELS_OF_CALLS)
        given = [*call.node.args, *(word.value for word in call.node.keywords)]
        if turns[name] and any(roles.of(one, call.scope) == VALIDATION for one in given[:24]):
            found.append(call)
    return found


def _turns_to_bits(name: str, index: ProgramIndex, levels: int) -> bool:
    """Whether a function takes a logarithm of 2, itself or in what it calls."""
    if levels == 0:
        return False
    for function in index.by_name.get(name, ())[:2]:
        for called, nodes in index.own.called(function.node).items():
            given = [argument for node in nodes for argument in node.args] if called == "log" else []
            if any(isinstance(one, ast.Constant) and one.value == 2 for one in given):
                return True
            if called in index.by_name and called != name and _turns_to_bits(called, index, levels - 1):
                return True
    return False


def _result_roles(index: ProgramIndex, evaluations: set[int]) -> Roles:
    """What holds results of the evaluations, alone or as one of several values."""

    def seed(node: ast.expr, scope: Scope) -> Role:
        return (_RESULT,) * _RESULTS_AT_MOST if id(node) in evaluations else None

    return Roles(index, seed)


def _is_result(node: ast.expr, scope: Scope, roles: Roles) -> bool:
    """Whether a value is a result, or one plus or times something."""
    for _ in range(6):
        if isinstance(node, ast.BinOp):
            return _is_result(node.left, scope, roles) or _is_result(node.right, scope, roles)
        if isinstance(node, ast.Call) and len(node.args) == 1 and dotted(node.func) in {"float", "abs"}:
            node = node.args[0]
        else:
            break
    if isinstance(node, ast.Constant):
        return False
    role = roles.of(node, scope)
    return role == _RESULT or (isinstance(role, tuple) and _RESULT in role and isinstance(node, ast.Name))


def _compares_results(test: ast.expr, scope: Scope, roles: Roles) -> bool:
    return any(
        isinstance(one, ast.Compare)
        and len(one.ops) == 1
        and isinstance(one.ops[0], _ORDERS)
        and _is_result(one.left, scope, roles)
        and _is_result(one.comparators[0], scope, roles)
        for one in nodes_below(test)
    )


def _effect(node: ast.If, scope: Scope, roles: Roles, index: ProgramIndex) -> str | None:
    """What the branch does with the better result; None for a record that is only kept and printed."""
    inside = [one for statement in node.body for one in nodes_below(statement)]
    own_loops = {
        id(one)
        for loop in inside
        if isinstance(loop, ast.For | ast.While)
        for one in nodes_below(loop)
        if isinstance(one, ast.Break)
    }
    if any(isinstance(one, ast.Break) and id(one) not in own_loops for one in inside):
        return "stops"
    for one in inside:
        if isinstance(one, ast.Call) and called_name(one) in _WEIGHTS:
            return "weights"
    kept = {
        target.id
        for one in inside
        if isinstance(one, ast.Assign)
        for target, value in _pairs(one)
        if isinstance(target, ast.Name) and not _is_result(value, scope, roles)
    }
    if not kept:
        return None
    within = {id(one) for one in nodes_below(node)}
    printed = _printed(scope, index)
    for name in index.own.of(scope, ast.Name):
        is_read = isinstance(name.ctx, ast.Load) and name.id in kept
        if is_read and id(name) not in within and id(name) not in printed and name.lineno > node.lineno:
            return "setting"
    return None


def _pairs(node: ast.Assign) -> list[tuple[ast.expr, ast.expr]]:
    found: list[tuple[ast.expr, ast.expr]] = []
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            found += zip(target.elts, node.value.elts, strict=False)
        else:
            found.append((target, node.value))
    return found


def _printed(scope: Scope, index: ProgramIndex) -> set[int]:
    """Names that only go into text or a test: what is printed, and what decides whether to print."""
    found: set[int] = set()
    for node in index.own.of(scope, ast.JoinedStr, ast.Dict, ast.Return):
        found.update(id(one) for one in index.order.below(node))
    for test in index.own.of(scope, ast.If, ast.IfExp, ast.While):
        found.update(id(one) for one in index.order.below(test.test))
    for call in index.own.of(scope, ast.Call):
        if dotted(call.func) == "print":
            found.update(id(one) for one in index.order.below(call))
    return found


def _last_before(evaluations: list[OrderedCall], node: ast.If, scope: Scope) -> OrderedCall | None:
    """The last evaluation in the same function at or before the comparison."""
    here = [call for call in evaluations if call.scope is scope and call.node.lineno <= node.lineno]
    return max(here, key=lambda call: (call.node.lineno, -call.place), default=None)


def _made_at(node: ast.If, scope: Scope, index: ProgramIndex) -> int | None:
    """The line of the last call before the comparison that a compared name was given the result of."""
    names = {one.id for one in nodes_below(node.test) if isinstance(one, ast.Name)}
    lines = [
        assign.lineno
        for assign in index.own.of(scope, ast.Assign)
        if isinstance(assign.value, ast.Call)
        and called_name(assign.value) in index.by_name
        and assign.lineno < node.lineno
        and any(
            isinstance(one, ast.Name) and one.id in names
            for target in assign.targets
            for one in nodes_below(target)
        )
    ]
    return max(lines, default=None)


def _writes_after(order: CallOrder, before: OrderedCall) -> bool:
    return any(
        called_name(call.node) in _WRITES and not call.leaves for call in order.calls[before.place + 1 :]
    )


def _tests_around(node: ast.If, scope: Scope, index: ProgramIndex) -> list[tuple[ast.expr, bool, Scope]]:
    """Conditions of the scope that the comparison stands under, those beside it in its test included."""
    found: list[tuple[ast.expr, bool, Scope]] = []
    if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.And):
        found += [(one, True, scope) for one in node.test.values]
    place = index.order.places[id(node)]
    for one in index.own.of(scope, ast.If):
        if one is node:
            continue
        for body, outcome in ((one.body, True), (one.orelse, False)):
            if any(place in index.order.stretch(statement) for statement in body):
                found.append((one.test, outcome, scope))
    return found
