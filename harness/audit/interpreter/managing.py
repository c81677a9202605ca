"""With blocks of the script's own context managers: the block is walked where the generator yields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter import calls
from harness.audit.interpreter.flows import Flow, Raised

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from harness.audit.interpreter.heap import Manager
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.values import Value


def run_managed(
    machine: Machine,
    manager: Manager,
    node: ast.expr,
    bind: Callable[[Value], None],
    block: Callable[[], Flow | None],
) -> Flow | None:
    """What the generator does before its yield, the block, and what it does after; how the block ended."""
    caller = machine.frame
    depth = len(machine.recorder.calls)
    entered: list[Flow | None] = []

    def at_yield(value: Value) -> None:
        if entered:  # on the other arm of a branch; the block is walked once
            return
        entered.append(None)
        inner = machine.recorder.calls[depth:]
        del machine.recorder.calls[depth:]
        nesting, machine.budget.expressions = machine.budget.expressions, 0
        machine.frames.append(caller)
        try:
            bind(value)
            flow = block()
        finally:
            machine.frames.pop()
            machine.recorder.calls.extend(inner)
            machine.budget.expressions = nesting
        if flow is not None and flow.kind == "raise":
            raise Raised(flow)
        entered[0] = flow

    calls.inline(machine, manager.function, manager.args, manager.kwargs, node, at_yield)
    if not entered:
        machine.cannot_see("context-manager", f"{manager.function.name} does not yield", node, on_path=True)
        return block()
    return entered[0]
