"""Attributes of objects, networks and their parts, and what a value contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.audit.interpreter.heap import (
    CONTAINERS,
    CONTENT,
    FUNCTIONS,
    LEARNED,
    TENSORS,
    Alternatives,
    Bound,
    Class,
    Extern,
    Function,
    Instance,
    Mapping,
    Method,
    Obj,
    Parameters,
    Range,
    Scope,
    Sequence,
    Slice,
    Stored,
    Super,
    Tensor,
    Text,
    View,
    Zipped,
)
from harness.audit.interpreter.logged_settings import as_logged
from harness.audit.interpreter.values import (
    ANYTHING,
    NOTHING,
    Source,
    Value,
    computed_from,
)

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

DEPTH_OF_CONTENTS = 6
CONTENTS_AT_MOST = 300
PARTS_AT_MOST = 3_000
_WITH_SLOTS: Final = (Instance, *CONTAINERS)
_PARTS: Final = (Instance, *CONTAINERS, Alternatives, Tensor)
_OPTIMIZER_METHODS = {
    "step",
    "zero_grad",
    "param_groups",
    "state_dict",
    "load_state_dict",
    "add_param_group",
    "state",
}


def root_of(obj: Obj) -> Obj:
    """The network an object is a part of; itself when of none."""
    for _ in range(60):
        owner = getattr(obj, "owner", None)
        if owner is None or owner is obj:
            return obj
        obj = owner
    return obj


def holders(machine: Machine, obj: Obj) -> tuple[Obj, ...]:
    """The parts of a network that learn: its parameters, and library layers."""
    if isinstance(obj, Tensor):
        return (obj,)
    version = machine.facts.get("structure", 0)
    memo: dict[int, tuple[int, tuple[Obj, ...]]] = machine.facts.setdefault("holders", {})
    known = memo.get(obj.id)
    if known is not None and known[0] == version:
        return known[1]
    found: list[Obj] = []
    seen: set[int] = set()
    todo: list[Obj] = [obj]
    while todo and len(seen) < PARTS_AT_MOST:
        one = todo.pop()
        if one.id in seen:
            continue
        seen.add(one.id)
        if isinstance(one, Tensor):
            if one.is_state:
                found.append(one)
            continue
        if isinstance(one, Instance) and (not one.is_module and one is not obj):
            continue
        if isinstance(one, Instance) and one.library:
            found.append(one)
        inner: list[Value] = list(one.slots.values()) if isinstance(one, _WITH_SLOTS) else []
        if isinstance(one, Alternatives):
            inner = list(one.options)
        todo.extend(value.ref for value in reversed(inner) if isinstance(value.ref, _PARTS))
    if not found:
        found.append(obj)
    result = tuple(found)
    memo[obj.id] = (version, result)
    return result


def learned_in(machine: Machine, obj: Obj) -> Source:
    """The updates inside a network or parameter, as a source."""
    source = NOTHING
    for holder in holders(machine, obj):
        value = holder.slots.get(LEARNED)
        if value is not None and value.source is not source:
            source = computed_from((source, value.source))
    return source


def source_of(machine: Machine, value: Value) -> Source:
    """Where a value came from, with the present content of a tensor and the learning of a parameter."""
    ref = value.ref
    kind = type(ref)
    if kind is not Tensor and kind is not Parameters:
        return value.source
    if isinstance(ref, Tensor):
        content = ref.slots.get(CONTENT, ANYTHING).source
        if not ref.is_state:
            return content if value.source is NOTHING else computed_from((value.source, content))
        held = ref.slots.get(LEARNED, ANYTHING).source
        states = Source(states=frozenset({root_of(ref).id}))
        return computed_from((value.source, content.changed(reads=frozenset()), held, states))
    if isinstance(ref, Parameters):
        states = Source(states=frozenset({root_of(ref.network).id}))
        return computed_from((value.source, learned_in(machine, ref.network), states))
    return value.source


def deep_source(machine: Machine, value: Value) -> Source:
    """Where a value and all it contains came from."""
    if value.ref is None:
        return value.source
    if type(value.ref) not in _HOLD_MORE:
        return source_of(machine, value)
    sources: list[Source] = []
    seen: set[int] = set()
    todo: list[tuple[Value, int]] = [(value, 0)]
    while todo and len(seen) < CONTENTS_AT_MOST:
        one, depth = todo.pop()
        sources.append(source_of(machine, one))
        ref = one.ref
        if ref is None or ref.id in seen or depth > DEPTH_OF_CONTENTS:
            continue
        seen.add(ref.id)
        if isinstance(ref, Instance) and (ref.is_module or ref.library):
            if ref.is_module:
                machine.states.setdefault(root_of(ref).id, root_of(ref))
                states = Source(states=frozenset({root_of(ref).id}))
                sources.append(computed_from((learned_in(machine, ref), states)))
            continue
        todo.extend((inner, depth + 1) for inner in contents(machine, ref))
    return computed_from(sources)


_HOLD_MORE = frozenset(
    {Sequence, Mapping, Instance, Alternatives, Bound, Method, Zipped, Range, Slice, Stored}
)  # what `contents` looks into


def contents(machine: Machine, ref: Obj) -> list[Value]:
    """The values directly inside an object."""
    if isinstance(ref, CONTAINERS):
        return list(ref.slots.values())
    if isinstance(ref, Instance):
        return list(ref.slots.values())[:60]
    if isinstance(ref, Alternatives):
        return list(ref.options)
    if isinstance(ref, Bound):
        return [ref.callee, *ref.args, *ref.kwargs.values()]
    if isinstance(ref, Method):
        return [ref.receiver]
    if isinstance(ref, Zipped):
        return list(ref.parts)
    if isinstance(ref, Range):
        return [ref.start, ref.stop, ref.step]
    if isinstance(ref, Slice):
        return [part for part in (ref.start, ref.stop, ref.step) if part is not None]
    if isinstance(ref, Stored):
        held = machine.disk.slots.get(ref.path) if ref.path else ref.slots.get(CONTENT)
        return [held] if held is not None else []
    return []


def attribute(machine: Machine, value: Value, name: str, node: ast.AST) -> Value:
    """Read `value.name`."""
    ref = value.ref
    if isinstance(ref, Instance):
        return _of_instance(machine, value, ref, name, node)
    if isinstance(ref, Extern):
        return machine.registry.extern_attribute(machine, ref, name)
    if ref is None or isinstance(ref, TENSORS):
        found = machine.registry.attribute(machine, value, name, node)
        return found if found is not None else Value(ref=Method(machine.heap.new_id(), value, name))
    if isinstance(ref, Scope):
        return _of_module(machine, ref, name)
    if isinstance(ref, Class):
        return _of_class(machine, value, ref, name)
    if isinstance(ref, Alternatives):
        return _of_alternatives(machine, value, ref, name, node)
    if isinstance(ref, Super):
        inherited = find_in_class(ref.base, name)
        if inherited is not None:
            return _bound(machine, ref.receiver, ref.base, inherited, node)
        return Value(ref=Method(machine.heap.new_id(), ref.receiver, name))
    if isinstance(ref, FUNCTIONS):
        if name in ref.slots:
            return ref.slots[name]
        if name == "__name__" and isinstance(ref, Function):
            return Value(ref.name)
    found = machine.registry.attribute(machine, value, name, node)
    return found if found is not None else Value(ref=Method(machine.heap.new_id(), value, name))


def _of_module(machine: Machine, ref: Scope, name: str) -> Value:
    found = ref.slots.get(name)
    if found is not None:
        return found
    path = machine.program.find_module(name, ref.file, 1)
    if path is not None and path in machine.modules:
        return Value(ref=machine.modules[path])
    return ANYTHING


def _of_alternatives(machine: Machine, value: Value, ref: Alternatives, name: str, node: ast.AST) -> Value:
    joined: Value | None = None
    for option in ref.options:
        if option.ref is None and option.const is None:
            continue
        one = attribute(machine, option, name, node)
        joined = one if joined is None else machine.join(joined, one)
    return joined if joined is not None else Value(source=value.source)


def find_in_class(cls: Class, name: str) -> Value | None:
    """A class attribute, looked up in the class and its bases."""
    todo: list[Class] = [cls]
    for _ in range(40):
        if not todo:
            return None
        one = todo.pop(0)
        found = one.slots.get(name)
        if found is not None:
            return found
        todo.extend(base.ref for base in one.bases if isinstance(base.ref, Class))
    return None


def _of_instance(machine: Machine, value: Value, ref: Instance, name: str, node: ast.AST) -> Value:
    found = ref.slots.get(name)
    if found is not None:
        if value.source.index:
            return machine.registry.through(machine, found, value.source)
        return found
    if ref.cls is not None:
        if ref.cls.is_optimizer and name in _OPTIMIZER_METHODS:
            return Value(ref=Method(machine.heap.new_id(), value, name))
        found = find_in_class(ref.cls, name)
        if found is not None:
            return _bound(machine, value, ref.cls, found, node)
        if name == "__class__":
            return Value(ref=ref.cls)
        if name == "__dict__":
            return instance_dict(machine, ref)
    found = machine.registry.attribute(machine, value, name, node)
    if found is not None:
        return found
    return Value(ref=Method(machine.heap.new_id(), value, name))


def instance_dict(machine: Machine, ref: Instance) -> Value:
    """The attributes of an object as a mapping."""
    made = machine.registry.new_mapping(machine)
    if made.ref is not None:
        for key, value in ref.slots.items():
            if isinstance(key, str) and not key.startswith("<"):
                machine.heap.put(made.ref, ("key", key), value)
    return made


def _bound(machine: Machine, value: Value, cls: Class, found: Value, node: ast.AST) -> Value:
    function = found.ref
    if isinstance(function, Function):
        if function.is_static == "static":
            return found
        receiver = Value(ref=cls) if function.is_static == "class" else value
        bound = Value(ref=Bound(machine.heap.new_id(), found, (receiver,)))
        return machine.call(bound, [], {}, node) if function.is_property else bound
    return found


def _of_class(machine: Machine, value: Value, ref: Class, name: str) -> Value:
    found = find_in_class(ref, name)
    if found is None:
        if name == "__name__":
            return Value(ref.name)
        if name == "__dict__":
            made = machine.registry.new_mapping(machine)
            if made.ref is not None:
                for key, slot in list(ref.slots.items()):
                    machine.heap.put(made.ref, ("key", key), slot)
            return made
        for base in ref.bases:
            if isinstance(base.ref, Extern):
                return machine.registry.extern_attribute(machine, base.ref, name)
        return ANYTHING
    if isinstance(found.ref, Function) and found.ref.is_static == "class":
        return Value(ref=Bound(machine.heap.new_id(), found, (value,)))
    return found


def set_attribute(machine: Machine, value: Value, name: str, to: Value, node: ast.AST) -> None:
    """Write `value.name = to`."""
    ref = value.ref
    heap = machine.heap
    if isinstance(ref, Instance):
        if ref.is_module:
            adopt(machine, ref, to)
            machine.facts["structure"] = machine.facts.get("structure", 0) + 1
        if ref.cls is not None:
            to = as_logged(machine, name, to)
        heap.put(ref, name, to)
    elif isinstance(ref, Alternatives):
        for option in ref.options:
            if option.ref is not None and option.ref is not ref:
                set_attribute(machine, option, name, to, node)
    elif isinstance(ref, Class | Scope | Function | Bound):
        heap.put(ref, name, to)
    elif isinstance(ref, Extern):
        if to.ref is not None and not isinstance(to.ref, Sequence | Mapping | Text | Stored | Tensor | View):
            machine.cannot_see("patched-library", f"{ref.path}.{name}", node, on_path=True)
            heap.put(ref, name, to)
    elif name in {"data", "grad"} and (isinstance(ref, Tensor) or machine.registry.is_parameter(value)):
        machine.registry.write_tensor_attribute(machine, value, name, to, node)


def adopt(machine: Machine, owner: Instance, value: Value, depth: int = 0) -> None:
    """Parts assigned to a network belong to it."""
    ref = value.ref
    if ref is None or ref is owner or depth > 4:
        return
    if isinstance(ref, Instance) and ref.is_module:
        if ref.owner is None and root_of(owner) is not ref:
            ref.owner = owner
    elif isinstance(ref, Tensor) and ref.is_state:
        if ref.owner is None:
            ref.owner = owner
    elif isinstance(ref, Sequence | Mapping | Alternatives):
        for inner in contents(machine, ref)[:CONTENTS_AT_MOST]:
            adopt(machine, owner, inner, depth + 1)
