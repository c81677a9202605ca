"""Whole numbers of a script as sums of symbols: enough to say that two positions are the same token.

A symbol stands for a value nobody knows (a loop's first value, a length, a configured width). The same
expression of the same symbols is given the same symbol again, so that `min(ws + n, total) - ws` computed
twice is one number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TERMS_AT_MOST = 8
LARGEST = 2**40


@dataclass(frozen=True, slots=True)
class Linear:
    """The sum of `coefficient * symbol` over `terms`, and `constant`."""

    terms: tuple[tuple[int, int], ...] = ()
    constant: int = 0

    def plus(self, other: Linear, sign: int = 1) -> Linear | None:
        """The sum; the difference with sign -1. None when it grows beyond what is worth following."""
        total = dict(self.terms)
        for symbol, factor in other.terms:
            total[symbol] = total.get(symbol, 0) + sign * factor
        return _linear(total, self.constant + sign * other.constant)

    def times(self, factor: int) -> Linear | None:
        """The product with a known number."""
        return _linear({symbol: own * factor for symbol, own in self.terms}, self.constant * factor)

    @property
    def is_constant(self) -> bool:
        """Whether no symbol is in it."""
        return not self.terms

    @property
    def symbol(self) -> int | None:
        """The symbol it is, when it is one and nothing else."""
        return (
            self.terms[0][0] if len(self.terms) == 1 and self.terms[0][1] == 1 and not self.constant else None
        )


def _linear(terms: dict[int, int], constant: int) -> Linear | None:
    kept = tuple(sorted((symbol, factor) for symbol, factor in terms.items() if factor))
    if len(kept) > TERMS_AT_MOST or abs(constant) > LARGEST or any(abs(f) > LARGEST for _, f in kept):
        return None
    return Linear(kept, constant)


ZERO = Linear()


@dataclass(slots=True)
class Symbols:
    """Hands out symbols: a new one each time, or the same one for the same expression."""

    _by_key: dict[object, int] = field(default_factory=dict)
    _last: int = 0

    def fresh(self) -> Linear:
        """A number nobody knows."""
        self._last += 1
        return Linear(((self._last, 1),))

    def of(self, *key: object) -> Linear:
        """The symbol of an expression, the same for the same parts."""
        if key not in self._by_key:
            self._last += 1
            self._by_key[key] = self._last
        return Linear(((self._by_key[key], 1),))
