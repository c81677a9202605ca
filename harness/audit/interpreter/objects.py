"""Attributes: what `value.name` finds, in objects, classes and modules, and what writing it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter import learning_names
from harness.audit.interpreter.flows import Raised
from harness.audit.interpreter.heap import (
    FUNCTIONS,
    TENSORS,
    Alternatives,
    Bound,
    Class,
    Extern,
    Function,
    Instance,
    Mapping,
    Method,
    Scope,
    Sequence,
    Stored,
    Super,
    Tensor,
    Text,
    View,
)
from harness.audit.interpreter.logged_settings import as_logged
from harness.audit.interpreter.network_parts import adopt
from harness.audit.interpreter.values import (
    ANYTHING,
    Value,
)

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

# Parts of torch whose functions only compute, or rewrite graphs that compute.
_PATCHED = ("torch.nn.functional.", "torch._inductor.", "torch._dynamo.")
_OPTIMIZER_METHODS = {
    "step",
    "zero_grad",
    "param_groups",
    "state_dict",
    "load_state_dict",
    "add_param_group",
    "state",
}


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
        asked = find_in_class(ref.cls, "__getattr__")
        if asked is not None and answers_missing(ref.cls) and not hasattr(dict, name):
            return _missing(machine, value, asked, name, node)
        if name == "__dict__":
            return instance_dict(machine, ref)
    found = machine.registry.attribute(machine, value, name, node)
    if found is not None:
        return found
    return Value(ref=Method(machine.heap.new_id(), value, name))


def answers_missing(cls: Class) -> bool:
    """Whether `__getattr__` of the class is called for every attribute that is not written down.

    An object that inherits from a library has attributes that nobody sees; a dictionary has its methods.
    """
    if cls.is_module or cls.is_optimizer:
        return False
    todo = [cls]
    for _ in range(40):
        if not todo:
            return True
        for base in todo.pop().bases:
            if isinstance(base.ref, Class):
                todo.append(base.ref)
            elif not isinstance(base.ref, Extern) or base.ref.path not in {
                "builtins.dict",
                "builtins.object",
            }:
                return False
    return False


def _missing(machine: Machine, value: Value, asked: Value, name: str, node: ast.AST) -> Value:
    try:
        return machine.call(asked, [value, Value(name)], {}, node)
    except Raised:
        return ANYTHING


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


def _is_own_shape(machine: Machine, path: str, to: Value) -> bool:
    """Whether a function of the script that cannot learn stands in for one that only computes.

    Such as a root mean square norm for versions of torch that have none. Calls of it are walked.
    """
    if not path.startswith(_PATCHED) or machine.registry.gives_meaning(path):
        return False
    return isinstance(to.ref, Function) and not learning_names.may_learn(machine, to.ref.node)


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
            found = find_in_class(ref.cls, name)
            if found is not None and isinstance(found.ref, Function) and found.ref.setter is not None:
                machine.call(found.ref.setter, [value, to], {}, node)
                return
        heap.put(ref, name, to)
    elif isinstance(ref, Alternatives):
        for option in ref.options:
            if option.ref is not None and option.ref is not ref:
                set_attribute(machine, option, name, to, node)
    elif isinstance(ref, Class | Scope | Function | Bound):
        heap.put(ref, name, to)
    elif isinstance(ref, Extern):
        if to.ref is not None and not isinstance(to.ref, Sequence | Mapping | Text | Stored | Tensor | View):
            if not _is_own_shape(machine, f"{ref.path}.{name}", to):
                machine.cannot_see("patched-library", f"{ref.path}.{name}", node, on_path=True)
            heap.put(ref, name, to)
    elif name in {"data", "grad"} and (isinstance(ref, Tensor) or machine.registry.is_parameter(value)):
        machine.registry.write_tensor_attribute(machine, value, name, to, node)
