"""try statements: handlers as branches that may be taken."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import assignments, branches
from harness.audit.interpreter.values import ANYTHING

if TYPE_CHECKING:
    from harness.audit.interpreter.flows import Flow, Waiting
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.values import Value

ERRORS_FOLLOWED = 2  # places in one block from where a handler is entered; a long block has hundreds


def run_try(machine: Machine, node: ast.Try | ast.TryStar) -> Flow | None:
    """Walk the body, then each handler as something that may have happened, then else and finally."""
    token = object()
    heap = machine.heap
    heap.trials += 1
    if node.handlers:
        machine.tries.append(token)
    try:
        flow = machine.run(node.body)
    finally:
        if node.handlers:
            machine.tries.pop()
    heap.close_trial()
    raised = branches.arrived(machine, token, "raise")
    for _ in raised[ERRORS_FOLLOWED:]:
        heap.close_trial()
    raised = raised[:ERRORS_FOLLOWED]
    if flow is not None and flow.kind == "raise" and node.handlers:
        flow = _handle(machine, node, flow)
    elif raised or not _cannot_fail(node.body):
        before = flow
        if flow is None:
            flow = _maybe_handle(machine, node, raised)
            raised = []
        else:
            flow = before
    for one in raised:
        del one
        heap.close_trial()
    if flow is None and node.orelse:
        flow = machine.run(node.orelse)
    if node.finalbody:
        after = machine.run(node.finalbody)
        flow = after or flow
    return flow


def _cannot_fail(body: list[ast.stmt]) -> bool:
    """Imports are taken to succeed: the official machine has what a submission asks for."""
    return all(isinstance(one, ast.Import | ast.ImportFrom | ast.Pass) for one in body)


def _handle(machine: Machine, node: ast.Try | ast.TryStar, flow: Flow) -> Flow | None:
    for handler in node.handlers:
        if _catches(handler, flow.name):
            if handler.name:
                assignments.bind(machine, handler.name, flow.value or ANYTHING)
            return machine.run(handler.body)
    return flow


def _maybe_handle(machine: Machine, node: ast.Try | ast.TryStar, raised: list[Waiting]) -> Flow | None:
    for handler in node.handlers:

        def handled(handler: ast.ExceptHandler = handler) -> Flow | None:
            for one in raised:
                branches.become(machine, one)
                machine.heap.trials += 1
            if handler.name:
                assignments.bind(machine, handler.name, _caught(machine, raised))
            return machine.run(handler.body)

        if all(isinstance(one, ast.Raise | ast.Pass) for one in handler.body) and not raised:
            continue
        if _only_raises(handler.body):
            continue  # one error becomes another: whoever catches that is walked from the present state
        flow = branches.optional(machine, handled)
        if flow is not None:
            return flow
    for _ in raised:
        machine.heap.close_trial()
    return None


def _caught(machine: Machine, raised: list[Waiting]) -> Value:
    """The error a handler gets: one of those seen to be raised."""
    values = [one.flow.value for one in raised if one.flow.value is not None]
    joined = values[0] if values else ANYTHING
    for more in values[1:]:
        joined = machine.join(joined, more)
    return joined


def _only_raises(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Raise) and all(isinstance(one, ast.Assign | ast.Raise) for one in body)


def _catches(handler: ast.ExceptHandler, name: str) -> bool:
    if handler.type is None:
        return name != "SystemExit"
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = {ast.unparse(one).rsplit(".", 1)[-1] for one in names}
    if name == "SystemExit":
        return "SystemExit" in caught or "BaseException" in caught
    return True
