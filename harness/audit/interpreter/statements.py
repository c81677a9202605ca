"""Walks statements: assignments, definitions, imports, and what ends a block early."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import assignments, definitions, importing, loops, managing, trying
from harness.audit.interpreter.flows import BREAK, CONTINUE, Flow, Raised
from harness.audit.interpreter.heap import Manager, Mapping, Sequence
from harness.audit.interpreter.values import ANYTHING, NONE, TRUE, UNKNOWN, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine


def run(machine: Machine, body: list[ast.stmt]) -> Flow | None:
    """Walk a block; what ended it early, or None."""
    budget = machine.budget
    recorder = machine.recorder
    file = machine.frames[-1].file
    for statement in body:
        budget.spend()
        machine.here = recorder.spot_at(file, statement.lineno)
        walk = _STATEMENTS.get(type(statement))
        if walk is None:
            continue
        try:
            flow = walk(machine, statement)
        except Raised as raised:
            flow = raised.flow
        if flow is not None:
            return flow
    return None


def _expression(machine: Machine, node: ast.Expr) -> Flow | None:
    if not isinstance(node.value, ast.Constant):
        value = machine.evaluate(node.value)
        if "set-grad" in value.source.labels:
            machine.no_grad = 0  # `torch.set_grad_enabled(True)`, until the function or block ends
        if value.const is _EXIT:
            return Flow("raise", name="SystemExit")
    return None


class _Exit:
    """What `exit()` evaluates to."""


_EXIT = _Exit()


def exit_value() -> object:
    """The constant that stands for the end of the process."""
    return _EXIT


def _if(machine: Machine, node: ast.If) -> Flow | None:
    tested = machine.evaluate(node.test)
    condition = assignments.truth(machine, tested)
    machine.consulted.tests.add((id(node), condition.const))
    if machine.evidence is not None:
        condition = machine.evidence.settle(machine, node, tested, condition)
    machine.here = machine.spot(node)
    is_assumed = isinstance(tested.ref, Sequence) and tested.ref.size is None  # a list that may be empty
    may_fail = condition.const is True and not node.orelse and (is_assumed or not machine.tries)
    if may_fail and _only_raises(node.body):
        # The script ran, so its own checks held: what we know about the run is not all there is.
        machine.cannot_see("check-fails", ast.unparse(node.test)[:120], node)
        return None
    return machine.decide(condition, lambda: run(machine, node.body), lambda: run(machine, node.orelse))


def _only_raises(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if not isinstance(last, ast.Raise) or _raised_name(last) == "SystemExit":
        return False  # `raise SystemExit(main())` is how a script ends, not a check
    return all(isinstance(one, ast.Expr | ast.Assign | ast.Raise) for one in body)


def _return(machine: Machine, node: ast.Return) -> Flow:
    return Flow("return", NONE if node.value is None else machine.evaluate(node.value))


def _raise(machine: Machine, node: ast.Raise) -> Flow:
    # `raise SystemExit(main())` runs main first; whoever catches an error gets what it was made with.
    value = machine.evaluate(node.exc) if node.exc is not None else None
    if node.cause is not None:
        machine.evaluate(node.cause)
    return Flow("raise", value, _raised_name(node))


def _raised_name(node: ast.Raise) -> str:
    error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return ast.unparse(error)[:80] if error is not None else ""


def _global(machine: Machine, node: ast.Global) -> None:
    machine.frame.scope.globals_.update(node.names)


def _nonlocal(machine: Machine, node: ast.Nonlocal) -> None:
    machine.frame.scope.names.update(node.names)


def _assert(machine: Machine, node: ast.Assert) -> None:
    # Runs were not started with -O as far as is known, so what an assertion calls was called.
    machine.evaluate(node.test)


def _delete(machine: Machine, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            machine.heap.drop(machine.frame.scope, target.id)
        elif isinstance(target, ast.Subscript):
            owner = machine.evaluate(target.value)
            key = machine.evaluate(target.slice)
            if isinstance(owner.ref, Mapping) and isinstance(key.const, str | int | float):
                machine.heap.drop(owner.ref, ("key", key.const))
        elif isinstance(target, ast.Attribute):
            machine.evaluate(target.value)


def _with(machine: Machine, node: ast.With | ast.AsyncWith) -> Flow | None:
    return _entered(machine, node, 0)


def _entered(machine: Machine, node: ast.With | ast.AsyncWith, at: int) -> Flow | None:
    """Enter the managers from number `at` on, walk the block, leave them."""
    if at == len(node.items):
        return run(machine, node.body)
    item = node.items[at]
    manager = machine.evaluate(item.context_expr)

    def bind(value: Value) -> None:
        if item.optional_vars is not None:
            assignments.assign(machine, item.optional_vars, value)

    def block() -> Flow | None:
        return _entered(machine, node, at + 1)

    if isinstance(manager.ref, Manager):
        return managing.run_managed(machine, manager.ref, item.context_expr, bind, block)
    bind(definitions.enter(machine, manager, item.context_expr))
    before = machine.no_grad
    if "with-grad" in manager.source.labels:
        machine.no_grad = 0
    machine.no_grad += "no-grad" in manager.source.labels
    try:
        flow = block()
    finally:
        machine.no_grad = before
    definitions.leave(machine, manager, node)
    return flow


def _match(machine: Machine, node: ast.Match) -> Flow | None:
    subject = machine.evaluate(node.subject)

    def cases(at: int) -> Flow | None:
        if at >= len(node.cases):
            return None
        case = node.cases[at]
        for capture in ast.walk(case.pattern):
            if isinstance(capture, ast.MatchAs | ast.MatchStar) and capture.name:
                assignments.bind(machine, capture.name, subject)
        condition = _matches(machine, subject.const, case)
        return machine.decide(condition, lambda: run(machine, case.body), lambda: cases(at + 1))

    return cases(0)


def _matches(machine: Machine, const: object, case: ast.match_case) -> Value:
    pattern = case.pattern
    guard = None if case.guard is None else assignments.truth(machine, machine.evaluate(case.guard))
    if isinstance(pattern, ast.MatchAs) and pattern.pattern is None:
        return TRUE if guard is None else guard
    if const is not UNKNOWN and isinstance(pattern, ast.MatchValue) and case.guard is None:
        value = machine.evaluate(pattern.value)
        if value.const is not UNKNOWN:
            return Value(value.const == const)
    return ANYTHING


_STATEMENTS: dict[type[ast.stmt], Callable[..., Flow | None]] = {
    ast.Expr: _expression,
    ast.Assign: assignments.assign_statement,
    ast.AugAssign: assignments.augmented,
    ast.AnnAssign: assignments.annotated,
    ast.If: _if,
    ast.For: loops.run_for,
    ast.AsyncFor: loops.run_for,
    ast.While: loops.run_while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: trying.run_try,
    ast.TryStar: trying.run_try,
    ast.FunctionDef: definitions.define_function,
    ast.AsyncFunctionDef: definitions.define_function,
    ast.ClassDef: definitions.define_class,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Import: importing.run_import,
    ast.ImportFrom: importing.run_import_from,
    ast.Global: _global,
    ast.Nonlocal: _nonlocal,
    ast.Assert: _assert,
    ast.Delete: _delete,
    ast.Match: _match,
    ast.Break: lambda _machine, _node: BREAK,
    ast.Continue: lambda _machine, _node: CONTINUE,
}
