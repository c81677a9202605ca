"""What is computed from validation before the clock of an evaluation starts, and used while it runs.

The clock of an evaluation is a name that holds a reading of a clock, made after the training loop, and the
line that subtracts it later; validation tokens are given to a call between the two. A function of the
program that was given validation tokens between the training loop and that reading, and whose result is named
inside, was left out. Loading is no such thing: what it gives back are the tokens themselves.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.call_order import CLOCKS, call_order
from harness.audit.scans.data_sources import VALIDATION, VALIDATION_LOADER, data_roles
from harness.audit.scans.scanned_program import FACTS_AT_MOST
from harness.audit.scans.scope_nodes import FunctionNode, Scope, called_name
from harness.audit.scans.setting_expressions import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.scans.call_order import CallOrder
    from harness.audit.scans.name_roles import Roles
    from harness.audit.scans.scanned_program import ProgramIndex

_CLOCKS_AT_MOST = 40  # in one function
_OURS = (VALIDATION, VALIDATION_LOADER)


def scan_before_the_clock(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts with the `call`, its `tests`, and the lines where the clock starts and is read."""
    order = call_order(index)
    if order.training is None:
        return []
    roles = data_roles(index)
    settings = settings_of(index)
    tests = {
        id(call.node): [settings.condition(test, outcome, scope) for test, outcome, scope in call.tests]
        for call in order.after_training()
        if called_name(call.node) in index.by_name
    }
    facts: list[dict[str, Any]] = []
    for path, scope in index.reached:
        spans = list(_spans(scope, index, order)) if isinstance(scope, FunctionNode) else []
        for start, stop in spans:
            if not any(_takes(call, scope, roles) for call in _calls(scope, index, start, stop)):
                continue
            for target, call in _made_before(scope, index, start):
                if id(call) not in tests or not _takes(call, scope, roles) or len(facts) >= FACTS_AT_MOST:
                    continue
                if roles.of(call, scope) not in _OURS and _is_used(target, scope, index, start, stop):
                    facts.append(
                        {
                            "file": path,
                            "line": call.lineno,
                            "call": called_name(call),
                            "start": start,
                            "stop": stop,
                            "tests": tests[id(call)],
                        }
                    )
    return facts


def _spans(scope: Scope, index: ProgramIndex, order: CallOrder) -> Iterator[tuple[int, int]]:
    """First and last line of every stretch after training that a clock measures."""
    started = [
        (node.targets[0], node)
        for node in index.own.of(scope, ast.Assign)
        if isinstance(node.value, ast.Call)
        and _is_clock(node.value)
        and order.place_of(node.value) == "after-training"
    ]
    for target, node in started[:_CLOCKS_AT_MOST]:
        if not isinstance(target, ast.Name):
            continue
        for other in index.own.of(scope, ast.BinOp):
            taken = other.right.id if isinstance(other.right, ast.Name) else None
            is_elapsed = isinstance(other.op, ast.Sub) and taken == target.id and _is_clock(other.left)
            if is_elapsed and other.lineno > node.lineno:
                yield node.lineno, other.lineno
                break


def _is_clock(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and not node.args and called_name(node) in CLOCKS


def _calls(scope: Scope, index: ProgramIndex, start: int, stop: int) -> Iterator[ast.Call]:
    return (node for node in index.own.of(scope, ast.Call) if start < node.lineno <= stop)


def _made_before(scope: Scope, index: ProgramIndex, start: int) -> Iterator[tuple[ast.expr, ast.Call]]:
    for node in index.own.of(scope, ast.Assign):
        if node.lineno < start and isinstance(node.value, ast.Call):
            yield node.targets[0], node.value


def _takes(call: ast.Call, scope: Scope, roles: Roles) -> bool:
    given = [*call.args[:16], *(word.value for word in call.keywords)]
    return any(roles.of(one, scope) in _OURS for one in given)


def _is_used(target: ast.expr, scope: Scope, index: ProgramIndex, start: int, stop: int) -> bool:
    names = {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
    return any(
        node.id in names and isinstance(node.ctx, ast.Load) and start < node.lineno <= stop
        for node in index.own.of(scope, ast.Name)
    )
