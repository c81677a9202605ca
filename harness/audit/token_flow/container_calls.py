"""Containers and counters: lists, dictionaries, ranges, windows of tokens made one key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow import contents, gates, library
from harness.audit.token_flow.flow import (
    CONSECUTIVE,
    LENGTH,
    NOTHING,
    PER_TOKEN,
    RANGE,
    SELECTION,
    SUM,
    Flow,
    Token,
    mixed_of,
    replace,
)
from harness.audit.token_flow.linear import ZERO, Linear
from harness.audit.token_flow.objects import Call, Cell, ClassOf, Function
from harness.audit.token_flow.positions import length_of
from harness.audit.token_flow.positions_by_call import as_window

if TYPE_CHECKING:
    from collections.abc import Callable


def _window(call: Call) -> Flow:
    """A slice made one value: a key of its last token."""
    if not call.args:
        return Flow(objects=(call.walker.new_cell(),))
    return replace(as_window(contents.whole(call.walker, call.args[0])), objects=(), text=None)


def _mapping(call: Call) -> Flow:
    cell = call.walker.new_cell(is_mapping=True)
    if (call.args and any(isinstance(each, Function | ClassOf) or each for each in call.args[0].objects)) or (
        call.args and call.args[0].text is not None and call.args[0].text.startswith("module:")
    ):
        cell.factory = call.args[0]
    if call.args and call.args[0].tokens:  # Counter(tokens)
        contents.update(call.walker, Flow(objects=(cell,)), call.args[0], "Counter")
    return Flow(objects=(cell,))


def _list(call: Call) -> Flow:
    return replace(call.args[0], text=None) if call.args else Flow(objects=(call.walker.new_cell(),))


def _copy(call: Call) -> Flow:
    value = call.first
    cells = [each for each in value.objects if isinstance(each, Cell)]
    if not cells or any(cell.site in call.walker.counted for cell in cells):
        return value
    made = call.walker.new_cell(is_mapping=cells[0].is_mapping, dims=cells[0].dims)
    for cell in cells:
        made.parts.update(cell.parts)
    return replace(value, objects=(made,))


def _repeat(call: Call) -> Flow:
    return replace(call.args[0], text=None) if call.args else NOTHING


def _arange(call: Call) -> Flow:
    start = call.args[0].number if len(call.args) > 1 else ZERO
    if len(call.args) > 2 and call.args[2].number != Linear((), 1):
        start = None
    labels = mixed_of(call.args)
    return replace(
        labels,
        number=start if start is not None else call.walker.symbols.fresh(),
        kinds=frozenset({CONSECUTIVE}),
    )


def _range(call: Call) -> Flow:
    zero, one = Flow(number=ZERO), Flow(number=Linear((), 1))
    start = call.args[0] if len(call.args) > 1 else zero
    stop = call.args[1] if len(call.args) > 1 else (call.args[0] if call.args else zero)
    step = call.args[2] if len(call.args) > 2 else one
    return Flow(items=(start, stop, step), kinds=frozenset({RANGE}))


def _zip(call: Call) -> Flow:
    return Flow(items=tuple(call.args), kinds=frozenset({"zip"}))


def _enumerate(call: Call) -> Flow:
    if not call.args:
        return NOTHING
    inner = call.args[0]
    number = length_of(inner.tokens)
    if number is None:
        number = call.walker.symbols.of("length", inner.number, *(id(each) for each in inner.objects))
    counter = Flow(
        items=(Flow(number=ZERO), Flow(number=number), Flow(number=Linear((), 1))), kinds=frozenset({RANGE})
    )
    return Flow(items=(counter, inner), kinds=frozenset({"zip"}))


def _length(call: Call) -> Flow:
    value = call.first
    key = (value.number, *(each.id if isinstance(each, Cell) else id(each) for each in value.objects))
    kinds = frozenset({LENGTH} if PER_TOKEN in value.kinds else ())
    result = replace(mixed_of((value,)), number=call.walker.symbols.of("length", *key), kinds=kinds)
    return replace(result, about=frozenset(), scores=frozenset(), tokens=frozenset())


def _get(call: Call) -> Flow:
    receiver, *args = call.args
    key = contents.whole(call.walker, args[0]) if args else NOTHING
    if any(isinstance(each, Cell) for each in receiver.objects):
        if key.tokens:
            found = contents.lookup(call.walker, receiver, key, (key,))
            if len(args) > 1 and args[1].objects:
                contents.update(call.walker, receiver, key, "setdefault")
                found = replace(found, objects=(*found.objects, *args[1].objects))
            return found
        return mixed_of((contents.content(call.walker, receiver), replace(receiver, objects=())))
    return replace(mixed_of((receiver, *args)), number=call.walker.symbols.fresh())


def _add_in_place(call: Call) -> Flow:
    receiver, *args = call.args
    result = library.by_name(Call(call.walker, "add", call.args, {}))
    if args and args[0].scores:
        bare = replace(gates.with_sums(result), tokens=frozenset(), about=frozenset(), keys=frozenset())
        contents.keep_sum(call.walker, receiver, bare.with_kinds(SUM))
    return result


def _append(call: Call) -> Flow:
    receiver, *args = call.args
    for cell in receiver.objects:
        if isinstance(cell, Cell) and args:
            call.walker.put(cell, call.walker.here, args[-1])
            cell.is_list = True
    return NOTHING


def _extend(call: Call) -> Flow:
    receiver, *args = call.args
    added = [contents.element(call.walker, args[0], 0)] if args else []
    return _append(Call(call.walker, call.name, [receiver, *added], {}))


def _values(call: Call) -> Flow:
    receiver = call.first
    if receiver.lookups:
        call.walker.recorder.read_whole |= {each.id for each in receiver.objects if isinstance(each, Cell)}
    return replace(receiver, number=None)


def _items(call: Call) -> Flow:
    receiver = call.first
    held = contents.content(call.walker, receiver)
    if receiver.lookups:
        call.walker.recorder.read_whole |= {each.id for each in receiver.objects if isinstance(each, Cell)}
    value = replace(held, lookups=held.lookups | receiver.lookups, keys=held.keys | receiver.keys)
    # Its keys are an axis of their own: an element stored under one is no token further on.
    pair = Flow(items=(Flow(kinds=frozenset({SELECTION})), value))
    cell = call.walker.new_cell()
    cell.parts["pair"] = pair
    cell.is_list = True
    return Flow(objects=(cell,))


def _join(call: Call) -> Flow:
    receiver, *args = call.args
    if not args:
        return receiver
    inner = args[0]
    held = contents.content(call.walker, inner)
    whole = mixed_of((replace(inner, objects=()), held))
    if receiver.text is not None:
        return replace(as_window(whole), number=call.walker.symbols.fresh())
    # Bytes of tokens one after the other: positions in them are their own.
    root = call.walker.symbols.of("bytes", *sorted(token.root for token in whole.tokens))
    if whole.tokens and root.symbol is not None:
        whole = replace(whole, tokens=frozenset({Token(root.symbol, ZERO)}))
    return whole


METHODS: dict[str, Callable[[Call], Flow]] = {
    "add_": _add_in_place,
    "get": _get,
    "setdefault": _get,
    "append": _append,
    "appendleft": _append,
    "add": _append,
    "extend": _extend,
    "values": _values,
    "items": _items,
    "join": _join,
}


CONTAINER_CALLS: dict[str, Callable[[Call], Flow]] = {
    "arange": _arange,
    "range": _range,
    "zip": _zip,
    "enumerate": _enumerate,
    "len": _length,
    "numel": _length,
    "tuple": _window,
    "tobytes": _window,
    "bytes": _window,
    "hash": _window,
    "str": _window,
    "repr": _window,
    "dict": _mapping,
    "defaultdict": _mapping,
    "Counter": _mapping,
    "OrderedDict": _mapping,
    "list": _list,
    "set": _list,
    "deque": _list,
    "copy": _copy,
    "clone": _copy,
    "repeat": _repeat,
    "repeat_interleave": _repeat,
}
