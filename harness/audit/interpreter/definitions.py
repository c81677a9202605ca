"""Makes functions and classes; enters and leaves context managers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import learning_names
from harness.audit.interpreter.heap import Bound, Class, Extern, Function, Instance, Scope
from harness.audit.interpreter.machine_frame import Frame
from harness.audit.interpreter.objects import answers_missing, find_in_class
from harness.audit.interpreter.values import ANYTHING, Value

if TYPE_CHECKING:
    from harness.audit.interpreter.flows import Flow
    from harness.audit.interpreter.machine import Machine

_MANAGERS = frozenset({"contextlib.contextmanager", "contextlib.asynccontextmanager"})
# Methods that the language calls where no call is written, and that the walk does not call. The first change
# what is read or computed, whatever they do: access to attributes, descriptors, dispatch of torch and numpy,
# tests of class membership, pickling. The others matter where they may learn.
_CHANGE_VALUES = frozenset(
    f"__{name}__"
    for name in (
        "getattribute", "get", "set", "delete", "torch_function", "torch_dispatch", "array_function",
        "array_ufunc", "array_wrap", "array", "array_finalize", "instancecheck", "subclasscheck",
        "class_getitem", "mro_entries", "reduce", "reduce_ex", "await", "aiter", "anext", "aenter", "aexit",
    )
)  # fmt: skip
_CALLED_UNSEEN = frozenset(
    f"__{name}__"
    for name in (
        "setattr", "delattr", "set_name", "dir", "missing", "delitem", "reversed", "copy", "deepcopy",
        "getstate", "setstate", "getnewargs", "getnewargs_ex", "fspath", "complex", "bytes", "length_hint",
        "buffer", "hash", "index", "int", "float", "eq", "round", "trunc", "floor", "ceil", "divmod",
        "format",
    )
) | {"keys"}  # fmt: skip
_DATA_BASES = (
    "builtins.",
    "abc.",
    "typing.",
    "enum.",
    "collections.",
    "types.",
    "dataclasses.",
    "contextlib.",
)


def function_value(
    machine: Machine, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, name: str
) -> Value:
    """A function as defined here, with its defaults evaluated."""
    made = Function(machine.heap.new_id(), node, name, machine.frame.scope)
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    for arg, default in zip(positional[len(positional) - len(args.defaults) :], args.defaults, strict=True):
        made.defaults[arg.arg] = machine.evaluate(default)
    for arg, keyword in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        if keyword is not None:
            made.defaults[arg.arg] = machine.evaluate(keyword)
    if not isinstance(node, ast.Lambda):
        facts = machine.program.facts(machine.frame.file)
        made.is_generator = id(node) in facts.generators
        if id(node) in facts.receivers:
            machine.cannot_see("generator-send", name, node, on_path=True)
    return Value(ref=made)


def define_function(machine: Machine, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """`def`: the function after its decorators, under its name."""
    value = function_value(machine, node, node.name)
    for decorator in reversed(node.decorator_list):
        value = _decorated(machine, value, decorator)
    machine.heap.put(_own_scope(machine, node.name), node.name, value)


def _own_scope(machine: Machine, name: str) -> Scope:
    scope = machine.frame.scope
    while name in scope.globals_ and scope.outer is not None:
        scope = scope.outer
    return scope


def _decorated(machine: Machine, value: Value, decorator: ast.expr) -> Value:
    function = value.ref
    maker = machine.evaluate(decorator)
    name = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
    if isinstance(function, Function):
        if name == "property" or name.endswith("cached_property"):
            function.is_property = True
            return value
        if name.endswith((".setter", ".deleter")):
            return _with_setter(machine, value, function, decorator)
        if name in {"staticmethod", "classmethod"}:
            function.is_static = name.removesuffix("method")
            return value
        if isinstance(maker.ref, Extern) and maker.ref.path in _MANAGERS:
            function.is_manager = True
            return value
        if "with-grad" in maker.source.labels or name.endswith("enable_grad"):
            function.with_grad = True
            return value
        if "no-grad" in maker.source.labels or name.endswith(("no_grad", "inference_mode")):
            function.no_grad = True
            return value
    if isinstance(maker.ref, Function | Bound):
        made = machine.call(maker, [value], {}, decorator)
        return made if made.ref is not None else value
    if isinstance(maker.ref, Class):
        return machine.call(maker, [value], {}, decorator)
    if isinstance(maker.ref, Extern) and machine.registry.is_foreign(maker.ref.path):
        return machine.call(maker, [value], {}, decorator)
    return value


def _with_setter(machine: Machine, value: Value, function: Function, decorator: ast.expr) -> Value:
    """`@name.setter`: the property of that name with this as what writing it calls."""
    owner = (
        decorator.value.id
        if isinstance(decorator, ast.Attribute) and isinstance(decorator.value, ast.Name)
        else ""
    )
    known = machine.frame.scope.slots.get(owner)
    if known is None or not isinstance(known.ref, Function) or not known.ref.is_property:
        machine.cannot_see("property", function.name, decorator, on_path=True)
        return value
    if ast.unparse(decorator).endswith(".setter"):
        known.ref.setter = value
    elif learning_names.may_learn(machine, function.node):
        machine.cannot_see("property", f"deleter of {function.name}", decorator, on_path=True)
    return known


def define_class(machine: Machine, node: ast.ClassDef) -> Flow | None:
    """`class`: its body is walked in a scope of its own."""
    bases = tuple(machine.evaluate(base) for base in node.bases if not isinstance(base, ast.Starred))
    scope = Scope(machine.heap.new_id(), machine.frame.file, machine.frame.scope, is_class=True)
    made = Class(machine.heap.new_id(), node.name, bases, scope)
    _inherit(made, bases)
    frame = Frame(scope=scope, file=machine.frame.file, name=node.name, owner=made)
    frame.first_loop = len(machine.loops)
    machine.frames.append(frame)
    try:
        flow = machine.run(node.body)
    finally:
        machine.frames.pop()
    made.slots = scope.slots
    _watch_unseen(machine, made, node)
    _set_metaclass(machine, made, node)
    made.fields.extend(machine.facts.get("fields", {}).get(scope.id, []))
    for value in scope.slots.values():
        if isinstance(value.ref, Function) and value.ref.owner is None:
            value.ref.owner = made
    value = Value(ref=made)
    for decorator in reversed(node.decorator_list):
        value = _decorated(machine, value, decorator)
    machine.heap.put(_own_scope(machine, node.name), node.name, value)
    return flow


def _watch_unseen(machine: Machine, made: Class, node: ast.ClassDef) -> None:
    """Say so where the language or a library may call methods of the class out of sight, and it matters."""
    unseen = {name for name in made.slots if name in _CHANGE_VALUES}
    if "__getattr__" in made.slots and not answers_missing(made):
        unseen.add("__getattr__")
    foreign = [base.ref.path for base in made.bases if isinstance(base.ref, Extern)]
    is_foreign = any(not path.startswith(_DATA_BASES) for path in foreign)
    is_called = is_foreign and not (made.is_module or made.is_optimizer) and "Function" not in foreign[0]
    for name, value in made.slots.items():
        if not isinstance(value.ref, Function) or name in unseen:
            continue
        if (is_called or name in _CALLED_UNSEEN) and learning_names.may_learn(machine, value.ref.node):
            unseen.add(name)
    for name in sorted(unseen):
        machine.cannot_see("special-method", f"{node.name}.{name}", node, on_path=True)


def _set_metaclass(machine: Machine, made: Class, node: ast.ClassDef) -> None:
    """What makes the class, or hears that it was made, may run code of the script."""
    for keyword in node.keywords:
        value = machine.evaluate(keyword.value)
        if keyword.arg != "metaclass":
            continue
        made.metaclass = value.ref if isinstance(value.ref, Class) else None
        if isinstance(value.ref, Extern) and not machine.registry.is_foreign(value.ref.path):
            continue
        makers = ("__new__", "__init__", "__prepare__", "mro")
        if made.metaclass is None or any(find_in_class(made.metaclass, name) for name in makers):
            machine.cannot_see("metaclass", node.name, node, on_path=True)
    for base in made.bases:
        if not isinstance(base.ref, Class):
            continue
        made.metaclass = made.metaclass or base.ref.metaclass
        heard = find_in_class(base.ref, "__init_subclass__")
        if heard is not None:
            machine.call(heard, [Value(ref=made)], {}, node)


def _inherit(made: Class, bases: tuple[Value, ...]) -> None:
    for base in bases:
        if isinstance(base.ref, Class):
            made.is_module = made.is_module or base.ref.is_module
            made.is_optimizer = made.is_optimizer or base.ref.is_optimizer
            made.fields.extend(base.ref.fields)
        elif isinstance(base.ref, Extern):
            path = base.ref.path
            made.is_module = made.is_module or ".nn." in path or path.endswith(".Module")
            made.is_optimizer = made.is_optimizer or ".optim." in path


def enter(machine: Machine, manager: Value, node: ast.AST) -> Value:
    """What `with manager as x` binds."""
    if isinstance(manager.ref, Instance) and manager.ref.cls is not None:
        method = machine.attribute(manager, "__enter__", node)
        if isinstance(method.ref, Bound):
            return machine.call(method, [], {}, node)
    return manager


def leave(machine: Machine, manager: Value, node: ast.AST) -> None:
    """The end of a with block."""
    if isinstance(manager.ref, Instance) and manager.ref.cls is not None:
        method = machine.attribute(manager, "__exit__", node)
        if isinstance(method.ref, Bound):
            machine.call(method, [ANYTHING, ANYTHING, ANYTHING], {}, node)
