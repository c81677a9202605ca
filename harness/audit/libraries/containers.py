"""Lists, dictionaries, sets and what the standard library makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter import calls
from harness.audit.interpreter.choosing import element_at, joined_elements, overlaid, repeated
from harness.audit.interpreter.heap import (
    KEYS,
    SUMMARY,
    Bound,
    Instance,
    Manager,
    Mapping,
    Sequence,
)
from harness.audit.interpreter.loops import summarise
from harness.audit.interpreter.subscripts import load, store
from harness.audit.interpreter.values import ANYTHING, NONE, Value
from harness.audit.libraries import losses
from harness.audit.libraries.counted_cells import added_up
from harness.audit.libraries.registry import on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.positions import Index

Args = list[Value]
Kwargs = dict[str, Value]
LISTED_AT_MOST = 200


def append(machine: Machine, ref: Sequence, value: Value) -> None:
    """Add an element at the end."""
    size = ref.size
    if size is not None and size >= LISTED_AT_MOST:
        summarise(machine, ref)
        size = None
    if size is None:
        machine.heap.put(ref, SUMMARY, machine.join(ref.slots[SUMMARY], value))
    else:
        machine.heap.put(ref, size, value)
    if isinstance(value.ref, Instance) and value.ref.is_module:
        machine.facts["structure"] = machine.facts.get("structure", 0) + 1


@on_method("append", "add", "appendleft", "put", "insert", "put_nowait")
def _append(
    machine: Machine, receiver: Value, _name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if not isinstance(ref, Sequence) or not args:
        return None
    value = args[-1]
    source = machine.source_of(value)
    if source.scores:
        losses.accumulate(machine, ref.id, source, node)
    if receiver.source.index and ref.size is not None and ref.slots:
        summarise(machine, ref)
    append(machine, ref, value)
    return NONE


@on_method("extend", "extendleft")
def _extend(
    machine: Machine, receiver: Value, _name: str, args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if not isinstance(ref, Sequence) or not args:
        return None
    given = args[0]
    if isinstance(given.ref, Sequence) and given.ref.size is not None:
        for element in given.ref.elements:
            append(machine, ref, overlaid(machine, element, given.source))
        return NONE
    if ref.slots and ref.size is not None:
        summarise(machine, ref)
    element = element_at(machine, given, None)
    if SUMMARY in ref.slots:
        own = {*machine.deep_source(element).index} & machine.finished_loops
        if own & {*machine.deep_source(ref.slots[SUMMARY]).index}:
            element = repeated(machine, element)
        append(machine, ref, element)
    else:
        machine.heap.put(ref, SUMMARY, element)
    return NONE


@on_method("sort", "reverse", "clear", "remove", "discard", "rotate")
def _reorder(
    machine: Machine, receiver: Value, name: str, _args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if not isinstance(ref, Sequence | Mapping):
        return None
    if name == "clear":
        for slot in list(ref.slots):
            machine.heap.drop(ref, slot)
    elif isinstance(ref, Sequence) and name != "rotate" and ref.size is not None and ref.slots:
        summarise(machine, ref)
    return NONE


@on_method("pop", "popleft", "popitem", "get_nowait", "setdefault", "get")
def _pop(
    machine: Machine, receiver: Value, name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if isinstance(ref, Sequence):
        if name == "pop" and ref.size and (not args or args[0].const == -1):
            last = ref.slots[ref.size - 1]
            machine.heap.drop(ref, ref.size - 1)
            return last
        if name in {"pop", "popleft", "get", "get_nowait"}:
            index: Index = {}
            if machine.loops:
                loop = machine.loops[-1]
                index = {loop.id: (loop.number, loop.number)}
            return element_at(machine, receiver, None, index)
    if isinstance(ref, Mapping) and args:
        return _from_mapping(machine, receiver, ref, name, args, node)
    return None


def _from_mapping(
    machine: Machine, receiver: Value, ref: Mapping, name: str, args: Args, node: ast.AST
) -> Value:
    key = args[0]
    default = args[1] if len(args) > 1 else NONE
    known = ("key", key.const) in ref.slots if key.is_known and not isinstance(key.const, tuple) else False
    if known:
        found = load(machine, receiver, key, node)
        if name == "pop":
            machine.heap.drop(ref, ("key", key.const))
        return found
    if not ref.slots:
        found = default
    else:
        plain = Mapping(machine.heap.new_id())
        plain.slots = ref.slots
        found = load(machine, Value(ref=plain, source=receiver.source), key, node)
        if len(args) > 1:
            found = machine.join(found, default)
        elif key.is_known and SUMMARY not in ref.slots:
            found = machine.join(found, NONE) if machine.loops else NONE
    if name == "setdefault":
        store(machine, receiver, key, found, node)
    return found


@on_method("items", "keys", "values")
def _items(
    machine: Machine, receiver: Value, name: str, _args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if not isinstance(ref, Mapping):
        return None
    pairs: list[tuple[Value, Value]] = []
    for key, value in ref.slots.items():
        if isinstance(key, tuple):
            pairs.append((Value(key[1]), value))
    rest = ref.slots.get(SUMMARY)
    if rest is not None:
        pairs.append((ref.slots.get(KEYS, ANYTHING), rest))
    elements = [
        key if name == "keys" else value if name == "values" else machine.heap.sequence("tuple", [key, value])
        for key, value in pairs
    ]
    if rest is None:
        return machine.heap.sequence("list", elements).with_source(receiver.source)
    if name == "items":
        keys = joined_elements(machine, [key for key, _ in pairs])
        values = joined_elements(machine, [value for _, value in pairs])
        return machine.heap.summary("list", machine.heap.sequence("tuple", [keys, values])).with_source(
            receiver.source
        )
    return machine.heap.summary("list", joined_elements(machine, elements)).with_source(receiver.source)


@on_method("update")
def _update(
    machine: Machine, receiver: Value, _name: str, args: Args, kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if isinstance(ref, Sequence):
        return _extend(machine, receiver, "extend", args, kwargs, _node)
    if not isinstance(ref, Mapping):
        return None
    for given in args:
        if isinstance(given.ref, Mapping):
            for key, value in list(given.ref.slots.items()):
                machine.heap.put(ref, key, value)
        elif (given.ref is not None or given.source.reads) and not added_up(machine, ref, given):
            machine.heap.put(ref, SUMMARY, Value(source=machine.deep_source(given)))
            machine.heap.put(ref, KEYS, ANYTHING)
    for name, value in kwargs.items():
        machine.heap.put(ref, ("key", name), value)
    return NONE


@on_method("copy")
def _copy(
    machine: Machine, receiver: Value, _name: str, _args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value | None:
    ref = receiver.ref
    if not isinstance(ref, Sequence | Mapping):
        return None
    made = (
        Sequence(machine.heap.new_id(), ref.kind)
        if isinstance(ref, Sequence)
        else Mapping(machine.heap.new_id())
    )
    for key, value in ref.slots.items():
        machine.heap.put(made, key, value)
    return Value(ref=made, source=receiver.source)


@on_call("builtins.dict", "collections.OrderedDict", "collections.Counter")
def _dict(machine: Machine, _path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value:
    made = Value(ref=Mapping(machine.heap.new_id()))
    if args and isinstance(args[0].ref, Sequence):
        for element in args[0].ref.elements[:LISTED_AT_MOST]:
            store(machine, made, element_at(machine, element, 0), element_at(machine, element, 1), node)
        args = []
    _update(machine, made, "update", args, kwargs, node)
    return made


@on_call("collections.defaultdict")
def _defaultdict(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    return Value(ref=Mapping(machine.heap.new_id(), args[0] if args else None))


@on_call("dataclasses.field")
def _field(machine: Machine, _path: str, _args: Args, kwargs: Kwargs, _node: ast.AST) -> Value:
    if "default" in kwargs:
        return kwargs["default"]
    if "default_factory" in kwargs:
        made = Instance(machine.heap.new_id(), None, "field")
        machine.heap.put(made, "<factory>", kwargs["default_factory"])
        return Value(ref=made)
    return ANYTHING


def field_default(machine: Machine, default: Value, node: ast.AST) -> Value:
    """The default of a dataclass field for a new object."""
    ref = default.ref
    if isinstance(ref, Instance) and ref.library == "field":
        return machine.call(ref.slots["<factory>"], [], {}, node)
    return default


@on_call("functools.partial")
def _partial(machine: Machine, _path: str, args: Args, kwargs: Kwargs, _node: ast.AST) -> Value:
    if not args:
        return ANYTHING
    return Value(ref=Bound(machine.heap.new_id(), args[0], tuple(args[1:]), dict(kwargs)))


@on_method("enter_context")
def _enter_context(
    machine: Machine, _receiver: Value, _name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    """What a manager on an exit stack yields; when it is left cannot be seen."""
    manager = args[0].ref if args else None
    if not isinstance(manager, Manager):
        return args[0] if args else None
    machine.cannot_see("context-manager", manager.function.name, node, on_path=True)
    yielded: list[Value] = []
    calls.inline(machine, manager.function, manager.args, manager.kwargs, node, yielded.append)
    return joined_elements(machine, yielded)
