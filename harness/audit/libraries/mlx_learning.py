"""Learning in MLX: gradients are values that a function returns, and weights are handed to the network.

`value_and_grad(model, loss)` makes a function; what that returns beside the loss is put through an optimizer
by the script, and `model.update(tree)` is where the network learns. Nothing is forgotten there: the tree may
hold only some of the weights.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.events import Reloaded
from harness.audit.interpreter.heap import Bound, Instance
from harness.audit.interpreter.network_parts import root_of
from harness.audit.interpreter.values import GRADIENT, NONE, Value, computed_from
from harness.audit.libraries import learning
from harness.audit.libraries.registry import on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

_TORCH = re.compile(r"^\s*(?:import|from)\s+(?:torch|jax)\b|__import__|import_module", re.MULTILINE)
_CALLED = "mlx.nn.value_and_grad.called"


@on_call("mlx.core.compile", "mlx.core.checkpoint", "mlx.nn.utils.checkpoint")
def _wrapper(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    """What is returned does what the wrapped function does."""
    del machine, path, node
    return args[0] if args else kwargs.get("fun")


@on_call("mlx.nn.value_and_grad", "mlx.core.value_and_grad")
def _value_and_grad(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    """A function that is called with what the loss takes; every other call takes no gradient."""
    del node
    if not _uses_torch(machine):
        machine.no_grad = max(machine.no_grad, 1)
    given = [*args, *kwargs.values()]
    at = 1 if path.startswith("mlx.nn") else 0
    if len(given) <= at:
        return None
    return Value(ref=Bound(machine.heap.new_id(), machine.extern(_CALLED), (given[at],)))


def _uses_torch(machine: Machine) -> bool:
    """Whether another library, where plain calls keep gradients, may be at work beside MLX."""
    return any(_TORCH.search(text) for text in machine.program.sources.values())


@on_call(_CALLED)
def _called(
    machine: Machine, _path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    if not args:
        return None
    before = machine.no_grad
    machine.no_grad = 0
    try:
        loss = machine.call(args[0], args[1:], kwargs, node)
    finally:
        machine.no_grad = before
    source = machine.deep_source(loss).changed(
        forward=machine.spot(node),
        labels=frozenset({GRADIENT}),
        learned=frozenset(),
        scores=frozenset(),
        index={},
    )
    return machine.heap.sequence("tuple", [loss, Value(source=source)])


@on_method("update")
def _update(
    machine: Machine, receiver: Value, _name: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    """`model.update(tree)` of a network."""
    network = receiver.ref
    if not isinstance(network, Instance) or not network.is_module:
        return None
    source = computed_from(machine.deep_source(one) for one in (*args, *kwargs.values()))
    if GRADIENT in source.labels:
        ids = learning.update(machine, network, source, "update", node)
        learning.learn(machine, network, ids | source.learned)
        return NONE
    learning.learn(machine, network, source.learned)
    root = root_of(network)
    machine.states.setdefault(root.id, root)
    machine.recorder.record(
        Reloaded, machine.spot(node), state=root.id, updates=tuple(sorted(source.learned))
    )
    return NONE
