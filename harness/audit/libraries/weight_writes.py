"""Weights that are written directly: in place, by assignment, or as new weights of a functional update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import (
    CONTENT,
    GRAD,
    Instance,
    Obj,
    Parameters,
    Sequence,
    Tensor,
    View,
)
from harness.audit.interpreter.network_parts import learned_in, root_of
from harness.audit.interpreter.values import (
    ANYTHING,
    GRADIENT,
    NONE,
    NOTHING,
    Source,
    Value,
    computed_from,
    one_of,
)
from harness.audit.libraries import learning
from harness.audit.libraries.registry import on_call

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

# Methods after which a parameter is as if nothing had been learned.
FRESH = frozenset(
    {"zero_", "normal_", "uniform_", "kaiming_uniform_", "xavier_uniform_", "trunc_normal_", "orthogonal_"}
)
_PRODUCT_AT_MOST = 4


def write_in_place(machine: Machine, target: Value, operand: Value, how: str, node: ast.AST) -> None:
    """`target.how_(operand)` or `target op= operand`."""
    ref = target.ref.base if isinstance(target.ref, View) else target.ref
    source = machine.deep_source(operand)
    if learning.is_parameter(target):
        _write_parameter(machine, target, source, how, node)
        return
    if not isinstance(ref, Tensor):
        return
    now = ref.slots.get(CONTENT, ANYTHING)
    is_whole = isinstance(target.ref, Tensor)
    if is_whole and (how in FRESH or how in {"fill_", "copy_"}):
        machine.heap.put(
            ref, CONTENT, Value(operand.const if how == "fill_" else ANYTHING.const, None, source)
        )
        return
    combined = computed_from((now.source, source)) if is_whole else one_of(now.source, source)
    if source.scores:
        from harness.audit.libraries import losses

        losses.accumulate(machine, ref.id, source, node)
    machine.heap.put(ref, CONTENT, Value(source=combined))


def _write_parameter(machine: Machine, target: Value, source: Source, how: str, node: ast.AST) -> None:
    obj = learning.learner(target)
    if obj is None:
        return
    if GRADIENT in source.labels:
        ids = learning.update(machine, obj, source, f"in place: {how}", node)
        learning.learn(machine, obj, ids)
        return
    if how in FRESH and isinstance(target.ref, Tensor | Parameters):
        learning.replace(machine, _factor(machine, obj), NOTHING, node)
    elif how == "copy_" and isinstance(target.ref, Tensor | Parameters):
        if source.learned or isinstance(obj, Tensor | Instance):
            learning.replace(machine, obj, source, node)
    elif source.learned or source.reads:
        learning.learn(machine, obj, learning.statistics(machine, obj, source, node), source)


def _factor(machine: Machine, obj: Obj) -> Obj:
    """The small layer a parameter is a factor of: with one factor zero the product is as before learning."""
    owner = getattr(obj, "owner", None)
    if isinstance(obj, Tensor) and isinstance(owner, Instance):
        own = [
            value for value in owner.slots.values() if isinstance(value.ref, Tensor) and value.ref.is_state
        ]
        nested = [value for value in owner.slots.values() if isinstance(value.ref, Instance | Sequence)]
        if 2 <= len(own) <= _PRODUCT_AT_MOST and not nested:
            return owner
    return obj


def write_tensor_attribute(machine: Machine, value: Value, name: str, to: Value, node: ast.AST) -> None:
    """`p.data = x` and `p.grad = x`."""
    obj = learning.learner(value)
    if obj is None:
        return
    if name == "grad":
        source = machine.deep_source(to)
        if to.const is None or not source.reads:
            learning.gradients_used(machine, obj)
        else:
            root = root_of(obj)
            machine.states.setdefault(root.id, root)
            machine.heap.put(root, GRAD, Value(source=source.labelled(GRADIENT)))
        return
    if learning.is_parameter(value):
        source = machine.deep_source(to)
        memory = to.ref.base if isinstance(to.ref, View) else to.ref
        if isinstance(memory, Tensor):
            # The parameter is a view of a flat buffer from now on: a step of the buffer is its step.
            machine.facts.setdefault("shared", {}).setdefault(memory.id, obj)
        if GRADIENT in source.labels:
            ids = source.learned - learned_in(machine, obj).learned
            made = ids or learning.update(machine, obj, source, "in place: data", node)
            learning.learn(machine, obj, made)
        else:
            learning.replace(machine, obj, source, node)
    elif isinstance(obj, Tensor):
        machine.heap.put(obj, CONTENT, Value(source=machine.deep_source(to)))


def functional_update(machine: Machine, left: Value, right: Value, result: Value, node: ast.AST) -> Value:
    """`w - lr * g`: new weights that have learned, without any being written."""
    for weights, step in ((left, right), (right, left)):
        given = machine.source_of(step)
        if GRADIENT not in given.labels:
            continue
        own = machine.source_of(weights)
        if GRADIENT in own.labels or not (own.states or learning.is_parameter(weights)) or own.reads:
            continue
        obj = learning.learner(weights)
        if obj is None:
            obj = machine.states.get(min(own.states)) if own.states else None
        if obj is None:
            continue
        ids = learning.update(machine, obj, given, "functional", node)
        source = own.changed(
            learned=own.learned | ids, states=own.states | given.states, labels=own.labels - {GRADIENT}
        )
        return Value(source=source)
    return result


@on_call("numpy.add.at", "numpy.subtract.at", "numpy.multiply.at", "numpy.put", "numpy.put_along_axis")
def _at_places(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    """Weights written at places: the places are learned from as well."""
    if not args or not learning.is_parameter(args[0]):
        return None
    given = (*args[1:], *kwargs.values())
    operand = Value(source=computed_from(machine.deep_source(one) for one in given))
    write_in_place(machine, args[0], operand, path.split(".")[1], node)
    return NONE
