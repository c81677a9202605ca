"""Writes names, attributes and elements; decides the truth of values."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import choosing, operators, special_methods, subscripts
from harness.audit.interpreter.heap import (
    Alternatives,
    Bound,
    Class,
    Extern,
    Function,
    Instance,
    Mapping,
    Range,
    Scope,
    Sequence,
    Tensor,
    View,
)
from harness.audit.interpreter.logged_settings import as_logged
from harness.audit.interpreter.values import (
    ANYTHING,
    FALSE,
    TRUE,
    UNKNOWN,
    Value,
    computed_from,
    with_some_cut,
)

if TYPE_CHECKING:
    from harness.audit.interpreter.flows import Flow
    from harness.audit.interpreter.machine import Machine

ELEMENTS_AT_MOST = 64
_NOWHERE = ast.Pass()  # for calls that no syntax node makes


def truth(machine: Machine, value: Value) -> Value:
    """TRUE, FALSE, or an unknown that keeps where it came from."""
    if value.const is not UNKNOWN:
        try:
            return TRUE if value.const else FALSE
        except (TypeError, ValueError):
            return Value(source=value.source)
    ref = value.ref
    if isinstance(ref, Function | Bound | Class | Scope) or (
        isinstance(ref, Extern) and "()" not in ref.path
    ):
        return TRUE
    if isinstance(ref, Instance) and ref.cls is not None:
        own = special_methods.special(machine, value, ("__bool__", "__len__"), [], _NOWHERE)
        if own is not None:
            return truth(machine, own) if own.ref is not ref else Value(source=own.source)
    if isinstance(ref, Extern) and "()" in ref.path:
        return Value(source=value.source)  # what a call of something unknown returned
    if isinstance(ref, Instance):
        return TRUE if ref.is_module or ref.cls is None else Value(source=value.source)
    if isinstance(ref, Sequence) and ref.size is not None:
        return TRUE if ref.size else FALSE
    if isinstance(ref, Sequence):
        return TRUE  # of unknown length: what is done with its elements matters
    if isinstance(ref, Mapping):
        return TRUE if ref.slots else Value(source=value.source)
    if isinstance(ref, Range):
        return ANYTHING
    if isinstance(ref, Alternatives):
        known = {truth(machine, option).const for option in ref.options}
        if known in ({True}, {False}):
            return TRUE if True in known else FALSE
    return Value(source=machine.source_of(value))


def bind(machine: Machine, name: str, value: Value) -> None:
    """Write a name in the scope it belongs to."""
    scope = machine.frame.scope
    if name in scope.globals_:
        outer: Scope | None = scope
        while outer is not None and outer.outer is not None:
            outer = outer.outer
        scope = outer or scope
    elif name in scope.names:
        found = scope.outer
        while found is not None and name not in found.slots:
            found = found.outer
        scope = found or scope
    if scope.is_class:
        value = as_logged(machine, name, value)
    machine.heap.put(scope, name, value)


def assign_statement(machine: Machine, node: ast.Assign) -> Flow | None:
    """`a = b = value`."""
    value = machine.evaluate(node.value)
    for target in node.targets:
        assign(machine, target, value)
    return None


def annotated(machine: Machine, node: ast.AnnAssign) -> Flow | None:
    """`a: int = value`; in a class body it also names a field."""
    scope = machine.frame.scope
    if scope.is_class and isinstance(node.target, ast.Name):
        fields = machine.facts.setdefault("fields", {}).setdefault(scope.id, [])
        if len(fields) < ELEMENTS_AT_MOST * 8:
            fields.append(node.target.id)
    if node.value is not None:
        assign(machine, node.target, machine.evaluate(node.value))
    return None


def assign(machine: Machine, target: ast.expr, value: Value) -> None:
    """Write a target: a name, a tuple of targets, an attribute, an element."""
    if isinstance(target, ast.Name):
        bind(machine, target.id, value)
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(machine, target.elts, value)
    elif isinstance(target, ast.Attribute):
        owner = machine.evaluate(target.value)
        machine.set_attribute(owner, target.attr, value, target)
    elif isinstance(target, ast.Subscript):
        owner = machine.evaluate(target.value)
        key = machine.evaluate(target.slice)
        subscripts.store(machine, owner, key, value, target)
    elif isinstance(target, ast.Starred):
        assign(machine, target.value, value)


def _unpack(machine: Machine, targets: list[ast.expr], value: Value) -> None:
    star = next((at for at, one in enumerate(targets) if isinstance(one, ast.Starred)), None)
    ref = value.ref
    if isinstance(ref, Sequence) and ref.size is not None and star is None and ref.size == len(targets):
        for target, element in zip(targets, ref.elements, strict=True):
            assign(machine, target, choosing.overlaid(machine, element, value.source))
        return
    if (
        isinstance(ref, Sequence)
        and ref.size is not None
        and star is not None
        and ref.size >= len(targets) - 1
    ):
        elements = [choosing.overlaid(machine, element, value.source) for element in ref.elements]
        after = len(targets) - star - 1
        middle = elements[star : len(elements) - after]
        parts = [*elements[:star], machine.heap.sequence("list", middle), *elements[len(elements) - after :]]
        for target, element in zip(targets, parts, strict=True):
            assign(machine, target, element)
        return
    if isinstance(value.const, tuple) and star is None and len(value.const) == len(targets):
        for target, const in zip(targets, value.const, strict=True):
            assign(machine, target, Value(const, None, value.source))
        return
    if isinstance(ref, Alternatives):
        _unpack_alternatives(machine, targets, ref, value)
        return
    for at, target in enumerate(targets):
        element = choosing.element_at(machine, value, at)
        if ref is None:
            element = element.with_source(with_some_cut(element.source))
        assign(machine, target, element)


def _unpack_alternatives(machine: Machine, targets: list[ast.expr], ref: Alternatives, value: Value) -> None:
    options = [option for option in ref.options if option.const is not None]
    for at, target in enumerate(targets):
        joined: Value | None = None
        for option in options:
            element = choosing.element_at(machine, option.with_source(value.source), at)
            joined = element if joined is None else machine.join(joined, element)
        assign(machine, target, joined or ANYTHING)


def augmented(machine: Machine, node: ast.AugAssign) -> Flow | None:
    """`a += b`: in place for tensors and lists, a new value for the rest."""
    target = node.target
    operand = machine.evaluate(node.value)
    if isinstance(target, ast.Name):
        now = machine.evaluate(target)
        result = _in_place(machine, now, operand, node)
        if result is not now:
            bind(machine, target.id, result)
    elif isinstance(target, ast.Attribute):
        owner = machine.evaluate(target.value)
        now = machine.attribute(owner, target.attr, target)
        result = _in_place(machine, now, operand, node)
        if result is not now:
            machine.set_attribute(owner, target.attr, result, target)
    elif isinstance(target, ast.Subscript):
        owner = machine.evaluate(target.value)
        key = machine.evaluate(target.slice)
        now = subscripts.load(machine, owner, key, target)
        handled = machine.registry.augmented_element(machine, owner, key, now, operand, node)
        if handled:
            return None
        if machine.registry.is_parameter(now):
            # Which weights change says as much about the tokens that chose them as by how much.
            operand = Value(source=computed_from((machine.deep_source(operand), machine.deep_source(key))))
        result = _in_place(machine, now, operand, node)
        if result is not now:
            subscripts.store(machine, owner, key, result, target, is_update=True)
    return None


def _in_place(machine: Machine, now: Value, operand: Value, node: ast.AugAssign) -> Value:
    if isinstance(now.ref, Sequence) and now.ref.kind == "list" and isinstance(node.op, ast.Add):
        machine.call_method(now, "extend", [operand], {}, node)
        return now
    if isinstance(now.ref, Tensor | View) or machine.registry.is_parameter(now):
        machine.registry.write_in_place(machine, now, operand, operators.name_of(node.op), node)
        return now
    own = special_methods.in_place(machine, node.op, now, operand, node) if now.ref is not None else None
    if own is not None:
        return own
    result = operators.binary(machine, node.op, now, operand, node)
    machine.registry.accumulated(machine, now, operand, result, node)
    return result
