"""Optimisers: what a step changes, and with which gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Reset, StateKind
from harness.audit.interpreter.heap import GRAD, Instance, Mapping, Parameters, Sequence
from harness.audit.interpreter.network_parts import root_of
from harness.audit.interpreter.values import (
    GRADIENT,
    NONE,
    NOTHING,
    Source,
    Value,
    computed_from,
)
from harness.audit.libraries import learning
from harness.audit.libraries.registry import on_attribute, on_call, on_method
from harness.audit.regions import Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

PARAMETERS = "<parameters>"


def new_optimizer(
    machine: Machine, made: Instance, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> None:
    """Give an optimiser the parameters it was made with."""
    made.library = made.library or "torch.optim"
    given = [*args, *kwargs.values()]
    machine.heap.put(made, PARAMETERS, machine.heap.sequence("list", given))
    machine.recorder.record(Reset, machine.spot(node), state=made.id, of_optimizer=True)


def is_optimizer(value: Value) -> bool:
    """Whether the value is an optimiser."""
    return isinstance(value.ref, Instance) and PARAMETERS in value.ref.slots


@on_call("torch.optim.*", "apex.optimizers.*", "bitsandbytes.optim.*", "*.Muon", "*.AdamW", "*.Adam", "*.SGD")
def _make(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    if ".lr_scheduler" in path or not path.rsplit(".", 1)[-1][:1].isupper():
        return None
    made = Instance(machine.heap.new_id(), None, path)
    new_optimizer(machine, made, args, kwargs, node)
    return Value(ref=made)


@on_method("step")
def _step(
    machine: Machine, receiver: Value, _name: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    if not is_optimizer(receiver):
        if isinstance(receiver.ref, Instance) and receiver.ref.library.endswith("GradScaler"):
            return _step(machine, args[0], "step", args[1:], {}, node) if args else NONE
        return None
    closure = args[0] if args else kwargs.get("closure")
    result = NONE
    if closure is not None and closure.const is not None:
        result = machine.call(closure, [], {}, node)
    ref = receiver.ref
    if not isinstance(ref, Instance):
        return NONE
    made: dict[int, frozenset[int]] = {}
    learners = learning.learners_in(machine, ref.slots[PARAMETERS])
    if not any(GRAD in root_of(obj).slots for obj in learners) and _waits_for_a_step(machine):
        machine.cannot_see(
            "optimizer-step", "what the step changes could not be followed", node, on_path=True
        )
    for obj in learners:
        root = root_of(obj)
        if root.id not in made:
            source = learning.pending(obj)
            if not source.reads:
                continue
            made[root.id] = learning.update(
                machine, obj, source, "optimizer.step", node, _kind(machine, root)
            )
        learning.learn(machine, obj, made[root.id])
    for obj in learners:
        learning.gradients_used(machine, obj)
    return result


def _waits_for_a_step(machine: Machine) -> bool:
    """Whether a gradient of tokens that are scored is pending somewhere: this step may use it."""
    found = [root.slots[GRAD] for root in machine.states.values() if GRAD in root.slots]
    return any(
        value.const != "used" and any(one.split is not Split.TRAINING for one in value.source.reads)
        for value in found
    )


def _kind(machine: Machine, obj: object) -> StateKind | None:
    """A network handed to another network's forward pass is an adapter."""
    adapters: set[int] = machine.facts.setdefault("adapters", set())
    return StateKind.ADAPTER if getattr(obj, "id", None) in adapters else None


@on_method("zero_grad")
def _zero_grad(
    machine: Machine,
    receiver: Value,
    _name: str,
    _args: list[Value],
    _kwargs: dict[str, Value],
    node: ast.AST,
) -> Value | None:
    del node
    ref = receiver.ref
    if isinstance(ref, Instance) and PARAMETERS in ref.slots:
        for obj in learning.learners_in(machine, ref.slots[PARAMETERS]):
            learning.gradients_used(machine, obj)
        return NONE
    if isinstance(ref, Instance) and ref.is_module:
        learning.gradients_used(machine, ref)
        return NONE
    return None


@on_method("load_state_dict")
def _load(
    machine: Machine,
    receiver: Value,
    _name: str,
    _args: list[Value],
    _kwargs: dict[str, Value],
    node: ast.AST,
) -> Value | None:
    if not is_optimizer(receiver) or receiver.ref is None:
        return None
    machine.recorder.record(Reset, machine.spot(node), state=receiver.ref.id, of_optimizer=True)
    return NONE


@on_attribute("param_groups")
def _groups(machine: Machine, value: Value, _name: str, _node: ast.AST) -> Value | None:
    ref = value.ref
    if not isinstance(ref, Instance) or PARAMETERS not in ref.slots:
        return None
    group = Mapping(machine.heap.new_id())
    parameters = [
        Value(ref=Parameters(machine.heap.new_id(), obj), source=Source(states=frozenset({root_of(obj).id})))
        for obj in learning.learners_in(machine, ref.slots[PARAMETERS])
    ]
    machine.heap.put(group, ("key", "params"), machine.heap.sequence("list", parameters))
    return machine.heap.sequence("list", [Value(ref=group)])


@on_method("add_param_group")
def _add_group(
    machine: Machine, receiver: Value, _name: str, args: list[Value], _kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    del node
    ref = receiver.ref
    if not isinstance(ref, Instance) or PARAMETERS not in ref.slots:
        return None
    held = ref.slots[PARAMETERS].ref
    if isinstance(held, Sequence) and args:
        machine.heap.put(held, len(held.slots), args[0])
    return NONE


@on_method("backward")
def _backward(
    machine: Machine, receiver: Value, _name: str, args: list[Value], _kwargs: dict[str, Value], node: ast.AST
) -> Value:
    loss = machine.deep_source(receiver)
    if loss is NOTHING and args:
        loss = machine.deep_source(args[0])
    learning.backward(machine, loss, machine.spot(node))
    return NONE


@on_call("torch.autograd.backward")
def _autograd_backward(
    machine: Machine, _path: str, args: list[Value], _kwargs: dict[str, Value], node: ast.AST
) -> Value:
    if args:
        learning.backward(machine, machine.deep_source(args[0]), machine.spot(node))
    return NONE


@on_call(
    "torch.autograd.grad",
    "torch.func.grad",
    "torch.func.grad_and_value",
    "torch.autograd.functional.jacobian",
)
def _grad(machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST) -> Value:
    if path.endswith(".grad") and not path.startswith("torch.func"):
        loss = args[0] if args else kwargs.get("outputs", NONE)
        source = machine.deep_source(loss)
        taken = source.changed(
            forward=machine.spot(node),
            labels=frozenset({GRADIENT}),
            learned=frozenset(),
            scores=frozenset(),
            index={},
        )
        return machine.heap.summary("list", Value(source=taken))
    sources = [machine.deep_source(one) for one in (*args, *kwargs.values())]
    return machine.new(computed_from(sources).labelled(GRADIENT))


@on_attribute("grad")
def _read_grad(machine: Machine, value: Value, _name: str, _node: ast.AST) -> Value | None:
    if not learning.is_parameter(value):
        return None
    obj = learning.learner(value)
    if obj is None:
        return None
    source = learning.pending(obj)
    return Value(source=source.changed(states=frozenset(), scores=frozenset(), learned=frozenset()))
