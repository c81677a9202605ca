"""Subscripts: moving along a token array, reading and storing by position, counting in place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import choices, columns, contents, left_out, mixing, operators
from harness.audit.token_flow.flow import (
    COMPARED,
    CONSECUTIVE,
    COUNTS,
    NOTHING,
    SELECTION,
    SLICE,
    Flow,
    Token,
    mixed_of,
    replace,
)
from harness.audit.token_flow.linear import ZERO, Linear
from harness.audit.token_flow.objects import Cell
from harness.audit.token_flow.positions import LENGTH, WRAPPED

if TYPE_CHECKING:
    from harness.audit.token_flow.walker import Walker


_ONE = Linear((), 1)


class _Index:
    """The parts of a subscript: `start` of the last dimension, flows of all that are not slices."""

    def __init__(self, walker: Walker, node: ast.expr) -> None:
        parts = list(node.elts) if isinstance(node, ast.Tuple) else [node]
        parts = [part for part in parts if not (isinstance(part, ast.Constant) and part.value in (None, ...))]
        self.dims = len(parts)
        self.flows: list[Flow] = []
        self.start: Linear | None = ZERO
        self.stop: Linear | None = None
        self.from_end: Linear | None = None  # how far before the end it starts
        self.until_end: Linear | None = None  # how far before the end it stops
        self.step: Linear | None = _ONE
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
                    self.step = walker.evaluate(part.step).number if part.step is not None else _ONE
                    self.start, self.from_end = _counted(walker, part.lower, lower)
                    if upper is not None:
                        self.stop, self.until_end = _counted(walker, part.upper, upper)
                    if upper is not None and SELECTION in upper.kinds:
                        self.stop = self.until_end = None
            else:
                flow = contents.whole(walker, walker.evaluate(part))
                if SLICE in flow.kinds and flow.items is not None:
                    self.bounds += flow.items
                    if is_last:
                        self.is_slice = True
                        self.start, self.stop = flow.items[0].number, flow.items[-1].number
                    continue
                self.flows.append(flow)
                if is_last:
                    self.start, self.from_end = _counted(walker, part, flow)

    @property
    def tokens(self) -> bool:
        """Whether a token itself chooses the element, not a position or a mask."""
        return any(flow.tokens and SELECTION not in flow.kinds for flow in self.flows)

    @property
    def loops(self) -> frozenset[tuple[int, int]]:
        """The loop passes that choose."""
        return frozenset().union(*(flow.loops for flow in (*self.flows, *self.bounds)))


def _counted(walker: Walker, node: ast.expr | None, flow: Flow) -> tuple[Linear | None, Linear | None]:
    """A position: from the start of the array, or, where a minus sign or number says so, from its end."""
    number = flow.number
    is_back = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    if is_back or (number is not None and number.is_constant and number.constant < 0):
        return None, number.times(-1) if number is not None else None
    return number, None


def _start_of(index: _Index, tokens: frozenset[Token]) -> Linear | None:
    """How far on the first lane lies; None when that cannot be said."""
    if index.start is not None:
        return index.start
    if index.from_end is not None and tokens:
        starts = {_length_of(token) for token in tokens}
        length = starts.pop() if len(starts) == 1 else None
        return length.plus(index.from_end, -1) if length is not None else None
    return None


def _length_of(token: Token) -> Linear | None:
    return token.last.plus(token.first, -1) if token.last is not None else None


def load(walker: Walker, node: ast.Subscript) -> Flow:
    """`base[index]`."""
    base = walker.evaluate(node.value)
    index = _Index(walker, node.slice)
    key = mixed_of(index.flows) if index.flows else NOTHING
    if index.tokens:
        walker.columns[-1] = node.col_offset
        return contents.lookup(walker, base, key, tuple(index.flows))
    if len(index.flows) == 1 and index.dims == 1:
        named = contents.named(base, index.flows[0])
        if named is not None and COMPARED not in index.flows[0].kinds:
            return replace(named, loops=named.loops | base.loops)
    if SELECTION in base.kinds:
        return base
    column = columns.taken(walker, base, node.slice)
    if column is not None:
        return replace(column, loops=column.loops | base.loops | index.loops)
    return _elsewhere(walker, base, index, key)


def _elsewhere(walker: Walker, base: Flow, index: _Index, key: Flow) -> Flow:
    """An element or slice by position: the same tokens, further on."""
    cells = [each for each in base.objects if isinstance(each, Cell)]
    held = contents.content(walker, base)
    tokens = base.tokens
    if not (tokens or held.tokens or base.lookups or base.scores or cells):
        tokens = contents.own_tokens(base)
    if index.is_slice:
        tokens = _with_ends(walker, tokens)
    moves = _start_of(index, tokens | held.tokens)
    if index.dims == 1 and any(cell.dims > 1 for cell in cells):
        moves = ZERO  # a row of several
    if any(cell.is_list for cell in cells):
        moves = ZERO  # of a list each element stands for all
    if any(SELECTION in flow.kinds for flow in index.flows[-1:]) and not index.is_slice:
        moves = index.flows[-1].number if index.flows[-1].number is not None else ZERO
    moving = replace(base, objects=(), number=None, text=None, items=None, tokens=tokens)
    result = mixed_of((moving, held)) if cells else moving
    if not index.is_slice and index.flows and index.flows[-1].text is not None:
        result = replace(result, tokens=frozenset(), about=frozenset(), keys=frozenset())  # under a name
    elif result.about or result.tokens or result.keys:
        result = result.moved(moves)
    gate = [flow for flow in index.flows if SELECTION in flow.kinds]
    if index.is_slice and (index.stop is not None or index.until_end is not None):
        if result.tokens:
            result = replace(result, tokens=_ending(result.tokens, base.tokens or tokens, index))
    elif not index.is_slice and not gate and result.tokens:
        result = replace(result, tokens=frozenset(Token(each.root, each.first) for each in result.tokens))
    if index.is_slice and index.step != _ONE:
        result = _strided(walker, result, index)
    is_row = index.is_slice or (index.dims == 1 and any(cell.dims > 1 for cell in cells))
    is_data = held.tokens or held.about or held.scores or held.lookups
    number = held.number if cells else None
    if base.number is not None and not cells and not tokens:
        number = base.number
        if index.is_slice and CONSECUTIVE in base.kinds:
            number = number.plus(index.start) if index.start is not None else None
    elif number is None and key.number is not None and base.number is not None and not cells:
        number = walker.symbols.of("element", base.number, key.number)
    if index.is_slice and cells:
        number = None
    result = replace(
        result,
        number=number,
        kinds=base.kinds | held.kinds,
        loops=result.loops | index.loops,
        objects=base.objects if is_row and not is_data else held.objects,
        items=held.items if not index.is_slice else None,
    )
    result = left_out.by_masks(walker, choices.by_index(walker, result, index.flows), index.flows)
    return mixing.gated(result, gate) if gate and not result.tokens else result


def _ending(tokens: frozenset[Token], origin: frozenset[Token], index: _Index) -> frozenset[Token]:
    """The tokens up to where a slice stops; `origin` are those of what is sliced."""
    if index.stop is None:
        by = index.until_end
        return frozenset(
            Token(each.root, each.first, each.last.plus(by, -1) if each.last is not None and by else None)
            for each in tokens
        )
    ends: dict[int, Linear | None] = {}
    for each in origin:
        if each.root not in ends:
            ends[each.root] = each.first.plus(index.stop)
    return frozenset(Token(each.root, each.first, ends.get(each.root)) for each in tokens)


def _with_ends(walker: Walker, tokens: frozenset[Token]) -> frozenset[Token]:
    """Arrays nobody sliced yet end where they end."""
    return frozenset(
        each
        if each.last is not None
        else Token(each.root, each.first, walker.symbols.of(LENGTH, Linear(((each.root, 1),))))
        for each in tokens
    )


def _strided(walker: Walker, value: Flow, index: _Index) -> Flow:
    """Lanes that are no longer one token further on each: the first lane says nothing of the others."""
    if not value.tokens and not value.about and not value.keys:
        return value
    is_back = index.step is None or index.step.constant < 0 or not index.step.is_constant
    last = index.start.plus(_ONE) if is_back and index.start is not None else None
    moved = value.lost()
    if not is_back:
        return moved
    if last is None:
        return replace(moved, tokens=frozenset(Token(each.root, each.first) for each in moved.tokens))
    ends = {each.root: each.first.plus(_ONE) for each in value.tokens}
    return replace(moved, tokens=frozenset(Token(t.root, t.first, ends[t.root]) for t in moved.tokens))


def store(walker: Walker, target: ast.Subscript, value: Flow) -> None:
    """`base[index] = value`."""
    base = walker.evaluate(target.value)
    index = _Index(walker, target.slice)
    key = mixed_of(index.flows) if index.flows else NOTHING
    value = contents.whole(walker, value) if SELECTION not in value.kinds else value
    if isinstance(target.value, ast.Name) and not base.objects and base.items is None:
        # An array that came out of a computation: from here on it is changed in place.
        cell = walker.new_cell()
        walker.put(cell, "before", replace(base, number=None))
        base = Flow(number=base.number, objects=(cell,))
        walker.bind(target.value, base)
    if index.tokens:
        contents.update(walker, base, key, "=")
        walker.recorder.fed_back(value.lookups)
        counts = value.lookups & walker.recorder.whole_counts
        _put(
            walker,
            base,
            walker.here,
            replace(value, lookups=counts, keys=frozenset(), scores=frozenset()),
        )
        return
    mixing.chosen_under_guard(walker, value)
    for each in base.objects:
        if isinstance(each, Cell):
            each.dims = max(each.dims, index.dims)
    gates = [flow for flow in index.flows if SELECTION in flow.kinds]
    value = choices.by_index(walker, value, gates)
    if gates:
        value = left_out.by_overwriting(walker, contents.whole(walker, base), value, gates)
    if len(index.flows) == 1 and index.dims == 1 and index.flows[0].text is not None:
        for each in base.objects:
            if isinstance(each, Cell):
                walker.put(each, ("key", index.flows[0].text), value)
        return
    if value.tokens == frozenset():
        _drop_wrapped(walker, base, index)
    back = index.start.times(-1) if index.start is not None and not gates else None if not gates else ZERO
    held = value.moved(back) if value.about or value.tokens or value.keys else value
    if gates:
        held = mixing.gated(held, gates)
    held = replace(held, loops=held.loops | index.loops)
    _put(walker, base, walker.here, held)


def _drop_wrapped(walker: Walker, base: Flow, index: _Index) -> None:
    """The first places of a rolled array are overwritten: what came in there is gone."""
    stop = index.stop if index.is_slice else _ONE
    if index.start != ZERO or stop is None:
        return
    for cell in base.objects:
        if isinstance(cell, Cell):
            for place, part in cell.parts.items():
                kept = frozenset(each for each in part.tokens if not _is_wrapped(walker, each, stop))
                if len(kept) < len(part.tokens):
                    cell.parts[place] = replace(part, tokens=kept)


def _is_wrapped(walker: Walker, token: Token, stop: Linear) -> bool:
    return any(walker.symbols.made_of(symbol) == (WRAPPED, stop) for symbol, _ in token.first.terms)


def _put(walker: Walker, base: Flow, place: object, value: Flow) -> None:
    for cell in base.objects:
        if isinstance(cell, Cell):
            walker.put(cell, place, value)


def add_in_place(walker: Walker, target: ast.Subscript, op: ast.operator, added: Flow) -> None:
    """`base[index] op= added`."""
    base = walker.evaluate(target.value)
    index = _Index(walker, target.slice)
    if index.tokens:
        contents.update(walker, base, mixed_of(index.flows), "+=")
        return
    old = load(walker, target)
    if COUNTS in added.kinds:
        contents.update(walker, old, added, "+= bincount")
        return
    both = mixing.joined_terms(walker, target, old, added) if isinstance(op, ast.Add | ast.Sub) else None
    store(walker, target, both if both is not None else operators.combined(walker, op, old, added))
