"""Which loops need a second pass: those that carry something rules may read from one pass to the next.

The layers of a network, the parameters of an optimiser and the tensors of a quantiser are loops too, nested
in those over batches, and walking each of them twice costs most of the time. A second pass can only change
what is seen when the first one saw an event or stored what an event may be made of: a score, a lookup, a
token or a position that tokens of an event are chosen by, another constant than before. What the tokens of
events are made of is known at the end of a walk, so that a walk tells which loops the next one repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow.objects import ClassOf, Function, Instance

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

    from harness.audit.token_flow.flow import Flow, Token
    from harness.audit.token_flow.flow_recorder import FlowRecorder
    from harness.audit.token_flow.linear import Linear, Symbols

ITEMS_DEEP = 4


class _Stored:
    """What a loop stored: numbers and sets of tokens by identity, kept alive here so that it stays theirs."""

    __slots__ = ("is_needed", "numbers", "seen", "tokens")

    def __init__(self, seen: int, *, is_needed: bool) -> None:
        self.seen = seen  # what the recorder had been told before
        self.is_needed = is_needed
        self.numbers: dict[int, Linear] = {}
        self.tokens: dict[int, frozenset[Token]] = {}

    def include(self, other: _Stored) -> None:
        """The loop around `other` stored that too."""
        self.is_needed |= other.is_needed
        if not self.is_needed:
            self.numbers.update(other.numbers)
            self.tokens.update(other.tokens)

    def symbols(self) -> set[int]:
        """The symbols in all of it."""
        found = {symbol for number in self.numbers.values() for symbol, _ in number.terms}
        for tokens in self.tokens.values():
            found |= symbols_of(tokens)
        return found


class SecondPasses:
    """What the loops of one walk store. `needed` are loops an earlier walk knows to need a second pass."""

    def __init__(self, needed: frozenset[ast.stmt], recorder: FlowRecorder) -> None:
        self.needed = needed
        self._recorder = recorder
        self._open: list[_Stored] = []
        self._once: dict[ast.stmt, _Stored] = {}  # what loops stored whose second pass was left out

    def enter(self, loop: ast.stmt, *, is_varied: bool) -> None:
        """A loop starts; `is_varied` when its targets are known to be different things in each pass."""
        self._open.append(_Stored(self._recorder.seen, is_needed=is_varied or loop in self.needed))

    def is_needed(self) -> bool:
        """Whether what the innermost loop did so far tells that it needs a second pass."""
        loop = self._open[-1]
        return loop.is_needed or self._recorder.seen != loop.seen

    def leave(self, loop: ast.stmt, *, is_whole: bool) -> None:
        """A loop ends; `is_whole` unless a second pass was left out."""
        stored = self._open.pop()
        stored.is_needed |= self._recorder.seen != stored.seen
        if self._open:
            self._open[-1].include(stored)
        if not is_whole and self._once.setdefault(loop, stored) is not stored:
            self._once[loop].include(stored)

    def stored(self, value: Flow, old: Flow | None = None) -> None:
        """A value is given a name, or a place in an object; `old` was there before."""
        if self._open and not self._open[-1].is_needed:
            self._store(self._open[-1], value, old, 0)

    def _store(self, loop: _Stored, value: Flow, old: Flow | None, depth: int) -> None:
        if value.scores or value.lookups or value.about or value.keys or depth > ITEMS_DEEP:
            loop.is_needed = True
            return
        number = value.number
        if number is not None:
            loop.numbers[id(number)] = number
            if old is not None and not number.terms and old.number is not None and number != old.number:
                loop.is_needed = True  # a counter of constants
        if old is not None and _is_other(value, old):
            loop.is_needed = True
        if value.tokens:
            loop.tokens[id(value.tokens)] = value.tokens
        for item in value.items or ():
            self._store(loop, item, None, depth + 1)

    def missed(self, symbols: Symbols) -> frozenset[ast.stmt]:
        """The loops that would have needed the second pass that was left out."""
        of_events = symbols.behind(symbols_of(self._recorder.tokens()))
        return frozenset(
            loop
            for loop, stored in self._once.items()
            if stored.is_needed or not of_events.isdisjoint(stored.symbols())
        )


def symbols_of(tokens: Iterable[Token]) -> set[int]:
    """The arrays of tokens and what their positions are made of."""
    found = set()
    for root, first, last in tokens:
        found.add(root)
        found.update(symbol for symbol, _ in first.terms)
        if last is not None:
            found.update(symbol for symbol, _ in last.terms)
    return found


def _is_other(value: Flow, old: Flow) -> bool:
    """Whether both are known texts, or both things to call, and not the same."""
    if value.text != old.text and None not in (value.text, old.text) and "None" not in (value.text, old.text):
        return True
    ours, theirs = _behaviour(value), _behaviour(old)
    return bool(ours and theirs) and ours != theirs


def _behaviour(value: Flow) -> list[object]:
    return [each for each in value.objects if isinstance(each, Function | Instance | ClassOf)]


def is_varied(iterable: Flow) -> bool:
    """Whether a loop over it binds different things in its two passes, not the same some way further on."""
    if iterable.items is None or "range" in iterable.kinds:
        return False
    return "zip" not in iterable.kinds or any(is_varied(each) for each in iterable.items)
