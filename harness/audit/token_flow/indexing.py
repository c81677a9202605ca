"""Reading and writing elements: moving along a token array, looking up a table, counting into one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import mixing
from harness.audit.token_flow.flow import (
    COUNTS,
    DISTRIBUTION,
    ENTRY,
    NOTHING,
    PER_TOKEN,
    RANGE,
    SEARCHED,
    SELECTION,
    Cell,
    Flow,
    Key,
    Token,
    joined,
    mixed_of,
    replace,
)
from harness.audit.token_flow.linear import ZERO, Linear

if TYPE_CHECKING:
    from harness.audit.token_flow.walker import Walker


class _Index:
    """The parts of a subscript: `start` of the last dimension, flows of all that are not slices."""

    def __init__(self, walker: Walker, node: ast.expr) -> None:
        parts = list(node.elts) if isinstance(node, ast.Tuple) else [node]
        parts = [part for part in parts if not (isinstance(part, ast.Constant) and part.value in (None, ...))]
        self.dims = len(parts)
        self.flows: list[Flow] = []
        self.start: Linear | None = ZERO
        self.stop: Linear | None = None
        self.is_slice = False
        self.bounds: list[Flow] = []
        for at, part in enumerate(parts):
            is_last = at == len(parts) - 1
            if isinstance(part, ast.Slice):
                lower = walker.evaluate(part.lower) if part.lower is not None else Flow(number=ZERO)
                upper = walker.evaluate(part.upper) if part.upper is not None else None
                self.bounds += [lower] + ([upper] if upper is not None else [])
                if is_last:
                    self.is_slice = True
                    self.start = lower.number if not _is_negative(part.lower) else walker.symbols.fresh()
                    is_open = upper is None or _is_negative(part.upper)
                    self.stop = None if is_open or upper is None else upper.number
                    if upper is not None and SELECTION in upper.kinds:
                        self.stop = None
            else:
                flow = whole(walker, walker.evaluate(part))
                self.flows.append(flow)
                if is_last:
                    self.start = flow.number

    @property
    def tokens(self) -> bool:
        """Whether a token itself chooses the element, not a position or a mask."""
        return any(flow.tokens and SELECTION not in flow.kinds for flow in self.flows)

    @property
    def loops(self) -> frozenset[tuple[int, int]]:
        """The loop passes that choose."""
        return frozenset().union(*(flow.loops for flow in (*self.flows, *self.bounds)))


def _is_negative(node: ast.expr | None) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def load(walker: Walker, node: ast.Subscript) -> Flow:
    """`base[index]`."""
    base = walker.evaluate(node.value)
    index = _Index(walker, node.slice)
    key = mixed_of(index.flows) if index.flows else NOTHING
    if index.tokens:
        return lookup(walker, base, key, tuple(index.flows))
    if len(index.flows) == 1 and index.dims == 1:
        named = _by_name(base, index.flows[0])
        if named is not None:
            return replace(named, loops=named.loops | base.loops)
    if SELECTION in base.kinds:
        return base
    return _elsewhere(walker, base, index, key)


def _by_name(base: Flow, key: Flow) -> Flow | None:
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


def _elsewhere(walker: Walker, base: Flow, index: _Index, key: Flow) -> Flow:
    """An element or slice by position: the same tokens, further on."""
    cells = [each for each in base.objects if isinstance(each, Cell)]
    held = content(walker, base)
    labels = replace(base, objects=(), number=None, text=None, items=None)
    moves = index.start
    if index.dims == 1 and any(cell.dims > 1 for cell in cells):
        moves = ZERO  # a row of several
    if any(cell.is_list for cell in cells):
        moves = ZERO  # of a list each element stands for all
    if any(SELECTION in flow.kinds for flow in index.flows[-1:]) and not index.is_slice:
        moves = index.flows[-1].number if index.flows[-1].number is not None else ZERO
    tokens = labels.tokens
    if not (tokens or held.tokens or base.lookups or base.scores or cells):
        tokens = own_tokens(base)
    whole = replace(labels, tokens=tokens)
    result = mixed_of((whole, held)) if cells else whole
    if result.about or result.tokens or result.keys:
        result = result.moved(moves)
    if index.is_slice and index.stop is not None:
        result = replace(
            result, tokens=frozenset(_ending(token, base, tokens, index.stop) for token in result.tokens)
        )
    gate = [flow for flow in index.flows if SELECTION in flow.kinds]
    is_row = index.is_slice or (index.dims == 1 and any(cell.dims > 1 for cell in cells))
    is_data = held.tokens or held.about or held.scores or held.lookups
    result = replace(
        result,
        kinds=base.kinds | held.kinds,
        loops=result.loops | index.loops,
        objects=base.objects if is_row and not is_data else held.objects,
        items=held.items if not index.is_slice else None,
    )
    number = held.number if cells else None
    if base.number is not None and not cells and not tokens:
        number = base.number
    elif number is None and key.number is not None and base.number is not None and not cells:
        number = walker.symbols.of("element", base.number, key.number)
    if index.is_slice and cells:
        number = None
    result = replace(result, number=number)
    return mixing.gated(result, gate) if gate and not result.tokens else result


def own_tokens(value: Flow) -> frozenset[Token]:
    """The tokens of an array nobody sliced yet: those of the symbol it is."""
    symbol = value.number.symbol if value.number is not None else None
    return frozenset({Token(symbol, ZERO)}) if symbol is not None else frozenset()


def _ending(token: Token, base: Flow, origin: frozenset[Token], stop: Linear) -> Token:
    starts = [each.first for each in (base.tokens or origin) if each.root == token.root]
    last = starts[0].plus(stop) if starts else None
    return Token(token.root, token.first, last)


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


def store(walker: Walker, target: ast.Subscript, value: Flow) -> None:
    """`base[index] = value`."""
    base = walker.evaluate(target.value)
    index = _Index(walker, target.slice)
    key = mixed_of(index.flows) if index.flows else NOTHING
    value = whole(walker, value) if SELECTION not in value.kinds else value
    if isinstance(target.value, ast.Name) and not base.objects and base.items is None:
        # An array that came out of a computation: from here on it is changed in place.
        cell = walker.new_cell()
        walker.put(cell, "before", replace(base, number=None))
        base = Flow(number=base.number, objects=(cell,))
        walker.bind(target.value, base)
    if index.tokens:
        update(walker, base, key, "=")
        walker.recorder.fed_back(value.lookups)
        _put(
            walker,
            base,
            walker.here,
            replace(value, lookups=frozenset(), keys=frozenset(), scores=frozenset()),
        )
        return
    mixing.chosen_under_guard(walker, value)
    for each in base.objects:
        if isinstance(each, Cell):
            each.dims = max(each.dims, index.dims)
    gates = [flow for flow in index.flows if SELECTION in flow.kinds]
    if len(index.flows) == 1 and index.dims == 1 and index.flows[0].text is not None:
        for each in base.objects:
            if isinstance(each, Cell):
                walker.put(each, ("key", index.flows[0].text), value)
        return
    back = index.start.times(-1) if index.start is not None and not gates else ZERO
    held = value.moved(back) if value.about or value.tokens or value.keys else value
    if gates:
        held = mixing.gated(held, gates)
    held = replace(held, loops=held.loops | index.loops)
    _put(walker, base, walker.here, held)


def _put(walker: Walker, base: Flow, place: object, value: Flow) -> None:
    for cell in base.objects:
        if isinstance(cell, Cell):
            walker.put(cell, place, value)


def add_in_place(walker: Walker, target: ast.Subscript, op: ast.operator, added: Flow) -> None:
    """`base[index] op= added`."""
    base = walker.evaluate(target.value)
    index = _Index(walker, target.slice)
    if index.tokens:
        update(walker, base, mixed_of(index.flows), "+=")
        return
    old = load(walker, target)
    if COUNTS in added.kinds:
        update(walker, old, added, "+= bincount")
        return
    from harness.audit.token_flow import expressions

    both = mixing.joined_terms(walker, target, old, added) if isinstance(op, ast.Add | ast.Sub) else None
    store(walker, target, both if both is not None else expressions.combined(walker, op, old, added))


def update(walker: Walker, base: Flow, key: Flow, how: str) -> None:
    """Something is stored or counted under a key made of tokens."""
    key = whole(walker, key)
    walker.recorder.fed_back(base.lookups)
    if key.tokens and not any(isinstance(each, Cell) for each in base.objects):
        walker.recorder.unclear(walker.here, "what tokens are counted into", frozenset())
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
    lane = walker.symbols.of("lane", iterable.number).plus(Linear((), number))
    whole = iterable
    if not (iterable.tokens or iterable.lookups or iterable.scores or iterable.objects):
        whole = replace(iterable, tokens=own_tokens(iterable))
    moved_flow = replace(whole, items=None, objects=(), text=None).moved(lane)
    return replace(moved_flow, number=walker.symbols.of("element", iterable.number))


def unpacked(walker: Walker, value: Flow, at: int, count: int) -> Flow:
    """Element `at` of `count` that a value is unpacked into."""
    if value.items is not None and len(value.items) == count:
        return value.items[at]
    held = _by_name(value, Flow(number=Linear((), at)))
    if held is not None:
        return held
    number = walker.symbols.of("unpacked", value.number, at) if value.number is not None else None
    held = content(walker, value)
    return replace(mixed_of((value, held)), number=number, kinds=value.kinds, objects=held.objects)


__all__ = ["COUNTS", "add_in_place", "content", "element", "load", "lookup", "store", "unpacked", "update"]
