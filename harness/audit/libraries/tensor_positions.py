"""Positions in tensors: where something is found, chosen by a condition, or gathered from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Sequence
from harness.audit.interpreter.values import (
    ANYTHING,
    UNKNOWN,
    Value,
    computed_from,
)
from harness.audit.libraries import logit_inputs, whole_stream
from harness.audit.libraries.registry import on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]


def both_libraries(names: str) -> list[str]:
    """These functions of torch and of numpy."""
    return [f"{root}.{name}" for root in ("torch", "numpy") for name in names.split()]


@on_call(*both_libraries("nonzero argwhere flatnonzero searchsorted argmax argsort bucketize cumsum unique"))
def _positions_call(machine: Machine, path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    del kwargs, node
    if path.endswith(("cumsum", "argmax")) and args and machine.deep_source(args[0]).scores:
        return None
    if path.endswith("numpy.searchsorted") and len(args) > 1:
        return _found_places(machine, args[0], args[1])
    found = positions(machine, args[0]) if args else ANYTHING
    if path.endswith("unique") and args and machine.deep_source(args[0]).reads:
        # Which tokens there are, not where: a position by use only.
        return found.with_source(logit_inputs.remembered(machine, found.source, machine.deep_source(args[0])))
    return found


@on_method("nonzero", "argwhere", "argmax", "argsort", "searchsorted")
def _positions_method(
    machine: Machine, receiver: Value, _name: str, _args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value:
    return positions(machine, receiver)


def _found_places(machine: Machine, ordered: Value, wanted: Value) -> Value:
    """Where in an ordered array the wanted numbers go: later ones for greater numbers.

    So the places of iteration i and of i + 1 bound what belongs to iteration i alone. That holds for any
    growing function, and a line with a step that is not known stands for it.
    """
    unit = -ordered.ref.id if ordered.ref is not None else ordered.symbol

    def place(value: Value) -> Value:
        line = value.line.in_units(unit) if value.line is not None else None
        source = computed_from((positions(machine, ordered).source, positions(machine, value).source))
        return Value(UNKNOWN, None, source, line)

    if isinstance(wanted.ref, Sequence) and wanted.ref.size is not None:
        return machine.heap.sequence("list", [place(one) for one in wanted.ref.elements])
    return place(wanted)


def positions(machine: Machine, value: Value) -> Value:
    """Where something is, rather than what: positions found in tokens do not carry the tokens."""
    source = machine.deep_source(value)
    source = source.changed(reads=frozenset(), labels=source.labels - {"gradient"})
    return Value(source=whole_stream.forgotten(source))


@on_call("torch.where", "numpy.where")
def _where(machine: Machine, _path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    del kwargs
    if len(args) == 1:
        return machine.heap.sequence("tuple", [positions(machine, args[0])])
    if len(args) < 3:
        return None
    from harness.audit.libraries import losses

    return losses.chosen(machine, args[0], args[1:], node)


@on_method("where", "masked_fill", "masked_fill_")
def _where_method(
    machine: Machine, receiver: Value, name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    if len(args) < 2:
        return None
    from harness.audit.libraries import losses

    result = losses.chosen(machine, args[0], [receiver, args[1]], node)
    return receiver if name.endswith("_") else result


@on_method("gather", "index_select", "take_along_dim", "take")
def _gathered(
    machine: Machine, receiver: Value, name: str, args: Args, kwargs: Kwargs, node: ast.AST
) -> Value | None:
    at = _indices(name, args, kwargs)
    if at is None:
        return None
    from harness.audit.libraries import losses

    return losses.gathered(machine, receiver, at, node)


def _indices(name: str, args: Args, kwargs: Kwargs) -> Value | None:
    """What chooses the entries: `along` functions take it before the dimension, the others after."""
    for key in ("index", "indices"):
        if key in kwargs:
            return kwargs[key]
    if not args:
        return None
    return args[0] if "along" in name else args[-1]


@on_call(
    *("torch.gather", "torch.index_select", "torch.take_along_dim"),
    *("numpy.take_along_axis", "mlx.core.take_along_axis", "jax.numpy.take_along_axis"),
)
def _gather_call(machine: Machine, path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    of = args[0] if args else kwargs.get("input", kwargs.get("a"))
    at = _indices(path, args[1:], kwargs)
    if of is None or at is None:
        return None
    from harness.audit.libraries import losses

    return losses.gathered(machine, of, at, node)
