"""Weights outside a network: state dictionaries, files they are written to and read from, copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Exported, Reloaded, Update
from harness.audit.interpreter.heap import (
    GRAD,
    KEYS,
    LEARNED,
    SUMMARY,
    Alternatives,
    Instance,
    Mapping,
    Obj,
    Sequence,
    Tensor,
)
from harness.audit.interpreter.network_parts import adopt, learned_in, root_of
from harness.audit.interpreter.values import ANYTHING, NONE, Source, Value, computed_from
from harness.audit.libraries import learning
from harness.audit.libraries.registry import on_call, on_method
from harness.audit.libraries.torch_modules import network_of
from harness.audit.regions import Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

COPIES_AT_MOST = 4_000
_STATE = "state:"  # begins the label of what came out of a network's state, with the network's id


@on_method("state_dict")
def _state_dict(
    machine: Machine,
    receiver: Value,
    _name: str,
    _args: list[Value],
    _kwargs: dict[str, Value],
    _node: ast.AST,
) -> Value | None:
    network = network_of(receiver)
    if network is None:
        return None
    held = learned_in(machine, network)
    made = Mapping(machine.heap.new_id())
    source = Source(learned=held.learned, labels=frozenset({f"{_STATE}{root_of(network).id}"}))
    machine.heap.put(made, SUMMARY, Value(source=source))
    machine.heap.put(made, KEYS, ANYTHING)
    return Value(ref=made)


@on_method("load_state_dict")
def _load(
    machine: Machine, receiver: Value, _name: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    network = network_of(receiver)
    if network is None:
        return None
    given = args[0] if args else kwargs.get("state_dict", ANYTHING)
    source = machine.deep_source(given)
    is_known = bool(source.learned) or any(label.startswith(_STATE) for label in source.labels)
    if not is_known and _has_learned_validation(machine, network):
        # Nothing says that what is loaded was made before: bytes may have been lost between file and weights.
        machine.cannot_see(
            "reloaded", "what was loaded into the network was not followed", node, on_path=True
        )
    learning.replace(machine, network, source, node)
    root = root_of(network)
    machine.states.setdefault(root.id, root)
    machine.recorder.record(
        Reloaded, machine.spot(node), state=root.id, updates=tuple(sorted(source.learned))
    )
    return NONE


def _has_learned_validation(machine: Machine, network: Obj) -> bool:
    events = machine.recorder.events
    for number in learned_in(machine, network).learned:
        event = events[number - 1] if number <= len(events) else None  # ids count events from 1
        if isinstance(event, Update) and event.region.split is Split.VALIDATION:
            return True
    return False


@on_call("copy.deepcopy", "copy.copy")
def _deepcopy(
    machine: Machine, _path: str, args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value:
    return copied(machine, args[0], {}) if args else ANYTHING


def copied(machine: Machine, value: Value, memo: dict[int, Obj]) -> Value:
    """A deep copy: networks of their own with the same learning inside."""
    ref = value.ref
    if ref is None or len(memo) > COPIES_AT_MOST:
        return value
    if ref.id in memo:
        return Value(value.const, memo[ref.id], value.source, value.line)
    heap = machine.heap
    made: Obj
    if isinstance(ref, Instance):
        made = Instance(heap.new_id(), ref.cls, ref.library)
        made.is_module = ref.is_module
    elif isinstance(ref, Sequence):
        made = Sequence(heap.new_id(), ref.kind)
    elif isinstance(ref, Mapping):
        made = Mapping(heap.new_id(), ref.default)
    elif isinstance(ref, Alternatives):
        options = tuple(copied(machine, one, memo) for one in ref.options)
        return Value(value.const, Alternatives(heap.new_id(), options), value.source, value.line)
    elif isinstance(ref, Tensor):
        made = Tensor(heap.new_id(), ref.made)
        made.is_state, made.is_parameter = ref.is_state, ref.is_parameter
        machine.states[made.id] = made
    else:
        return value
    memo[ref.id] = made
    for key, slot in list(ref.slots.items()):
        inner = copied(machine, slot, memo)
        heap.put(made, key, inner)
        if isinstance(made, Instance) and made.is_module and key not in {GRAD, LEARNED}:
            adopt(machine, made, inner)
    return Value(value.const, made, value.source, value.line)


@on_call(
    "torch.save", "pickle.dump", "safetensors.torch.save_file", "numpy.savez", "numpy.save", "joblib.dump"
)
def _save(machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST) -> Value:
    if len(args) < 2:
        return NONE
    what, where = (args[1], args[0]) if path.startswith("numpy") else (args[0], args[1])
    source = computed_from([machine.deep_source(one) for one in (what, *kwargs.values())])
    exported(machine, source, where, node)
    machine.registry.method(machine, where, "write", [Value(source=source)], {}, node)
    return NONE


def exported(machine: Machine, source: Source, where: Value, node: ast.AST) -> None:
    """Record that weights are written."""
    states = [int(label[len(_STATE) :]) for label in source.labels if label.startswith(_STATE)]
    if states:
        text = where.const if isinstance(where.const, str) else ""
        machine.recorder.record(
            Exported, machine.spot(node), state=min(states), updates=tuple(sorted(source.learned)), path=text
        )
