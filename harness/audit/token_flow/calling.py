"""What calls mean: functions of the script are walked, those of libraries are known by their name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.events import Spot
from harness.audit.token_flow import contents, expressions, library
from harness.audit.token_flow.declarations import last_name
from harness.audit.token_flow.flow import NOTHING, Flow, joined, replace
from harness.audit.token_flow.objects import Bound, ClassOf, Function, FunctionKind, Instance, Scope

if TYPE_CHECKING:
    from harness.audit.token_flow.walker import Walker


CALLS_DEEP = 24
CALLS_IN_SKETCH = 3


def call(walker: Walker, node: ast.Call) -> Flow:
    """`callee(...)`."""
    callee = walker.evaluate(node.func)
    args: list[Flow] = []
    for each in node.args:
        if isinstance(each, ast.Starred):
            spread = walker.evaluate(each.value)
            args += list(spread.items) if spread.items is not None else [contents.element(walker, spread, 0)]
        else:
            args.append(walker.evaluate(each))
    kwargs: dict[str, Flow] = {}
    for keyword in node.keywords:
        value = walker.evaluate(keyword.value)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
    walker.columns[-1] = node.col_offset
    return apply(walker, callee, args, kwargs)


def apply(walker: Walker, callee: Flow, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """The value of a call."""
    found = []
    for each in callee.objects:
        if isinstance(each, Bound):
            return library.method(walker, each.receiver, each.name, args, kwargs)
        if isinstance(each, Function):
            found.append(call_function(walker, each, list(args), dict(kwargs)))
        elif isinstance(each, ClassOf):
            found.append(_construct(walker, each, args, kwargs))
        elif isinstance(each, Instance):
            inner = each.of.find("forward") or each.of.find("__call__")
            if inner is not None:
                name = "forward" if each.of.find("forward") else "__call__"
                method = expressions.attribute(walker, Flow(objects=(each,)), name)
                found.append(apply(walker, method, args, kwargs))
    if found:
        return joined(found)
    if callee.text is not None and callee.text.startswith("module:"):
        return library.function(walker, callee.text.removeprefix("module:"), args, kwargs)
    return library.unknown(walker, callee, args, kwargs)


def call_function(walker: Walker, function: Function, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """Walk the body of a function of the script with these arguments."""
    node = function.node
    if len(walker.stack) >= CALLS_DEEP or sum(each.node is node for each in walker.stack) > 1:
        return NOTHING
    if walker.is_sketch:
        results = walker.sketched.setdefault(node, [])
        if len(results) < CALLS_IN_SKETCH:
            results.append(_walk_function(walker, function, args, kwargs))
        return results[-1]
    return _walk_function(walker, function, args, kwargs)


def _walk_function(walker: Walker, function: Function, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    node = function.node
    given, named = function.bound
    args, kwargs = [*given, *args], {**named, **kwargs}
    scope = Scope(outer=function.scope, module=function.file)
    _bind_arguments(walker, function, scope, args, kwargs)
    before = walker.scope, walker.file, walker.line
    walker.scope, walker.file = scope, function.file
    walker.stack.append(function)
    walker.returns.append([])
    walker.yields.append([])
    guards, walker.guards = walker.guards, []  # what a caller tests is about its own values
    walker.columns.append(0)
    walker.recorder.calls.append(Spot(file=before[1], line=before[2]))
    try:
        if isinstance(node, ast.Lambda):
            return walker.evaluate(node.body)
        walker.run(node.body)
        if function.kind is FunctionKind.CONTEXT or walker.yields[-1]:
            return _yielded(walker, function)
        return joined(walker.returns[-1])
    finally:
        walker.yields.pop()
        walker.recorder.calls.pop()
        walker.columns.pop()
        walker.guards = guards
        walker.returns.pop()
        walker.stack.pop()
        walker.scope, walker.file, walker.line = before


def _yielded(walker: Walker, function: Function) -> Flow:
    """What a generator yields, as a list of it; a context manager's is what `with` binds."""
    values = walker.yields[-1]
    if function.kind is FunctionKind.CONTEXT:
        return joined(value for _, value in values)
    cell = walker.new_cell()
    cell.is_list = True
    for node, value in values:
        walker.put(cell, node, value)
    return Flow(objects=(cell,))


def entered(walker: Walker, manager: Flow) -> Flow:
    """What `with manager as name` binds."""
    if not any(isinstance(each, Instance) and each.of.find("__enter__") for each in manager.objects):
        return manager
    return apply(walker, expressions.attribute(walker, manager, "__enter__"), [], {})


def _bind_arguments(
    walker: Walker, function: Function, scope: Scope, args: list[Flow], kwargs: dict[str, Flow]
) -> None:
    spec = function.node.args
    names = [one.arg for one in (*spec.posonlyargs, *spec.args)]
    scope.names.update(zip(names, args, strict=False))
    if spec.vararg is not None:
        rest = tuple(args[len(names) :])
        scope.names[spec.vararg.arg] = replace(joined(rest), items=rest)
    scope.names.update((name, value) for name, value in kwargs.items() if name not in scope.names)
    defaults = [*zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True)]
    defaults += [
        (one.arg, default)
        for one, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
        if default is not None
    ]
    for name, default in defaults:
        if name not in scope.names:
            scope.names[name] = walker.evaluate(default)
    for one in (*names, *(each.arg for each in spec.kwonlyargs)):
        if one not in scope.names:
            scope.names[one] = Flow(number=walker.symbols.fresh())


def _construct(walker: Walker, cls: ClassOf, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    instance = Instance(cls)
    made = Flow(objects=(instance,))
    if cls.find("__init__") is not None:
        apply(walker, expressions.attribute(walker, made, "__init__"), args, kwargs)
    elif cls.fields is not None:
        _fill_fields(walker, cls, instance, args, kwargs)
        if cls.is_tuple:
            made = replace(made, items=tuple(instance.names.values()))
        if cls.find("__post_init__") is not None:
            apply(walker, expressions.attribute(walker, made, "__post_init__"), [], {})
    else:
        names = [name for name in cls.members.names if not name.startswith("_")]
        instance.names.update(zip(names, args, strict=False))
        instance.names.update(kwargs)
    return made


def _fill_fields(
    walker: Walker, cls: ClassOf, instance: Instance, args: list[Flow], kwargs: dict[str, Flow]
) -> None:
    names = instance.names
    given = dict(zip((name for name, _ in cls.fields or ()), args, strict=False)) | kwargs
    before, walker.scope = walker.scope, cls.members
    try:
        for name, default in cls.fields or ():
            if name in given:
                names[name] = given[name]
            elif default is not None:
                names[name] = _default(walker, default)
    finally:
        walker.scope = before


def _default(walker: Walker, node: ast.expr) -> Flow:
    """The default of a field, as `field(...)` declares it or as it stands."""
    if isinstance(node, ast.Call) and last_name(node) == "field":
        for keyword in node.keywords:
            if keyword.arg == "default_factory":
                return apply(walker, walker.evaluate(keyword.value), [], {})
            if keyword.arg == "default":
                return walker.evaluate(keyword.value)
        return Flow(number=walker.symbols.fresh())
    return walker.evaluate(node)
