"""What arrays, lists and dictionaries hold: as a whole, by element, and under a key of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow import mixing
from harness.audit.token_flow.flow import (
    CONSECUTIVE,
    DISTRIBUTION,
    ENTRY,
    NOTHING,
    PER_TOKEN,
    RANGE,
    SEARCHED,
    Flow,
    Key,
    Token,
    joined,
    mixed_of,
    replace,
)
from harness.audit.token_flow.linear import ZERO, Linear
from harness.audit.token_flow.objects import Cell
from harness.audit.token_flow.positions import length_of

if TYPE_CHECKING:
    from harness.audit.token_flow.walker import Walker


def named(base: Flow, key: Flow) -> Flow | None:
    """The item or part under a known number or text."""
    if base.items is not None and key.number is not None and key.number.is_constant:
        at = key.number.constant
        return base.items[at] if -len(base.items) <= at < len(base.items) else None
    found = []
    for cell in base.objects:
        if isinstance(cell, Cell):
            name: object = ("key", key.text) if key.text is not None else ("item", key.number)
            if key.number is not None and key.number.is_constant:
                name = ("item", key.number.constant) if ("item", key.number.constant) in cell.parts else name
            if name in cell.parts:
                found.append(cell.parts[name])
    if not found:
        return None
    value = joined(found)
    return replace(value, lookups=value.lookups | base.lookups, keys=value.keys | base.keys)


def own_tokens(value: Flow) -> frozenset[Token]:
    """The tokens of an array nobody sliced yet: those of the symbol it is."""
    if value.number is None or CONSECUTIVE in value.kinds:
        return frozenset()
    symbol = value.number.symbol
    return frozenset({Token(symbol, ZERO)}) if symbol is not None and symbol > 0 else frozenset()


def tables(walker: Walker, *values: Flow) -> tuple[Cell, ...]:
    """The arrays among what values are that are counted into by token."""
    return tuple(
        each
        for value in values
        for each in value.objects
        if isinstance(each, Cell) and each.site in walker.counted
    )


def whole(walker: Walker, value: Flow) -> Flow:
    """A value with what its arrays hold; a table of counts is not what it holds."""
    if not value.objects:
        return value
    cells = [each for each in value.objects if isinstance(each, Cell) and each.site not in walker.counted]
    if not cells:
        return value
    held = content(walker, replace(value, objects=tuple(cells)))
    both = mixed_of((value, held))
    return replace(
        both, number=value.number, kinds=value.kinds | held.kinds, objects=value.objects, items=value.items
    )


def content(walker: Walker, base: Flow) -> Flow:
    """What the arrays, lists and dictionaries of a value hold."""
    if not base.objects:
        return NOTHING
    found: list[Flow] = []
    for cell in base.objects:
        if isinstance(cell, Cell):
            if not cell.parts and cell.factory is not None:
                walker.put(cell, "default", walker.call_value(cell.factory))
            found += cell.parts.values()
    walker.spend(len(found) // 4)
    return joined(found)


def keep_sum(walker: Walker, base: Flow, result: Flow) -> None:
    """An array is added to in place: whoever handed it in sees the sum."""
    for cell in base.objects:
        if isinstance(cell, Cell) and not cell.is_list and not cell.is_mapping:
            walker.put(cell, walker.here, replace(result, objects=()))


def lookup(walker: Walker, base: Flow, key: Flow, parts: tuple[Flow, ...]) -> Flow:
    """`base[key]` where tokens are in the key."""
    if DISTRIBUTION in base.kinds:
        return mixing.scored(walker, parts[-1], base)
    tables = [each for each in base.objects if isinstance(each, Cell) and each.site in walker.counted]
    held = content(walker, base)
    if not tables:
        inside = replace(held, tokens=frozenset(), about=frozenset(), keys=frozenset())
        fixed = mixed_of((replace(base, objects=(), about=frozenset()), key, inside))
        is_entry = bool(base.lookups | held.lookups)
        return replace(fixed, objects=held.objects, kinds=frozenset({ENTRY if is_entry else PER_TOKEN}))
    row = frozenset(each for each in base.lookups)
    by_row = len([part for part in parts if part.tokens]) > 1
    is_searched = any(SEARCHED in part.kinds for part in parts)
    found = frozenset(
        walker.recorder.lookup(walker, cell, key, row, by_row=by_row, is_searched=is_searched)
        for cell in tables
    )
    return Flow(
        lookups=found | base.lookups | key.lookups,
        keys=frozenset(Key(one, token) for one in found for token in key.tokens) | base.keys,
        loops=key.loops | base.loops,
        objects=held.objects,
        items=None,
    )


def update(walker: Walker, base: Flow, key: Flow, how: str) -> None:
    """Something is stored or counted under a key made of tokens."""
    key = whole(walker, key)
    walker.recorder.fed_back(base.lookups)
    if key.tokens and not any(isinstance(each, Cell) for each in base.objects):
        walker.recorder.counted_out_of_sight(walker, key.tokens)
    for cell in base.objects:
        if isinstance(cell, Cell) and key.tokens:
            walker.found_counted.add(cell.site)
            walker.recorder.update(walker, cell, key, how)


def element(walker: Walker, iterable: Flow, number: int) -> Flow:
    """What a loop over `iterable` binds in pass `number`."""
    if RANGE in iterable.kinds and iterable.items is not None:
        start, stop, step = (each.number for each in iterable.items)
        at = walker.symbols.of("range", start, stop, step)
        by = step.times(number) if step is not None else None
        moved = at.plus(by) if by is not None else None
        labels = mixed_of(iterable.items)
        return replace(labels, number=moved, tokens=frozenset(), kinds=frozenset())
    if iterable.items is not None:
        if iterable.kinds & {"zip"}:
            parts = tuple(element(walker, each, number) for each in iterable.items)
            return replace(mixed_of(parts), items=parts)
        return iterable.items[min(number, len(iterable.items) - 1)] if iterable.items else NOTHING
    if any(isinstance(each, Cell) for each in iterable.objects):
        held = content(walker, iterable)
        cells = [each for each in iterable.objects if isinstance(each, Cell)]
        if any(cell.is_list for cell in cells):
            at = held.number if held.number is not None else walker.symbols.of("element", cells[0].id)
            return replace(held, number=at, loops=held.loops | iterable.loops)
        if not held.tokens and not iterable.tokens:
            at = held.number if held.number is not None else walker.symbols.of("element", cells[0].id)
            return replace(held, number=at, loops=held.loops | iterable.loops)
    length = length_of(iterable.tokens)
    lane = (
        walker.symbols.of("lane", iterable.number)
        if length is None
        else walker.symbols.of("range", ZERO, length, Linear((), 1))
    ).plus(Linear((), number))
    whole = iterable
    if not (iterable.tokens or iterable.lookups or iterable.scores or iterable.objects):
        whole = replace(iterable, tokens=own_tokens(iterable))
    moved_flow = replace(whole, items=None, objects=(), text=None).moved(lane)
    return replace(moved_flow, number=walker.symbols.of("element", iterable.number))


def unpacked(walker: Walker, value: Flow, at: int, count: int) -> Flow:
    """Element `at` of `count` that a value is unpacked into."""
    if value.items is not None and len(value.items) == count:
        part = value.items[at]
        # The pass that chose the pair chose its parts.
        return part if value.loops <= part.loops else replace(part, loops=part.loops | value.loops)
    held = named(value, Flow(number=Linear((), at)))
    if held is not None:
        return held
    number = walker.symbols.of("unpacked", value.number, at) if value.number is not None else None
    held = content(walker, value)
    return replace(mixed_of((value, held)), number=number, kinds=value.kinds, objects=held.objects)
