"""Builtin functions that ask for attributes and types of objects, or set them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import (
    Bound,
    Class,
    Extern,
    Function,
    Instance,
    Mapping,
    Scope,
    Sequence,
    Tensor,
    View,
)
from harness.audit.interpreter.objects import instance_dict
from harness.audit.interpreter.values import (
    ANYTHING,
    FALSE,
    NONE,
    TRUE,
    UNKNOWN,
    Value,
)
from harness.audit.libraries.builtin_functions import CASTS
from harness.audit.libraries.registry import on_call

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]


@on_call("builtins.getattr")
def _getattr(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if len(args) < 2:
        return ANYTHING
    if not isinstance(args[1].const, str):
        if isinstance(args[0].ref, Extern) and args[0].ref.path in {"builtins", "os"}:
            machine.cannot_see("dynamic-attribute", args[0].ref.path, node, on_path=True)
        return Value(source=machine.deep_source(args[0]))
    if len(args) > 2 and not _has(args[0], args[1].const):
        return args[2]
    return machine.attribute(args[0], args[1].const, node)


def _has(value: Value, name: str) -> bool:
    ref = value.ref
    if isinstance(ref, Instance):
        if name in ref.slots:
            return True
        return (
            ref.cls is None
            or _class_has(ref.cls, name)
            or (ref.is_module and name in {"module", "weight", "bias"} and ref.cls is None)
        )
    if isinstance(ref, Class):
        return _class_has(ref, name)
    if isinstance(ref, Function | Bound | Scope):
        return name in ref.slots
    return True


def _class_has(cls: Class, name: str) -> bool:
    from harness.audit.interpreter.objects import find_in_class

    return find_in_class(cls, name) is not None


@on_call("builtins.hasattr")
def _hasattr(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    del machine
    if len(args) < 2 or not isinstance(args[1].const, str):
        return ANYTHING
    if isinstance(args[0].ref, Instance | Class | Scope):
        if _has(args[0], args[1].const):
            return TRUE if isinstance(args[0].ref, Instance) and args[0].ref.cls is not None else ANYTHING
        return FALSE
    return ANYTHING


@on_call("builtins.setattr", "builtins.object.__setattr__")
def _setattr(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if len(args) > 2 and isinstance(args[1].const, str):
        machine.set_attribute(args[0], args[1].const, args[2], node)
    return NONE


@on_call("builtins.vars", "builtins.globals", "builtins.locals")
def _vars(machine: Machine, path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    if args and isinstance(args[0].ref, Instance):
        return instance_dict(machine, args[0].ref)
    scope = machine.frame.scope
    if path.endswith("globals"):
        while scope.outer is not None:
            scope = scope.outer
    made = Mapping(machine.heap.new_id())
    for name, value in scope.slots.items():
        machine.heap.put(made, ("key", name), value)
    return Value(ref=made)


@on_call("builtins.isinstance")
def _isinstance(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    del machine
    if len(args) < 2:
        return ANYTHING
    kinds = args[1].ref.elements if isinstance(args[1].ref, Sequence) else [args[1]]
    answers = [_is_of(args[0], kind) for kind in kinds]
    if any(answer is True for answer in answers):
        return TRUE
    if all(answer is False for answer in answers):
        return FALSE
    return ANYTHING


def _is_of(value: Value, kind: Value) -> bool | None:
    name = kind.ref.path.rsplit(".", 1)[-1] if isinstance(kind.ref, Extern) else ""
    ref = value.ref
    if isinstance(ref, Instance) and ref.cls is not None and isinstance(kind.ref, Class):
        todo = [ref.cls]
        for _ in range(40):
            if not todo:
                return False
            one = todo.pop()
            if one is kind.ref:
                return True
            todo.extend(base.ref for base in one.bases if isinstance(base.ref, Class))
        return None
    if isinstance(ref, Instance) and ref.library and name and name == ref.library.rsplit(".", 1)[-1]:
        return True
    if value.const is not UNKNOWN and name in CASTS and ref is None:
        return isinstance(
            value.const, {"int": int, "float": float, "bool": bool, "str": str}.get(name, object)
        )
    if isinstance(ref, Sequence) and name in {"list", "tuple", "set"}:
        return ref.kind == name
    if isinstance(ref, Mapping) and name:
        return name in {"dict", "Mapping", "OrderedDict"}
    if isinstance(ref, Tensor | View) and name == "Tensor":
        return True
    return None


@on_call("builtins.type")
def _type(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    ref = args[0].ref if len(args) == 1 else None
    if isinstance(ref, Instance) and ref.cls is not None:
        return Value(ref=ref.cls)
    if isinstance(ref, Sequence):
        return machine.extern(f"builtins.{ref.kind}")
    if isinstance(ref, Mapping):
        return machine.extern("builtins.dict")
    # `type(x)(y)` of an unknown x makes some container of y: nothing but provenance is in it.
    return machine.extern("builtins.type.made") if len(args) == 1 else ANYTHING


@on_call("types.SimpleNamespace", "argparse.Namespace")
def _namespace(machine: Machine, _path: str, _args: Args, kwargs: Kwargs, _node: ast.AST) -> Value:
    made = Instance(machine.heap.new_id(), None, "namespace")
    for name, value in kwargs.items():
        machine.heap.put(made, name, value)
    return Value(ref=made)
