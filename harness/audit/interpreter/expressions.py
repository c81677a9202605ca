"""Evaluates expressions."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import (
    assignments,
    choosing,
    comparisons,
    comprehensions,
    definitions,
    displays,
    generators,
    operators,
    special_methods,
    subscripts,
)
from harness.audit.interpreter.budget import ELEMENTS_AT_MOST, EXPRESSION_DEPTH
from harness.audit.interpreter.heap import Slice
from harness.audit.interpreter.merging import join_of
from harness.audit.interpreter.values import ANYTHING, UNKNOWN, Value, computed_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine


def evaluate(machine: Machine, node: ast.expr) -> Value:
    """The value of an expression."""
    # Every node comes through here: counting is written out, and names do without a level of their own.
    budget = machine.budget
    budget.used += 1
    if budget.used > budget.limit:
        budget.end()
    kind = type(node)
    work = _EXPRESSIONS.get(kind)
    if work is None:
        return ANYTHING
    if budget.expressions >= EXPRESSION_DEPTH:
        machine.cannot_see("recursion", "an expression is nested too deep", node, on_path=True)
        return ANYTHING
    if kind is ast.Name or kind is ast.Constant:
        return work(machine, node)
    budget.expressions += 1
    try:
        return work(machine, node)
    finally:
        budget.expressions -= 1


def _constant(_machine: Machine, node: ast.Constant) -> Value:
    return Value(node.value)


def _name(machine: Machine, node: ast.Name) -> Value:
    name = node.id
    scope = machine.frames[-1].scope
    local = scope.slots.get(name)
    if local is not None and name not in scope.globals_:
        return local
    first = True
    found = scope
    while found is not None:
        if (first or not found.is_class) and name in found.slots and not (first and name in found.globals_):
            return found.slots[name]
        if found.outer is None:
            break
        found = found.outer
        first = False
    return found.slots.get(name) or _outermost(machine, name)


def _outermost(machine: Machine, name: str) -> Value:
    """A builtin, or a name that a star brought in."""
    path = f"builtins.{name}"
    stars = machine.facts.get("stars")
    return machine.extern(f"{stars[-1]}.{name}" if stars and machine.registry.is_foreign(path) else path)


def _attribute(machine: Machine, node: ast.Attribute) -> Value:
    return machine.attribute(machine.evaluate(node.value), node.attr, node)


def _subscript(machine: Machine, node: ast.Subscript) -> Value:
    owner = machine.evaluate(node.value)
    return subscripts.load(machine, owner, machine.evaluate(node.slice), node)


def _slice(machine: Machine, node: ast.Slice) -> Value:
    parts = [None if part is None else machine.evaluate(part) for part in (node.lower, node.upper, node.step)]
    source = computed_from(part.source for part in parts if part is not None)
    return Value(UNKNOWN, Slice(machine.heap.new_id(), *parts), source)


def _call(machine: Machine, node: ast.Call) -> Value:
    callee = machine.evaluate(node.func)
    args: list[Value] = []
    for arg in node.args[:ELEMENTS_AT_MOST]:
        if isinstance(arg, ast.Starred):
            args.extend(displays.starred(machine, machine.evaluate(arg.value)))
        else:
            args.append(machine.evaluate(arg))
    kwargs: dict[str, Value] = {}
    for keyword in node.keywords:
        value = machine.evaluate(keyword.value)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        else:
            kwargs.update(_double_starred(value))
    return machine.call(callee, args, kwargs, node)


def _double_starred(value: Value) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if value.ref is not None:
        for key, slot in value.ref.slots.items():
            if isinstance(key, tuple) and isinstance(key[1], str):
                found[key[1]] = slot
    return found


def _binary(machine: Machine, node: ast.BinOp) -> Value:
    left = machine.evaluate(node.left)
    return operators.binary(machine, node.op, left, machine.evaluate(node.right), node)


def _unary(machine: Machine, node: ast.UnaryOp) -> Value:
    value = machine.evaluate(node.operand)
    own = special_methods.unary(machine, node.op, value, node) if value.ref is not None else None
    if own is not None:
        return own
    truth = assignments.truth(machine, value) if isinstance(node.op, ast.Not) else value
    return operators.unary(machine, node.op, value, truth)


def _boolean(machine: Machine, node: ast.BoolOp) -> Value:
    is_and = isinstance(node.op, ast.And)
    seen: list[Value] = []
    for part in node.values[:ELEMENTS_AT_MOST]:
        value = machine.evaluate(part)
        truth = assignments.truth(machine, value)
        if truth.const is UNKNOWN:
            seen.append(value)
            continue
        if bool(truth.const) != is_and:
            return value if not seen or not is_and else truth
        last = value
        if part is node.values[-1] and not seen:
            return last
    if not seen:
        return ANYTHING
    if not is_and and len(seen) > 1 and any(one.ref is not None for one in seen):
        return choosing.joined_elements(machine, seen)
    return Value(source=computed_from(machine.source_of(one) for one in seen))


def _compare(machine: Machine, node: ast.Compare) -> Value:
    left = machine.evaluate(node.left)
    outcomes: list[Value] = []
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        right = machine.evaluate(comparator)
        outcome = comparisons.compare(machine, op, left, right, node)
        if outcome.const is False:
            return outcome
        outcomes.append(outcome)
        left = right
    unknown = [one for one in outcomes if one.const is UNKNOWN]
    if not unknown:
        return outcomes[-1]
    return Value(source=computed_from(one.source for one in unknown))


def _conditional(machine: Machine, node: ast.IfExp) -> Value:
    condition = assignments.truth(machine, machine.evaluate(node.test))
    if condition.const is not UNKNOWN:
        return machine.evaluate(node.body if condition.const else node.orelse)
    found: list[Value] = []

    def arm(of: ast.expr) -> None:
        found.append(machine.evaluate(of))

    machine.decide(condition, lambda: arm(node.body), lambda: arm(node.orelse))
    if len(found) < 2:
        return found[0] if found else ANYTHING
    return join_of(machine, found[0], found[1], condition)


def _lambda(machine: Machine, node: ast.Lambda) -> Value:
    return definitions.function_value(machine, node, "<lambda>")


def _walrus(machine: Machine, node: ast.NamedExpr) -> Value:
    value = machine.evaluate(node.value)
    assignments.bind(machine, node.target.id, value)
    return value


def _yield(machine: Machine, node: ast.Yield) -> Value:
    generators.give(machine, ANYTHING if node.value is None else machine.evaluate(node.value))
    return ANYTHING


def _yield_from(machine: Machine, node: ast.YieldFrom) -> Value:
    value = machine.evaluate(node.value)
    if not generators.delegate(machine, value):
        generators.give(machine, choosing.element_at(machine, value, None))
    return ANYTHING


def _await(machine: Machine, node: ast.Await) -> Value:
    return machine.evaluate(node.value)


def _star(machine: Machine, node: ast.Starred) -> Value:
    return machine.evaluate(node.value)


_EXPRESSIONS: dict[type[ast.expr], Callable[..., Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.List: displays.listed,
    ast.Tuple: displays.listed,
    ast.Set: displays.listed,
    ast.Dict: displays.mapped,
    ast.Lambda: _lambda,
    ast.JoinedStr: displays.formatted,
    ast.NamedExpr: _walrus,
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.Await: _await,
    ast.Starred: _star,
    ast.ListComp: comprehensions.listed,
    ast.SetComp: comprehensions.listed,
    ast.GeneratorExp: comprehensions.listed,
    ast.DictComp: comprehensions.mapped,
}
