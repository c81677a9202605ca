"""Whole numbers of a script as sums of symbols: enough to say that two positions are the same token.

A symbol stands for a value nobody knows (a loop's first value, a length, a configured width). The same
expression of the same symbols is given the same symbol again, so that `min(ws + n, total) - ws` computed
twice is one number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

TERMS_AT_MOST = 8
LARGEST = 2**40
_OF_ONE = frozenset({"attribute", "element", "lane", "unpacked"})  # parts of one thing
_SIZES = frozenset({"form", "length"})
SUMS_KEPT = 20_000  # networks move the same positions by the same number over and over


class Linear(NamedTuple):
    """The sum of `coefficient * symbol` over `terms`, and `constant`. A tuple: hashed by the million."""

    terms: tuple[tuple[int, int], ...] = ()
    constant: int = 0

    def plus(self, other: Linear, sign: int = 1) -> Linear | None:
        """The sum; the difference with sign -1. None when it grows beyond what is worth following."""
        return _sum(self, other, sign)

    def times(self, factor: int) -> Linear | None:
        """The product with a known number."""
        return _linear({symbol: own * factor for symbol, own in self.terms}, self.constant * factor)

    @property
    def is_constant(self) -> bool:
        """Whether no symbol is in it."""
        return not self.terms

    @property
    def is_plain(self) -> bool:
        """Whether it is made of what holds no data."""
        return bool(self.terms) and all(symbol < 0 for symbol, _ in self.terms)

    @property
    def symbol(self) -> int | None:
        """The symbol it is, when it is one and nothing else."""
        return (
            self.terms[0][0] if len(self.terms) == 1 and self.terms[0][1] == 1 and not self.constant else None
        )


@lru_cache(maxsize=SUMS_KEPT)
def _sum(one: Linear, other: Linear, sign: int) -> Linear | None:
    total = dict(one.terms)
    for symbol, factor in other.terms:
        total[symbol] = total.get(symbol, 0) + sign * factor
    return _linear(total, one.constant + sign * other.constant)


def _linear(terms: dict[int, int], constant: int) -> Linear | None:
    kept = tuple(sorted((symbol, factor) for symbol, factor in terms.items() if factor))
    if len(kept) > TERMS_AT_MOST or abs(constant) > LARGEST or any(abs(f) > LARGEST for _, f in kept):
        return None
    return Linear(kept, constant)


ZERO = Linear()
SOMEWHERE = Linear(((-(2**62), 1),))  # a position nobody knows; no other position is said to be the same


def _is_plain(key: tuple[object, ...]) -> bool:
    """Whether the expression is a size, or a part of what holds no data."""
    if key[0] in _OF_ONE:
        return len(key) > 1 and isinstance(key[1], Linear) and key[1].is_plain
    return key[0] in _SIZES


@dataclass(slots=True)
class Symbols:
    """Hands out symbols: a new one each time, or the same one for the same expression.

    Symbols of what is no array of data, such as settings and names of files, are negative; so are those of
    parts of it.
    """

    _by_key: dict[tuple[object, ...], Linear] = field(default_factory=dict)
    _last: int = 0
    _made_of: dict[int, tuple[object, ...]] = field(default_factory=dict)

    def fresh(self) -> Linear:
        """A number nobody knows."""
        self._last += 1
        return Linear(((self._last, 1),))

    def of(self, *key: object) -> Linear:
        """The symbol of an expression, the same for the same parts."""
        found = self._by_key.get(key)
        if found is None:
            self._last += 1
            found = self._by_key[key] = Linear(((-self._last if _is_plain(key) else self._last, 1),))
        return found

    def plain(self) -> Linear:
        """A number nobody knows, of something that holds no data."""
        self._last += 1
        return Linear(((-self._last, 1),))

    def behind(self, wanted: Iterable[int]) -> set[int]:
        """These symbols and all that their expressions were made of."""
        made_of = {number.terms[0][0]: key for key, number in self._by_key.items()}
        found: set[int] = set()
        left = list(wanted)
        while left:
            symbol = left.pop()
            if symbol not in found:
                found.add(symbol)
                for part in made_of.get(symbol, ()):
                    if isinstance(part, Linear):
                        left += [each for each, _ in part.terms]
        return found

    def made_of(self, symbol: int) -> tuple[object, ...] | None:
        """The expression a symbol stands for: what it is, then its parts; None when nobody knows it."""
        for key, number in islice(self._by_key.items(), len(self._made_of), None):
            self._made_of[number.terms[0][0]] = key
        return self._made_of.get(symbol)
