"""Where a token of a key lies beside the token that is scored: before it, not before it, or nobody knows.

Positions are sums of symbols. That a difference of two of them is positive is shown by putting for a symbol
what bounds it: the first and last value of a range, the arguments of a minimum, nought for a length.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from harness.audit.token_flow.linear import SOMEWHERE, ZERO, Linear

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from harness.audit.token_flow.flow import Token
    from harness.audit.token_flow.linear import Symbols

# What a symbol may be made as, beside names of calls and operators nobody here asks about.
RANGE: Final = "range"
LEAST: Final = "least"
GREATEST: Final = "greatest"
EITHER: Final = "either"
LENGTH: Final = "length"
WRAPPED: Final = "wrapped"  # what comes in at the start of an array that is rolled on

BOUNDS_DEEP = 6  # symbols put in one after the other
ASKED_AT_MOST = 200  # differences looked at for one question
_OF_COUNTS: Final = frozenset({"FloorDiv", "Mult", "Mod"})  # of counts they are counts
_ONE: Final = Linear((), 1)


class Place(StrEnum):
    """Where a token of a key lies."""

    BEFORE = "before"
    HELD = "held"  # it is the scored token, or a later one
    UNKNOWN = "unknown"


def place_beside(
    symbols: Symbols, token: Token, scored: Collection[Token], beside: Collection[Token]
) -> Place:
    """Where `token` lies beside the first of each run of `scored` tokens, lane by lane.

    `beside` are all tokens of the key: what a loop reads in its second pass is what it reads in the first,
    a step further on.
    """
    ours = [each for each in scored if each.root == token.root]
    if not ours:
        return Place.UNKNOWN
    if token.first == SOMEWHERE:
        return Place.UNKNOWN
    if any(each.first == token.first for each in ours):
        return Place.HELD
    places = {_place(symbols, token, each, beside) for each in ours}
    # A score of several reads (two arms, two passes) is of the read that lies as far on as the key does.
    return next((each for each in (Place.BEFORE, Place.HELD) if each in places), Place.UNKNOWN)


def _place(symbols: Symbols, token: Token, scored: Token, beside: Collection[Token]) -> Place:
    gap = scored.first.plus(token.first, -1)
    if gap is None:
        return Place.UNKNOWN
    if gap.is_constant:
        return Place.BEFORE if gap.constant > 0 else Place.HELD
    if is_positive(symbols, gap):
        return Place.BEFORE
    for symbol, factor in gap.terms:
        step = _step(symbols, symbol)
        if step is None:
            continue
        earlier = gap.plus(Linear((), factor * step), -1)
        if earlier is None or not is_positive(symbols, earlier):
            continue
        before = scored.first.plus(earlier, -1)
        if any(each.root == token.root and each.first == before for each in beside):
            return Place.BEFORE
    return Place.UNKNOWN


def bounded(symbols: Symbols, kind: str, numbers: list[Linear]) -> Linear:
    """The least or greatest of numbers: one of them where they differ by constants."""
    kept: list[Linear] = []
    for number in numbers:
        for at, other in enumerate(kept):
            gap = number.plus(other, -1)
            if gap is not None and gap.is_constant:
                is_taken = gap.constant < 0 if kind == LEAST else gap.constant > 0
                kept[at] = number if is_taken else other
                break
        else:
            kept.append(number)
    return kept[0] if len(kept) == 1 else symbols.of(kind, *sorted(kept))


def length_of(tokens: Collection[Token]) -> Linear | None:
    """How many lanes there are, where all tokens say the same."""
    lengths = {each.last.plus(each.first, -1) if each.last is not None else None for each in tokens}
    return lengths.pop() if len(lengths) == 1 else None


def is_positive(symbols: Symbols, number: Linear) -> bool:
    """Whether the number is shown to be at least one."""
    above = number.plus(_ONE, -1)
    return above is not None and _Question(symbols).is_natural(above, BOUNDS_DEEP)


def _step(symbols: Symbols, symbol: int) -> int | None:
    made = symbols.made_of(symbol)
    if made is None or made[0] != RANGE:
        return None
    step = made[3]
    return step.constant if isinstance(step, Linear) and step.is_constant else None


class _Question:
    """One question, with what it may still cost."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._left = ASKED_AT_MOST

    def is_natural(self, number: Linear, depth: int) -> bool:
        """Whether the number is shown to be nought or more."""
        self._left -= 1
        if self._is_plain(number):
            return True
        if depth <= 0 or self._left <= 0 or number.is_constant:
            return False
        for symbol, factor in number.terms:
            for bounds in self._below(symbol) if factor > 0 else self._above(symbol):
                if all(self._holds(number, symbol, factor, bound, depth) for bound in bounds):
                    return True
        return False

    def _holds(self, number: Linear, symbol: int, factor: int, bound: Linear, depth: int) -> bool:
        put = bound.times(factor)
        rest = number.plus(Linear(((symbol, factor),)), -1)
        less = rest.plus(put) if rest is not None and put is not None else None
        return less is not None and self.is_natural(less, depth - 1)

    def _is_count(self, symbol: int) -> bool:
        made = self._symbols.made_of(symbol)
        return made is not None and made[0] == LENGTH

    def _below(self, symbol: int) -> Iterator[tuple[Linear, ...]]:
        """Sets of numbers; with all of one set in its place the symbol has become no larger."""
        made = self._symbols.made_of(symbol)
        if made is None:
            return
        kind, *parts = made
        numbers = [part for part in parts if isinstance(part, Linear)]
        if kind == LENGTH:
            yield (ZERO,)
        elif kind == RANGE and len(numbers) == 3:
            first, stop, step = numbers
            bound = first if step.constant > 0 else stop.plus(_ONE)
            if step.is_constant and step.constant and bound is not None:
                yield (bound,)
        elif kind == GREATEST:
            yield from ((number,) for number in numbers)
        elif kind in (LEAST, EITHER) and len(numbers) == len(parts):
            yield tuple(numbers)
        elif len(numbers) == 2 and (
            kind == "Mod" or (kind in _OF_COUNTS and all(map(self._is_plain, numbers)))
        ):
            yield (ZERO,)

    def _is_plain(self, number: Linear) -> bool:
        """A sum of counts alone."""
        return number.constant >= 0 and all(f > 0 and self._is_count(s) for s, f in number.terms)

    def _above(self, symbol: int) -> Iterator[tuple[Linear, ...]]:
        """Sets of numbers; with all of one set in its place the symbol has become no smaller."""
        made = self._symbols.made_of(symbol)
        if made is None:
            return
        kind, *parts = made
        numbers = [part for part in parts if isinstance(part, Linear)]
        if kind == RANGE and len(numbers) == 3:
            first, stop, step = numbers
            bound = stop.plus(_ONE, -1) if step.constant > 0 else first
            if step.is_constant and step.constant and bound is not None:
                yield (bound,)
        elif kind == LEAST:
            yield from ((number,) for number in numbers)
        elif kind == GREATEST and len(numbers) == len(parts):
            # What is cut off at the first token of all is its own context there.
            yield tuple(n for n in numbers if not (n.is_constant and n.constant <= 0)) or (ZERO,)
        elif kind == EITHER and len(numbers) == len(parts):
            yield tuple(numbers)
        elif kind == "Mod" and len(numbers) == 2 and self._is_plain(numbers[1]):
            last = numbers[1].plus(_ONE, -1)
            if last is not None:
                yield (last,)
