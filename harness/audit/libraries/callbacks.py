"""Functions of the script handed to a library, which may call them: sort keys, hooks, closures, handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter import branches, learning_names
from harness.audit.interpreter.heap import Bound, Class, Function, Instance, Obj
from harness.audit.interpreter.network_parts import root_of
from harness.audit.interpreter.objects import find_in_class
from harness.audit.interpreter.values import ANYTHING, NONE, Value, computed_from
from harness.audit.libraries.registry import on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

CALLBACKS_AT_MOST = 4
HOOKS_AT_MOST = 16
ARGUMENTS_AT_MOST = 8


def is_callback(value: Value) -> bool:
    """Whether a library that gets the value may run code of the script by calling it."""
    ref = value.ref
    if isinstance(ref, Bound):
        return isinstance(ref.callee.ref, Function | Bound)
    if isinstance(ref, Instance):
        return not ref.is_module and ref.cls is not None and find_in_class(ref.cls, "__call__") is not None
    return isinstance(ref, Function)


def offered(
    machine: Machine,
    args: list[Value],
    kwargs: dict[str, Value],
    node: ast.AST,
    receiver: Value | None = None,
) -> list[Value]:
    """Walk the functions among the arguments as something that may happen; what they return."""
    given = [*args, *kwargs.values()]
    for one in given:
        _watch_object(machine, one, node)
    callbacks = [one for one in given if is_callback(one)][:CALLBACKS_AT_MOST]
    if not callbacks:
        return []
    others = [one for one in given if not is_callback(one)]
    if receiver is not None:
        others.append(receiver)
    results: list[Value] = []
    for callback in callbacks:
        exact = args[1:] if len(args) > 1 and callback is args[0] else None
        results.append(_maybe_called(machine, callback, exact, others, node))
    return results


def _watch_object(machine: Machine, value: Value, node: ast.AST) -> None:
    """An object of the script in the hands of a library, which may call any of its methods at any time."""
    ref = value.ref
    if not isinstance(ref, Instance) or ref.cls is None or ref.is_module or ref.cls.is_optimizer:
        return
    for name, method in ref.cls.slots.items():
        if isinstance(method.ref, Function) and learning_names.may_learn(machine, method.ref.node):
            machine.cannot_see("object-handed-over", f"{ref.cls.name}.{name}", node, on_path=True)
            return


@on_call(
    *("signal.signal", "sys.setprofile", "sys.settrace", "threading.setprofile", "threading.settrace"),
    *("atexit.register", "weakref.finalize", "torch.optim.lr_scheduler.LambdaLR", "sys.addaudithook"),
    *("torch.nn.modules.module.register_module_forward_pre_hook", "_thread.start_new_thread"),
    *("torch.nn.modules.module.register_module_forward_hook",),
)
def _kept(machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST) -> None:
    """Functions that are called later, when nobody writes a call."""
    for one in (*args, *kwargs.values()):
        function = one.ref.callee.ref if isinstance(one.ref, Bound) else one.ref
        if isinstance(function, Function) and learning_names.may_learn(machine, function.node):
            machine.cannot_see("called-later", f"{function.name} by {path}", node, on_path=True)


def _maybe_called(
    machine: Machine, callback: Value, exact: list[Value] | None, others: list[Value], node: ast.AST
) -> Value:
    if exact is None:
        source = computed_from(machine.deep_source(one) for one in others)
        exact = [machine.new(source.changed(index={}))] * _taken(callback)
    found: list[Value] = []
    arguments = exact

    def work() -> None:
        found.append(machine.call(callback, arguments, {}, node))

    branches.optional(machine, work)
    return found[0] if found else ANYTHING


def _taken(callback: Value) -> int:
    """How many arguments the function needs."""
    ref = callback.ref
    bound = 0
    while isinstance(ref, Bound):
        bound += len(ref.args)
        ref = ref.callee.ref
    if isinstance(ref, Instance) and ref.cls is not None:
        method = find_in_class(ref.cls, "__call__")
        ref, bound = (method.ref if method is not None else None), 1
    if not isinstance(ref, Function):
        return 1
    names = ref.node.args
    positional = len(names.posonlyargs) + len(names.args) - len(names.defaults)
    return max(0, min(positional - bound, ARGUMENTS_AT_MOST))


def _hooks(machine: Machine) -> Obj:
    found = machine.facts.get("hooks")
    if not isinstance(found, Obj):
        found = machine.facts["hooks"] = Obj(machine.heap.new_id())
    return found


@on_method("register_forward_pre_hook", "register_forward_hook")
def _register(
    machine: Machine, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value], _node: ast.AST
) -> Value | None:
    ref = receiver.ref
    hook = args[0] if args else kwargs.get("hook")
    if not isinstance(ref, Instance) or not ref.is_module or hook is None:
        return None
    function = hook.ref.callee.ref if isinstance(hook.ref, Bound) else hook.ref
    is_late = "pre" not in name and isinstance(ref.owner, Instance) and ref.owner.cls is None
    if is_late and isinstance(function, Function) and learning_names.may_learn(machine, function.node):
        # It runs before the layers that follow; here hooks run before or after the whole network.
        machine.cannot_see("hook-of-a-part", function.name, _node, on_path=True)
    handle = Instance(machine.heap.new_id(), None, "torch.hook")
    hooks = _hooks(machine)
    if len(hooks.slots) < HOOKS_AT_MOST:
        with_names = kwargs.get("with_kwargs")
        parts = [
            receiver,
            hook,
            Value("pre" in name),
            Value(with_names is not None and with_names.const is True),
        ]
        machine.heap.put(hooks, handle.id, machine.heap.sequence("tuple", parts))
    else:
        machine.cannot_see("many-hooks", name, _node, on_path=True)
    return Value(ref=handle)


@on_method("remove")
def _remove(
    machine: Machine,
    receiver: Value,
    _name: str,
    _args: list[Value],
    _kwargs: dict[str, Value],
    _node: ast.AST,
) -> Value | None:
    ref = receiver.ref
    if not isinstance(ref, Instance) or ref.library != "torch.hook":
        return None
    machine.heap.drop(_hooks(machine), ref.id)
    return NONE


def run_hooks(
    machine: Machine, ref: Instance, args: list[Value], result: Value | None, node: ast.AST
) -> None:
    """Call the hooks of a network and of its parts; `result` is None before the forward pass."""
    hooks = machine.facts.get("hooks")
    if not isinstance(hooks, Obj) or not hooks.slots or machine.facts.get("in_hook"):
        return
    machine.facts["in_hook"] = True
    try:
        for value in list(hooks.slots.values()):
            owner, hook, is_pre, with_names = value.ref.elements  # type: ignore[union-attr]
            if bool(is_pre.const) is not (result is None) or owner.ref is None:
                continue
            if root_of(owner.ref) is not root_of(ref):
                continue
            given = [owner, machine.heap.sequence("tuple", args)]
            if with_names.const:
                given.append(machine.registry.new_mapping(machine))
            machine.call(hook, given if result is None else [*given, result], {}, node)
    finally:
        machine.facts["in_hook"] = False


def method_offered(
    machine: Machine, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> None:
    """Functions handed to a method of a library object; `apply` of an autograd function runs its forward."""
    if isinstance(receiver.ref, Class) and name == "apply":
        forward = find_in_class(receiver.ref, "forward")
        if forward is not None:
            _maybe_called(machine, forward, [ANYTHING, *args], [], node)
        return
    offered(machine, args, kwargs, node, receiver)
