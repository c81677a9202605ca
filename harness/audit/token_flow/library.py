"""What functions and methods of torch, numpy and the standard library do with tokens, by their name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import (
    array_calls,
    container_calls,
    contents,
    expressions,
    operators,
    whole_counts,
)
from harness.audit.token_flow.call_names import (
    ELEMENTWISE,
    NEW_ARRAYS,
    READS,
    SAME,
    SUMS,
    WITHOUT_DATA,
    WRAPPERS,
)
from harness.audit.token_flow.container_calls import METHODS
from harness.audit.token_flow.flow import NOTHING, SLICE, Flow, mixed_of, replace
from harness.audit.token_flow.linear import ZERO
from harness.audit.token_flow.objects import Bound, Call, ClassOf, Function, Instance
from harness.audit.token_flow.whole_counts import WHOLE_COUNTS
from harness.audit.token_flow.written_loss import WRITTEN_LOSS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.token_flow.walker import Walker


def method(walker: Walker, receiver: Flow, name: str, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """`receiver.name(...)` of something that is no object of the script."""
    call = Call(walker, name, [receiver, *args], kwargs)
    known = METHODS.get(name)
    return known(call) if known is not None else by_name(call)


def function(walker: Walker, path: str, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """`module.name(...)`."""
    owner, _, name = path.rpartition(".")
    if name == "at" and owner and len(args) >= 2:
        contents.update(walker, args[0], args[1], f"{owner.rpartition('.')[2]}.at")
        return NOTHING
    if path.partition(".")[0] in WITHOUT_DATA and name not in ("replace", "asdict", "astuple"):
        return Flow(number=walker.symbols.plain(), loops=mixed_of(args).loops)
    return by_name(Call(walker, name, args, kwargs))


def unknown(walker: Walker, callee: Flow, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """A call of something we do not know: a network, a compiled function."""
    given = mixed_of([callee, *args, *kwargs.values()])
    return Flow(number=walker.symbols.fresh(), loops=given.loops, scores=given.scores)


def by_name(call: Call) -> Flow:
    """A call that only its name tells something about."""
    found = _by_name(call)
    return whole_counts.counted(call, found) if call.name in WHOLE_COUNTS else found


def _by_name(call: Call) -> Flow:
    name, args, symbols = call.name, call.args, call.walker.symbols
    known = _KNOWN.get(name)
    if known is not None and (args or name not in _OF_ARGUMENTS):
        return known(call)
    if name in READS:
        return Flow(number=symbols.fresh())
    if name in NEW_ARRAYS:
        made = call.walker.new_cell(dims=max(_dimensions(name, args), 1))
        size = args[0].items[-1].number if args and args[0].items else (args[-1].number if args else None)
        return Flow(objects=(made,), number=symbols.of("array", made.id, size))
    if name in WRAPPERS and any(isinstance(each, _CALLED) for each in call.first.objects):
        return call.first
    return array_calls.unknown_function(call)


def _dimensions(name: str, args: list[Flow]) -> int:
    if args and args[0].items is not None:
        return len(args[0].items)
    return 1 if name.startswith("full") or name.endswith("_like") else sum(a.number is not None for a in args)


def _partial(call: Call) -> Flow:
    made = [
        Function(f.node, f.scope, f.file, ((*f.bound[0], *call.args[1:]), {**f.bound[1], **call.kwargs}))
        for f in (call.args[0].objects if call.args else ())
        if isinstance(f, Function)
    ]
    return Flow(objects=tuple(made)) if made else (call.first)


def _same(call: Call) -> Flow:
    return replace(call.args[0], text=None)


def _slice(call: Call) -> Flow:
    zero = Flow(number=ZERO)
    bounds = (zero, *call.args) if len(call.args) == 1 else tuple(call.args[:2])
    return Flow(items=bounds, kinds=frozenset({SLICE}), loops=mixed_of(bounds).loops)


def _replace(call: Call) -> Flow:
    """`dataclasses.replace(record, field=...)`: another record, otherwise the same."""
    records = [each for each in call.first.objects if isinstance(each, Instance)]
    copies = [Instance(each.of, {**each.names, **call.kwargs}) for each in records]
    return Flow(objects=tuple(copies)) if copies else array_calls.unknown_function(call)


def _form(call: Call) -> Flow:
    """Sizes and types of an array say nothing of what is in it."""
    return expressions.form_of(call.walker, call.first, call.name, *call.args[1:])


_OPERATORS: dict[str, ast.operator] = {
    **dict.fromkeys(("sub", "sub_", "subtract", "subtract_"), ast.Sub()),
    **dict.fromkeys(("mul", "mul_", "multiply", "multiply_"), ast.Mult()),
    **dict.fromkeys(("div", "div_", "divide", "divide_", "true_divide"), ast.Div()),
}


def _operator(call: Call) -> Flow:
    """An operator under its name."""
    if len(call.args) < 2:
        return array_calls.unknown_function(call)
    left, right = (contents.whole(call.walker, each) for each in call.args[:2])
    return operators.of_values(call.walker, ast.Pass(), _OPERATORS[call.name], left, right)


_CALLED = (Function, Instance, Bound, ClassOf)
_OF_ARGUMENTS = SAME | ELEMENTWISE | SUMS  # without any they are something else
_KNOWN: dict[str, Callable[[Call], Flow]] = {
    **dict.fromkeys(SAME, _same),
    **dict.fromkeys(ELEMENTWISE, array_calls.elementwise),
    **dict.fromkeys(SUMS, array_calls.summed),
    **array_calls.ARRAY_CALLS,
    **WRITTEN_LOSS,
    **container_calls.CONTAINER_CALLS,
    "partial": _partial,
    "slice": _slice,
    "replace": _replace,
    **dict.fromkeys(_OPERATORS, _operator),
    **dict.fromkeys(("size", "dim", "stride", "element_size", "nelement", "get_device"), _form),
}
