"""Calls: functions of the script are walked in place, library calls asked of the registry."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import branches, finishing, generators, learning_names, networks
from harness.audit.interpreter.budget import CALL_DEPTH
from harness.audit.interpreter.flows import Flow, Raised, written_since
from harness.audit.interpreter.heap import (
    Alternatives,
    Bound,
    Class,
    Extern,
    Function,
    Instance,
    Manager,
    Method,
    Scope,
)
from harness.audit.interpreter.machine_frame import Frame
from harness.audit.interpreter.merging import join_of
from harness.audit.interpreter.objects import find_in_class
from harness.audit.interpreter.values import ANYTHING, NONE, Value, computed_from
from harness.audit.regions import Split

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine

SAME_FUNCTION_AT_MOST = 3
_WATCHED = frozenset({Split.VALIDATION, Split.UNKNOWN})


def call(
    machine: Machine, callee: Value, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    """The result of `callee(*args, **kwargs)`."""
    ref = callee.ref
    if ref is None:
        return unknown(machine, callee, args, kwargs, node)
    if isinstance(ref, Method):
        return machine.registry.method(machine, ref.receiver, ref.name, args, kwargs, node)
    if isinstance(ref, Extern):
        return machine.registry.call(machine, ref.path, args, kwargs, node)
    if isinstance(ref, Function):
        return inline(machine, ref, args, kwargs, node)
    if isinstance(ref, Bound):
        return _bound(machine, ref, args, kwargs, node)
    if isinstance(ref, Class):
        return instantiate(machine, callee, ref, args, kwargs, node)
    if isinstance(ref, Instance):
        return _instance(machine, callee, ref, args, kwargs, node)
    if isinstance(ref, Alternatives):
        return _alternatives(machine, ref, args, kwargs, node)
    return unknown(machine, callee, args, kwargs, node)


def unknown(
    machine: Machine, callee: Value, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    """A call of something not known: the result may depend on all that went in."""
    sources = [machine.deep_source(one) for one in (*args, *kwargs.values())]
    source = computed_from([*sources, machine.source_of(callee)])
    is_none = callee.const is None and callee.ref is None and not machine.tries  # ends the script
    if is_none:
        return machine.new(source)
    if source.scores or source.states or any(region.split in _WATCHED for region in source.reads):
        what = ast.unparse(node.func)[:80] if isinstance(node, ast.Call) else "call"
        machine.cannot_see("unknown-call", what, node, on_path=True)
    return machine.new(source)


def _bound(machine: Machine, ref: Bound, args: list[Value], kwargs: dict[str, Value], node: ast.AST) -> Value:
    given = [*ref.args, *args]
    function = ref.callee.ref
    if isinstance(function, Function) and function.owner is not None and ref.args:
        receiver = ref.args[0].ref
        if isinstance(receiver, Instance) and receiver.is_module:
            return networks.call_method(
                machine, ref.args[0], receiver, function, given, {**ref.kwargs, **kwargs}, node
            )
    return call(machine, ref.callee, given, {**ref.kwargs, **kwargs}, node)


def _instance(
    machine: Machine, callee: Value, ref: Instance, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    if ref.is_module:
        return networks.forward(machine, callee, ref, args, kwargs, node)
    if ref.cls is not None:
        method = find_in_class(ref.cls, "__call__")
        if method is not None:
            return call(machine, method, [callee, *args], kwargs, node)
    return machine.registry.method(machine, callee, "__call__", args, kwargs, node)


def _alternatives(
    machine: Machine, ref: Alternatives, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    options = [option for option in ref.options if not (option.ref is None and option.const is None)]
    if not options:
        return ANYTHING
    found: list[Value] = []

    def taken(option: Value) -> None:
        found.append(call(machine, option, args, kwargs, node))

    def rest(at: int) -> None:
        if at == len(options) - 1:
            taken(options[at])
        else:
            machine.decide(ANYTHING, lambda: taken(options[at]), lambda: rest(at + 1))

    rest(0)
    joined = found[0]
    for more in found[1:]:
        joined = join_of(machine, joined, more, None)
    return joined


def inline(
    machine: Machine,
    function: Function,
    args: list[Value],
    kwargs: dict[str, Value],
    node: ast.AST,
    at_yield: Callable[[Value], None] | None = None,
) -> Value:
    """What a call of a function of the script with these arguments returns."""
    if function.is_manager and at_yield is None:
        return Value(ref=Manager(machine.heap.new_id(), function, args, kwargs))
    if function.is_generator and at_yield is None:
        return generators.called(machine, function, args, kwargs, node)
    return walked(machine, function, args, kwargs, node, at_yield)


def walked(
    machine: Machine,
    function: Function,
    args: list[Value],
    kwargs: dict[str, Value],
    node: ast.AST,
    at_yield: Callable[[Value], None] | None = None,
) -> Value:
    """Walk the body of a function of the script with these arguments; a generator's to its end."""
    active = len({id(frame) for frame in machine.frames if frame.owner is function})
    if len(machine.frames) >= CALL_DEPTH or active >= SAME_FUNCTION_AT_MOST:
        machine.cannot_see("recursion", function.name, node, on_path=active < SAME_FUNCTION_AT_MOST)
        return machine.new(computed_from(machine.deep_source(one) for one in (*args, *kwargs.values())))
    if active == 1 and learning_names.may_learn(machine, function.node):
        machine.cannot_see("recursion", f"how often {function.name} calls itself", node, on_path=True)
    scope = Scope(machine.heap.new_id(), function.scope.file, function.scope)
    _bind(machine, function, scope, args, kwargs)
    frame = Frame(scope=scope, file=scope.file, name=function.name, owner=function)
    frame.self_value = args[0] if args and function.owner is not None else None
    frame.first_loop = len(machine.loops)
    frame.at_yield = at_yield
    if function.is_generator:
        frame.yields = []
    here = machine.here
    machine.recorder.calls.append(machine.spot(node))
    machine.frames.append(frame)
    nesting = machine.budget.expressions
    machine.budget.expressions = 0
    without_grad = machine.no_grad
    machine.no_grad = 0 if function.with_grad else machine.no_grad + function.no_grad
    try:
        if isinstance(function.node, ast.Lambda):
            result = machine.evaluate(function.node.body)
        else:
            flow = machine.run(function.node.body)
            result = _returned(machine, frame, flow)
    finally:
        machine.no_grad = without_grad
        machine.budget.expressions = nesting
        machine.frames.pop()
        machine.recorder.calls.pop()
        machine.here = here
    if frame.yields is not None:
        return _yielded(machine, frame.yields)
    return result


