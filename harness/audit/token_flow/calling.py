"""What calls mean: functions of the script are walked, those of libraries are known by their name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import expressions, indexing, library
from harness.audit.token_flow.flow import (
    NOTHING,
    Bound,
    ClassOf,
    Flow,
    Function,
    Instance,
    joined,
    mixed_of,
    replace,
)

if TYPE_CHECKING:
    from harness.audit.token_flow.walker import Walker


def call(walker: Walker, node: ast.Call) -> Flow:
    """`callee(...)`."""
    callee = walker.evaluate(node.func)
    args: list[Flow] = []
    for each in node.args:
        if isinstance(each, ast.Starred):
            spread = walker.evaluate(each.value)
            args += list(spread.items) if spread.items is not None else [indexing.element(walker, spread, 0)]
        else:
            args.append(walker.evaluate(each))
    kwargs: dict[str, Flow] = {}
    for keyword in node.keywords:
        value = walker.evaluate(keyword.value)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
    return apply(walker, callee, args, kwargs)


def apply(walker: Walker, callee: Flow, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """The value of a call."""
    found = []
    for each in callee.objects:
        if isinstance(each, Function):
            found.append(walker.call_function(each, list(args), dict(kwargs)))
        elif isinstance(each, ClassOf):
            found.append(_construct(walker, each, args, kwargs))
        elif isinstance(each, Instance):
            inner = each.of.find("forward") or each.of.find("__call__")
            if inner is not None:
                name = "forward" if each.of.find("forward") else "__call__"
                method = expressions.attribute(walker, Flow(objects=(each,)), name)
                found.append(apply(walker, method, args, kwargs))
        elif isinstance(each, Bound):
            return library.method(walker, each.receiver, each.name, args, kwargs)
    if found:
        return joined(found)
    if callee.text is not None and callee.text.startswith("module:"):
        return library.function(walker, callee.text.removeprefix("module:"), args, kwargs)
    return library.unknown(walker, callee, args, kwargs)


def _construct(walker: Walker, cls: ClassOf, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    instance = Instance(cls)
    made = Flow(objects=(instance,))
    if cls.find("__init__") is not None:
        apply(walker, expressions.attribute(walker, made, "__init__"), args, kwargs)
    else:
        names = [name for name in cls.members.names if not name.startswith("_")]
        instance.names.update(zip(names, args, strict=False))
        instance.names.update(kwargs)
    return made


__all__ = ["NOTHING", "apply", "call", "mixed_of", "replace"]
