"""What functions and methods of torch, numpy and the standard library do with tokens, by their name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow import array_calls, container_calls, contents
from harness.audit.token_flow.call_names import ELEMENTWISE, NEW_ARRAYS, READS, SAME, SUMS, WRAPPERS
from harness.audit.token_flow.container_calls import METHODS
from harness.audit.token_flow.flow import NOTHING, Flow, Token, mixed_of, replace
from harness.audit.token_flow.objects import Bound, Call, ClassOf, Function, Instance

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
    return by_name(Call(walker, name, args, kwargs))


def unknown(walker: Walker, callee: Flow, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
    """A call of something we do not know: a network, a compiled function."""
    given = mixed_of([callee, *args, *kwargs.values()])
    return Flow(number=walker.symbols.fresh(), loops=given.loops, scores=given.scores)


def by_name(call: Call) -> Flow:
    """A call that only its name tells something about."""
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


def _windows(call: Call) -> Flow:
    """Windows of so many elements, one from each position on: a row is where it starts."""
    value = call.first
    size = call.args[1].number if len(call.args) > 1 else None
    tokens = frozenset(
        Token(each.root, each.first, each.first.plus(size) if size is not None else None)
        for each in call.walker.tokens_of(value)
    )
    return replace(value, tokens=tokens, number=None, text=None)


_CALLED = (Function, Instance, Bound, ClassOf)
_OF_ARGUMENTS = SAME | ELEMENTWISE | SUMS  # without any they are something else
_KNOWN: dict[str, Callable[[Call], Flow]] = {
    **dict.fromkeys(SAME, _same),
    **dict.fromkeys(ELEMENTWISE, array_calls.elementwise),
    **dict.fromkeys(SUMS, array_calls.summed),
    **array_calls.ARRAY_CALLS,
    **container_calls.CONTAINER_CALLS,
    "partial": _partial,
    "sliding_window_view": _windows,
}
