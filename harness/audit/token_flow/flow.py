"""What is known about a value while tokens are followed: the tokens, scores and lookups it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from harness.audit.token_flow.linear import SOMEWHERE, ZERO, Linear

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.audit.events import Spot
    from harness.audit.token_flow.objects import Bound, Cell, ClassOf, Function, Instance

SET_AT_MOST = 64
SETS_KEPT = 2_000  # sets of tokens that were moved or cut lately, and what became of them

_T = TypeVar("_T")

# Kinds of values, as far as a rule needs to tell them apart.
SELECTION = "selection"  # a mask or a list of indices: picks lanes, does not move them
DISTRIBUTION = "distribution"  # one number for every token of the alphabet
PLOGP = "p-log-p"  # probabilities times log-probabilities: summed it is an entropy
ENTROPY = "entropy"
SUM = "sum"  # added up over tokens: says nothing of a single one
BITS = "bits"  # nats divided by log(2), or a log2
LOG_TWO = "log-two"
SPREAD = "spread"  # a token's log-probability divided over its bytes
COMPARED = "compared"  # whether one loss of a token is lower than another of it
PAIRED = "paired"  # two losses of the same token in one expression
PEAKS = "peaks"  # for every token of the alphabet the higher of two probabilities
COUNTS = "counts"  # how often each token occurs: added to a table, it counts into it
ENTRY = "entry"  # the entry of one token in a row of looked-up values
PER_TOKEN = "per-token"  # a fact of a token read from a fixed list: its bytes, its piece
LENGTH = "length"  # how long such a piece is
EXPONENTIALS = "exponentials"
SUM_OF_EXPONENTIALS = "sum-of-exponentials"
LOG_SUM = "log-sum"  # the logarithm of such a sum: what a softmax divides by
PICKED = "picked"  # the entry of one token, taken out of a computed row
CONSECUTIVE = "consecutive"  # one position after the other
SLICE = "slice"  # `slice(...)`; its items are the bounds
SEARCHED = "searched"  # where sorted keys have it, or would have it
UNEVEN = "uneven"  # counted only for tokens whose loss lets it
RANGE = "range"  # `range(...)`; its items are start, stop and step
REPEATED = "repeated"  # a list that holds each of its elements more than once


class Token(NamedTuple):
    """Tokens of the array `root` from position `first` (of lane 0) to `last`, None for just that lane."""

    root: int
    first: Linear
    last: Linear | None = None

    @property
    def place(self) -> tuple[int, Linear]:
        """Which token lane 0 is."""
        return self.root, self.first

    def moved(self, by: Linear | None) -> Token | None:
        """The same read `by` positions further on; None when that cannot be said."""
        if self.first == SOMEWHERE:
            return self
        first = self.first.plus(by) if by is not None else None
        if first is None:
            return None
        return Token(self.root, first, None if self.last is None or by is None else self.last)

    @property
    def lost(self) -> Token:
        """The same read, nobody knows where."""
        return Token(self.root, SOMEWHERE, self.last)


class Key(NamedTuple):
    """A lookup inside a value and one of the tokens in its key."""

    lookup: int
    token: Token


@dataclass(slots=True, unsafe_hash=True)
class Flow:
    """A value. Never changed once made; what changes lives in the cells it refers to.

    Not frozen: a walk makes hundreds of thousands, and the guard of a frozen class costs most of its time.
    """

    number: Linear | None = None
    text: str | None = None
    tokens: frozenset[Token] = frozenset()  # it is a function of these tokens
    about: frozenset[Token] = frozenset()  # it is a probability or loss of these tokens
    scores: frozenset[int] = frozenset()
    lookups: frozenset[int] = frozenset()
    keys: frozenset[Key] = frozenset()
    kinds: frozenset[str] = frozenset()
    loops: frozenset[tuple[int, int]] = frozenset()  # loop passes that chose it
    objects: tuple[Cell | Instance | Function | ClassOf | Bound, ...] = ()
    items: tuple[Flow, ...] | None = None
    joined_at: Spot | None = None  # where tokens were put together, or a test was made
    summed: frozenset[Token] = frozenset()  # losses of these tokens went into a sum inside it

    def with_kinds(self, *kinds: str) -> Flow:
        """A copy of more kinds."""
        return replace(self, kinds=self.kinds.union(kinds))

    def without(self, *kinds: str) -> Flow:
        """A copy that is none of these kinds."""
        return replace(self, kinds=self.kinds.difference(kinds)) if self.kinds & set(kinds) else self

    def lost(self) -> Flow:
        """The same tokens in lanes nobody knows: no lane of a score is among them."""
        return replace(
            self,
            tokens=frozenset(each.lost for each in self.tokens),
            about=frozenset(),
            keys=frozenset(Key(each.lookup, each.token.lost) for each in self.keys),
        )

    def moved(self, by: Linear | None) -> Flow:
        """The lanes from position `by` on."""
        if by is None:
            return self.lost()
        if by == ZERO:
            return self
        return replace(
            self,
            tokens=_moved(self.tokens, by),
            about=_moved(self.about, by),
            keys=frozenset(Key(k.lookup, m) for k in self.keys if (m := k.token.moved(by)) is not None),
        )


NOTHING: Final = Flow()
_PLAIN: Final = Flow()  # a number that no token went into; unlike nothing, it is a value
_new = object.__new__
_NONE: Final[frozenset[Any]] = frozenset()


def replace(flow: Flow, **parts: Any) -> Flow:
    """A copy with other parts."""
    made = _new(Flow)
    made.number = flow.number
    made.text = flow.text
    made.tokens = flow.tokens
    made.about = flow.about
    made.scores = flow.scores
    made.lookups = flow.lookups
    made.keys = flow.keys
    made.kinds = flow.kinds
    made.loops = flow.loops
    made.objects = flow.objects
    made.items = flow.items
    made.joined_at = flow.joined_at
    made.summed = flow.summed
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def joined(flows: Iterable[Flow]) -> Flow:
    """One value that may be any of these: same number or none, everything else united."""
    result: Flow | None = None
    for flow in flows:
        if result is None or result is NOTHING or result.text == "None":
            result = flow
        elif flow is not NOTHING and flow.text != "None":
            result = _join(result, flow)
    return result if result is not None else NOTHING


def _join(one: Flow, other: Flow) -> Flow:
    if one is other:
        return one
    objects = (*one.objects, *(each for each in other.objects if each not in one.objects))[:SET_AT_MOST]
    items = None
    if one.items is not None and other.items is not None and len(one.items) == len(other.items):
        items = tuple(_join(a, b) for a, b in zip(one.items, other.items, strict=True))
    united = mixed_of((one, other))
    return replace(
        united,
        number=one.number if one.number == other.number else (other.number or one.number),
        text=one.text if one.text == other.text else None,
        kinds=one.kinds | other.kinds,
        objects=objects,
        items=items,
    )


def kinds_of(flows: Iterable[Flow]) -> frozenset[str]:
    """All that any of these is."""
    return frozenset().union(*(flow.kinds for flow in flows))


def mixed_of(flows: Iterable[Flow]) -> Flow:
    """A value computed from all of these; only what it was made from, not what it is."""
    tokens = about = scores = lookups = keys = loops = summed = _NONE
    joined_at = None
    for flow in flows:  # nearly all of these sets are empty
        if flow.tokens:
            tokens = tokens | flow.tokens if tokens else flow.tokens
        if flow.about:
            about = about | flow.about if about else flow.about
        if flow.scores:
            scores = scores | flow.scores if scores else flow.scores
        if flow.lookups:
            lookups = lookups | flow.lookups if lookups else flow.lookups
        if flow.keys:
            keys = keys | flow.keys if keys else flow.keys
        if flow.loops:
            loops = loops | flow.loops if loops else flow.loops
        if flow.summed:
            summed = summed | flow.summed if summed else flow.summed
        if joined_at is None:
            joined_at = flow.joined_at
    if not (tokens or about or scores or lookups or keys or loops or joined_at):
        return _PLAIN
    made = _new(Flow)
    made.number = made.text = made.items = None
    made.tokens = _few(tokens) if tokens else _NONE
    made.about = _few(about) if about else _NONE
    made.scores = _few(scores) if scores else _NONE
    made.lookups = _few(lookups) if lookups else _NONE
    made.keys = _few(keys) if keys else _NONE
    made.kinds = _NONE
    made.loops = _few(loops) if loops else _NONE
    made.objects = ()
    made.joined_at = joined_at
    made.summed = _few(summed) if summed else _NONE
    return made


@lru_cache(maxsize=SETS_KEPT)
def _moved(tokens: frozenset[Token], by: Linear) -> frozenset[Token]:
    return frozenset(m for t in tokens if (m := t.moved(by)) is not None)


def _few(values: frozenset[_T]) -> frozenset[_T]:
    if len(values) <= SET_AT_MOST:
        return values
    return _oldest(values)


@lru_cache(maxsize=SETS_KEPT)
def _oldest(values: frozenset[_T]) -> frozenset[_T]:
    return frozenset(sorted(values, key=_age)[:SET_AT_MOST])


def _age(value: Any) -> tuple[Any, ...]:
    """Old symbols, lookups and loops first: tokens of the data are older than what networks make of them."""
    if isinstance(value, Token):
        return value.root, value.first, value.last or ()
    if isinstance(value, Key):
        return value.lookup, *_age(value.token)
    return (value,)
