"""Functions that move tokens along an array or take them from it: pad, roll, narrow, take, cat, unfold, flip.

What cannot be said of a lane gets a position of its own, which nothing is known to lie before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow import contents
from harness.audit.token_flow.flow import NOTHING, SELECTION, Flow, Token, joined, mixed_of, replace
from harness.audit.token_flow.linear import ZERO, Linear
from harness.audit.token_flow.objects import Call, Cell
from harness.audit.token_flow.positions import RANGE, WRAPPED, length_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.token_flow.walker import Walker

_ONE = Linear((), 1)


def _argument(call: Call, at: int, *words: str) -> Flow:
    """An argument by its place, what a method is called on included, or by its name."""
    named = next((call.kwargs[word] for word in words if word in call.kwargs), None)
    return named if named is not None else (call.args[at] if len(call.args) > at else NOTHING)


def _placed(walker: Walker, value: Flow) -> Flow:
    """The value with the tokens it holds; those of the array it is when nobody sliced it yet."""
    held = contents.whole(walker, value)
    if held.tokens or held.scores or held.lookups or value.objects:
        return held
    return replace(held, tokens=contents.own_tokens(value))


def _moved(walker: Walker, value: Flow, by: Linear | None) -> Flow:
    moved = value.moved(by)
    return replace(moved, number=walker.symbols.fresh(), text=None, items=None)


def as_window(value: Flow) -> Flow:
    """Many lanes made one value: it holds them up to the last."""
    tokens = (
        Token(each.root, last)
        if each.last is not None and (last := each.last.plus(_ONE, -1)) is not None
        else each
        for each in value.tokens
    )
    return replace(value, tokens=frozenset(tokens)) if value.tokens else value


def _added_up(call: Call) -> Flow:
    """A running sum: each lane holds those before it."""
    value = _placed(call.walker, call.first)
    return replace(value, number=call.walker.symbols.fresh(), text=None, items=None, objects=())


def _folded(call: Call) -> Flow:
    """Arrays multiplied and added up, or a function put between the elements of one."""
    given = [contents.whole(call.walker, each) for each in (*call.args, *call.kwargs.values())]
    return replace(as_window(mixed_of(given)), number=call.walker.symbols.fresh())


def _pad(call: Call) -> Flow:
    """Lanes move on by as many as are put in front of the last dimension."""
    widths = _argument(call, 1, "pad", "pad_width")
    pair = widths
    while pair.items and any(each.items for each in pair.items):  # numpy: one pair for each dimension
        pair = pair.items[-1]
    front = pair.items[0].number if pair.items else pair.number
    return _moved(call.walker, _placed(call.walker, call.first), _negative(front))


def _roll(call: Call) -> Flow:
    """Lanes move on; those that fall off at the end come in at the start."""
    walker, by = call.walker, _argument(call, 1, "shift", "shifts").number
    value = _placed(walker, call.first)
    around = value.moved(walker.symbols.of(WRAPPED, by))
    tokens = around.tokens if value.tokens else frozenset()
    moved = _moved(walker, value, _negative(by))
    return replace(moved, tokens=moved.tokens | tokens)


def _negative(number: Linear | None) -> Linear | None:
    return number.times(-1) if number is not None else None


def _narrow(call: Call) -> Flow:
    """`narrow(dim, start, length)`: a slice."""
    start, length = _argument(call, 2, "start").number, _argument(call, 3, "length").number
    moved = _moved(call.walker, _placed(call.walker, call.first), start)
    tokens = (
        Token(each.root, each.first, each.first.plus(length) if length is not None else None)
        for each in moved.tokens
    )
    return replace(moved, tokens=frozenset(tokens))


def _take(call: Call) -> Flow:
    """The elements at positions; where tokens choose them it is a lookup."""
    words = ("index", "indices")
    index = _argument(call, 2 if call.name == "index_select" else 1, *words)
    if call.name == "gather" or not (index.tokens or index.number or index.objects or index.items):
        index = _argument(call, len(call.args) - 1, *words)
    index = contents.whole(call.walker, index)
    if index.tokens and SELECTION not in index.kinds:
        return contents.lookup(call.walker, call.args[0], index, (index,))
    source = _placed(call.walker, call.args[0])
    if not source.tokens:
        rest = replace(index, tokens=frozenset(), number=None)
        return replace(mixed_of((source, rest)), kinds=source.kinds)
    by = index.number if index.number is not None or SELECTION not in index.kinds else ZERO
    moved = _moved(call.walker, source, by)
    return replace(moved, kinds=source.kinds, loops=source.loops | index.loops)


def _turned(call: Call) -> Flow:
    """Another order of the lanes."""
    value = contents.whole(call.walker, call.first)
    if not value.tokens:
        return replace(call.first, text=None)
    return _moved(call.walker, value, None)


def _windows(call: Call) -> Flow:
    """Windows over tokens: a lane is any of those in its window."""
    walker = call.walker
    value = _placed(walker, call.first)
    size = _argument(call, 2 if call.name == "unfold" else 1, "size", "window_shape").number
    if call.name == "as_strided" or size is None:
        return _moved(walker, value, None)
    step = _argument(call, 3, "step").number if call.name == "unfold" else _ONE
    inside = walker.symbols.of(RANGE, ZERO, size, _ONE)
    return _moved(walker, value, inside if step == _ONE else None)


def _concatenate(call: Call) -> Flow:
    """Arrays one after the other: each begins where those before it end."""
    walker = call.walker
    value = call.first
    parts, is_known = _parts(value)
    front: Linear | None = ZERO
    moved = []
    for at, part in enumerate(parts):
        whole = _placed(walker, part) if is_known else contents.whole(walker, part)
        if is_known and at:
            shifted = whole.moved(_negative(front))
            moved.append(shifted if front is not None else replace(shifted, about=whole.about))
        else:
            moved.append(whole)
        length = _length(walker, part, whole)
        front = front.plus(length) if front is not None and length is not None else None
    whole = joined(moved)
    number = whole.number if whole.number is not None and not (is_known and whole.tokens) else None
    return replace(whole, number=number if number is not None else walker.symbols.fresh(), items=None)


def _parts(value: Flow) -> tuple[list[Flow], bool]:
    """What is put together, and whether that is all of it, in order."""
    if value.items is not None:
        return list(value.items), True
    cells = [each for each in value.objects if isinstance(each, Cell)]
    parts = [part for cell in cells for part in cell.parts.values()]
    names = [place for cell in cells for place in cell.parts]
    is_known = len(cells) == 1 and all(isinstance(name, tuple) and name[0] == "item" for name in names)
    return parts, is_known


def _length(walker: Walker, part: Flow, whole: Flow) -> Linear | None:
    known = length_of(whole.tokens)
    if known is not None:
        return known
    made = part.number.symbol if part.number is not None else None
    size = walker.symbols.made_of(made) if made is not None else None
    if size is not None and size[0] == "array" and isinstance(size[-1], Linear):
        return size[-1]
    return None


POSITION_CALLS: dict[str, Callable[[Call], Flow]] = {
    **dict.fromkeys(["dot", "inner", "vdot", "reduce", "prod", "polyval", "from_bytes"], _folded),
    "cumprod": _added_up,
    "pad": _pad,
    "roll": _roll,
    "narrow": _narrow,
    "take": _take,
    "index_select": _take,
    "flip": _turned,
    "fliplr": _turned,
    "flipud": _turned,
    "unfold": _windows,
    "sliding_window_view": _windows,
    "as_strided": _windows,
    "cat": _concatenate,
    "concatenate": _concatenate,
    "concat": _concatenate,
    "hstack": _concatenate,
}