def _yielded(machine: Machine, yields: list[Value]) -> Value:
    if not yields:
        return machine.heap.sequence("list", [])
    joined = yields[0]
    for more in yields[1:]:
        joined = machine.join(joined, more)
    return machine.heap.summary("list", joined)


def _returned(machine: Machine, frame: Frame, flow: Flow | None) -> Value:
    """The value of a walked body, merged with returns that left branches early."""
    waiting = branches.arrived(machine, frame, "return")
    if flow is not None and flow.kind == "raise":
        if not waiting:
            raise Raised(flow)
        first = waiting.pop(0)
        delta = written_since(machine.heap, first.mark)
        if machine.tries:
            branches.wait(machine, flow, first.mark, delta)
        branches.become(machine, first)
        result = first.flow.value or NONE
    else:
        result = flow.value if flow is not None and flow.value is not None else NONE
    for one in waiting:
        result = join_of(machine, result, one.flow.value or NONE, None)
    branches.merge_arrived(machine, waiting)
    for kind in ("break", "continue"):
        branches.merge_arrived(machine, branches.arrived(machine, frame, kind))
    return result


def _bind(
    machine: Machine, function: Function, scope: Scope, args: list[Value], kwargs: dict[str, Value]
) -> None:
    given = function.node.args
    names = [arg.arg for arg in (*given.posonlyargs, *given.args)]
    heap = machine.heap
    for name, value in zip(names, args, strict=False):
        heap.put(scope, name, value)
    if given.vararg is not None:
        heap.put(scope, given.vararg.arg, heap.sequence("tuple", args[len(names) :]))
    names.extend(arg.arg for arg in given.kwonlyargs)
    extra: dict[str, Value] = {}
    for name, value in kwargs.items():
        if name in names:
            heap.put(scope, name, value)
        else:
            extra[name] = value
    if given.kwarg is not None:
        made = machine.registry.new_mapping(machine)
        if made.ref is not None:
            for name, value in extra.items():
                heap.put(made.ref, ("key", name), value)
        heap.put(scope, given.kwarg.arg, made)
    for name in names:
        if name not in scope.slots:
            heap.put(scope, name, function.defaults.get(name, ANYTHING))


def instantiate(
    machine: Machine,
    callee: Value,
    cls: Class,
    args: list[Value],
    kwargs: dict[str, Value],
    node: ast.AST,
) -> Value:
    """A new object of a class of the script."""
    if cls.metaclass is not None:
        maker = find_in_class(cls.metaclass, "__call__")
        if maker is not None:
            return call(machine, maker, [callee, *args], kwargs, node)
    if find_in_class(cls, "__del__") is not None:
        finishing.watch(machine, cls, node)
    fresh = find_in_class(cls, "__new__")
    if fresh is not None and isinstance(fresh.ref, Function):
        made_by = call(machine, fresh, [callee, *args], kwargs, node)
        if not isinstance(made_by.ref, Instance) and made_by.ref is not None:
            return made_by
    made = Instance(machine.heap.new_id(), cls)
    value = Value(ref=made)
    if cls.is_optimizer:
        machine.registry.new_optimizer(machine, made, args, kwargs, node)
        return value
    init = find_in_class(cls, "__init__")
    if init is not None and isinstance(init.ref, Function):
        call(machine, init, [value, *args], kwargs, node)
        return value
    fields = list(dict.fromkeys(cls.fields))
    for name in fields:
        default = find_in_class(cls, name)
        if default is not None:
            machine.heap.put(made, name, machine.registry.field_default(machine, default, node))
    for name, given in zip(fields, args, strict=False):
        machine.heap.put(made, name, given)
    for name, given in kwargs.items():
        machine.heap.put(made, name, given)
    after = find_in_class(cls, "__post_init__")
    if after is not None:
        call(machine, after, [value], {}, node)
    if not fields and init is None:
        for base in cls.bases:
            if isinstance(base.ref, Extern):
                machine.registry.subclass_made(machine, value, base.ref.path, args, kwargs, node)
    return value
