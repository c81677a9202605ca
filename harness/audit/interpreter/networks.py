"""Calls of networks: what they return depends on all that was learned in them until now."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import calls, forward_state
from harness.audit.interpreter.heap import Class, Function, Instance, Mapping, Sequence, Tensor, View
from harness.audit.interpreter.network_parts import learned_in, root_of
from harness.audit.interpreter.objects import find_in_class
from harness.audit.interpreter.values import LOGITS, UNKNOWN, Source, Value, computed_from

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine

_SMALL = 14


def forward(
    machine: Machine, callee: Value, ref: Instance, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    """`network(x)`."""
    own = ref.slots.get("forward") or ref.slots.get("__call__")
    if own is not None and own.ref is not None:
        return machine.call(own, args, kwargs, node)  # replaced on this object alone
    function = find_in_class(ref.cls, "forward") if ref.cls is not None else None
    if function is None and ref.cls is not None:
        function = find_in_class(ref.cls, "__call__")
    if function is None or not isinstance(function.ref, Function):
        handled = machine.registry.library_forward(machine, callee, ref, args, kwargs, node)
        return handled if handled is not None else opaque(machine, ref, args, kwargs, node)
    return call_method(machine, callee, ref, function.ref, [callee, *args], kwargs, node)


def call_method(
    machine: Machine,
    receiver: Value,
    ref: Instance,
    function: Function,
    args: list[Value],
    kwargs: dict[str, Value],
    node: ast.AST,
) -> Value:
    """A method of a network: a forward pass when data goes in."""
    sources = [machine.deep_source(one) for one in (*args[1:], *kwargs.values())]
    has_data = any(source.reads or source.scores for source in sources)
    active: list[tuple[Instance, Source]] = machine.facts.setdefault("networks", [])
    if active:
        if active[-1][0] is ref or not has_data or _scores(machine, ref.cls) or _is_small(function):
            return calls.inline(machine, function, args, kwargs, node)
        return opaque(machine, ref, args[1:], kwargs, node)
    if not has_data:
        return calls.inline(machine, function, args, kwargs, node)
    machine.registry.run_hooks(machine, ref, args[1:], None, node)
    forward_state.watch(machine, ref, sources, node)
    own = _with_adapters(machine, _own_source(machine, ref, node), [*args[1:], *kwargs.values()], sources)
    active.append((ref, own))
    try:
        result = calls.inline(machine, function, args, kwargs, node)
    finally:
        active.pop()
    machine.registry.forwarded(machine, receiver, ref, args[1:], result, node)
    machine.registry.run_hooks(machine, ref, args[1:], result, node)
    return _with(machine, result, own)


def _own_source(machine: Machine, ref: Instance, node: ast.AST) -> Source:
    learned = learned_in(machine, ref)
    own = Source(
        learned=learned.learned,
        states=frozenset({root_of(ref).id}) if not machine.no_grad else frozenset(),
        labels=frozenset({LOGITS}),
        forward=machine.spot(node),
    )
    machine.states.setdefault(root_of(ref).id, root_of(ref))
    return own


def _with_adapters(machine: Machine, own: Source, given: list[Value], sources: list[Source]) -> Source:
    """Adapters and deltas handed to a forward pass are a part of what it was computed with."""
    learned, states = own.learned, own.states
    adapters: set[int] = machine.facts.setdefault("adapters", set())
    for value, source in zip(given, sources, strict=True):
        learned = learned | source.learned
        if not machine.no_grad:
            states = states | source.states
        if isinstance(value.ref, Instance) and value.ref.is_module:
            adapters.add(root_of(value.ref).id)
            machine.states.setdefault(root_of(value.ref).id, root_of(value.ref))
    return own.changed(learned=learned, states=states)


def opaque(
    machine: Machine, ref: Instance, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    """A forward pass that is not walked."""
    is_outermost = not machine.facts.get("networks")
    if is_outermost:
        machine.registry.run_hooks(machine, ref, args, None, node)
    own = _own_source(machine, ref, node)
    sources = [machine.deep_source(one) for one in (*args, *kwargs.values())]
    if is_outermost:
        forward_state.watch(machine, ref, sources, node)
    result = Value(source=computed_from([own, *sources]).changed(forward=own.forward))
    if is_outermost:
        machine.registry.forwarded(machine, Value(ref=ref), ref, args, result, node)
        machine.registry.run_hooks(machine, ref, args, result, node)
    return result


def _with(machine: Machine, value: Value, own: Source, depth: int = 0) -> Value:
    ref = value.ref
    if isinstance(ref, Sequence | Mapping) and depth < 3:
        for slot in list(ref.slots):
            machine.heap.put(ref, slot, _with(machine, ref.slots[slot], own, depth + 1))
        return value
    if ref is not None and not isinstance(ref, Tensor | View):
        return value
    if ref is None and value.const is not UNKNOWN:
        return value
    source = computed_from((machine.source_of(value), own))
    return Value(UNKNOWN, None, source.changed(forward=own.forward))


def _scores(machine: Machine, cls: Class | None) -> bool:
    """Whether methods of the class make losses."""
    if cls is None:
        return False
    known: dict[int, bool] = machine.facts.setdefault("scoring", {})
    if cls.id not in known:
        known[cls.id] = any(
            id(value.ref.node) in machine.program.facts(value.ref.scope.file).scoring
            for value in cls.slots.values()
            if isinstance(value.ref, Function)
        )
    return known[cls.id]


def _is_small(function: Function) -> bool:
    body = function.node.body
    if not isinstance(body, list):
        return True
    if len(body) > _SMALL:
        return False
    return not any(isinstance(one, ast.For | ast.While) for one in body) and len(body) <= 2
