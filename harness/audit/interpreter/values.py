"""What the interpreter knows about a value: its constant, the object it is, and where it came from.

`Source` is the provenance that flows through every computation by union. It says which tokens went in
(`reads`), which loop iterations chose them when the value is a position (`index`), what had been learned in
the weights at the time (`learned`), which scores are inside (`scores`), and free labels.
Values are immutable; what changes lives in heap objects, which `ref` names.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from harness.audit.interpreter.positions import Index, Line, depend_on_both, either, hull, narrowed
from harness.audit.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.audit.events import Spot
    from harness.audit.interpreter.heap import Obj

REGIONS_AT_MOST = 6
IDS_AT_MOST = 400
NUMBERS: Final = (int, float)  # a bool is one
_NONE: Final[frozenset[Any]] = frozenset()
_AS_IT_IS: Final[Any] = object()


class _Unknown:
    """The constant of a value that is not known."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("an unknown constant has no truth")


UNKNOWN: Final = _Unknown()

# Labels the interpreter itself gives; libraries add their own.
GRADIENT = "gradient"  # the derivative of a loss
BITS = "bits"  # nats were divided by log(2)
COMPARED = "compared"  # the outcome of comparing two scores
ENVIRONMENT = "environment"  # came from the environment or the command line
LOGITS = "logits"  # an output of a network
PROBABILITY = "log-probability"  # a log-softmax, a softmax or a loss of such
CUT = "cut:"  # begins the name of a slice of validation tokens
SOME_CUT = "cut:?"  # a part of something opaque that was made of such slices: which of them is not known
HEAD_MASK = "mask:head"  # marks the first positions of windows: ones were written before a border
TAIL_MASK = "mask:tail"  # marks positions from a border on
PLACES = "places"  # an array of positions that begins where a loop says
DRAWN = "drawn"  # drawn at random from a range that a loop moves
COUNTER = "counter"  # handed out by a shared counter: each value once


class Source:
    """Where a value came from. Immutable; `NOTHING` for constants."""

    __slots__ = ("forward", "index", "labels", "learned", "reads", "scores", "shards", "states")

    def __init__(
        self,
        index: Index | None = None,
        reads: frozenset[Region] = _NONE,
        learned: frozenset[int] = _NONE,
        states: frozenset[int] = _NONE,
        scores: frozenset[int] = _NONE,
        labels: frozenset[str] = _NONE,
        shards: frozenset[int] = _NONE,
        forward: Spot | None = None,
    ) -> None:
        self.index: Index = index if index is not None else {}
        self.reads = reads  # tokens it was computed from
        self.learned = learned  # Update events inside the weights it was computed from, as of then
        self.states = states  # states it was computed from: a gradient can flow to them
        self.scores = scores  # Score, Mixed and Selected events inside
        self.labels = labels
        self.shards = shards  # TokensRead events behind `reads`
        self.forward = forward  # where the network ran

    def changed(
        self,
        *,
        index: Index | None = None,
        reads: frozenset[Region] | None = None,
        learned: frozenset[int] | None = None,
        states: frozenset[int] | None = None,
        scores: frozenset[int] | None = None,
        labels: frozenset[str] | None = None,
        shards: frozenset[int] | None = None,
        forward: Spot | None = _AS_IT_IS,
    ) -> Source:
        """A copy with other parts; those not given stay as they are."""
        return Source(
            self.index if index is None else index,
            self.reads if reads is None else reads,
            self.learned if learned is None else learned,
            self.states if states is None else states,
            self.scores if scores is None else scores,
            self.labels if labels is None else labels,
            self.shards if shards is None else shards,
            self.forward if forward is _AS_IT_IS else forward,
        )

    def labelled(self, *labels: str) -> Source:
        """A copy with more labels."""
        return self.changed(labels=self.labels.union(labels))

    def chosen_by(self, index: Index) -> Source:
        """What a choice by `index` leaves: regions and positions narrowed to it."""
        if not index or self is NOTHING:
            return self
        reads = frozenset(narrow_region(region, index) for region in self.reads)
        return self.changed(index=narrowed(self.index, index) if self.index else self.index, reads=reads)


NOTHING: Final = Source()


def with_some_cut(source: Source) -> Source:
    """The source of a part of something opaque: of its slices of tokens it may hold any."""
    named = frozenset(label for label in source.labels if label.startswith(CUT))
    return source.changed(labels=source.labels - named | {SOME_CUT}) if named else source


def narrow_region(region: Region, index: Index) -> Region:
    """The part of the region that the iterations in `index` choose."""
    loops = narrowed(dict(region.loops), index)
    return region.with_loops(tuple(sorted(loops.items())))


def computed_from(sources: Iterable[Source]) -> Source:
    """The source of a value computed from all of these."""
    result = NOTHING
    for source in sources:
        if source is NOTHING or source is result:
            continue
        result = (
            source
            if result is NOTHING
            else _union(result, source, depend_on_both(result.index, source.index))
        )
    return result


def one_of(one: Source, other: Source) -> Source:
    """The source of a value that is one or the other."""
    if one is other:
        return one
    return _union(one, other, either(one.index, other.index))


def _union(one: Source, other: Source, index: Index) -> Source:
    reads = one.reads
    if other.reads and other.reads is not reads and not other.reads <= reads:
        reads = few_regions(reads | other.reads) if reads else few_regions(other.reads)
    return Source(
        index,
        reads,
        _ids(one.learned, other.learned),
        one.states | other.states if other.states else one.states,
        _ids(one.scores, other.scores),
        one.labels | other.labels if other.labels else one.labels,
        _ids(one.shards, other.shards),
        one.forward or other.forward,
    )


def _ids(one: frozenset[int], other: frozenset[int]) -> frozenset[int]:
    if not other or one is other:
        return one
    if not one and len(other) <= IDS_AT_MOST:
        return other
    both = one | other
    # The newest are kept: a walk never makes so many, but a hostile script may.
    return both if len(both) <= IDS_AT_MOST else frozenset(sorted(both)[-IDS_AT_MOST:])


def few_regions(regions: frozenset[Region]) -> frozenset[Region]:
    """The regions, with those contained in others dropped and a long list replaced by its hull."""
    if len(regions) <= 1:
        return regions
    kept = [one for one in regions if not any(other is not one and _holds(other, one) for other in regions)]
    if len(kept) <= REGIONS_AT_MOST:
        return frozenset(kept)
    if any(region.cuts for region in kept):
        return few_regions(frozenset(region.uncut() for region in kept))
    result = []
    for split in sorted({region.split for region in kept}):
        boxes = [dict(region.loops) for region in kept if region.split is split]
        common = boxes[0]
        for box in boxes[1:]:
            common = {loop: hull(span, box[loop]) for loop, span in common.items() if loop in box}
        common = {loop: span for loop, span in common.items() if span != (None, None)}
        result.append(Region(split=split, loops=tuple(sorted(common.items())), is_exact=False))
    return frozenset(result)


def _holds(outer: Region, inner: Region) -> bool:
    if outer.split is not inner.split or outer == inner or not outer.cuts <= inner.cuts:
        return False
    spans = dict(inner.loops)
    for loop, (first, last) in outer.loops:
        if loop not in spans:
            return False
        low, high = spans[loop]
        if first is not None and (low is None or low < first):
            return False
        if last is not None and (high is None or high > last):
            return False
    return True


_symbols = itertools.count(1)


class Value:
    """A value of the script. `const` is UNKNOWN or its constant; `ref` the heap object it is, if any."""

    __slots__ = ("_symbol", "const", "line", "ref", "source")

    def __init__(
        self, const: Any = UNKNOWN, ref: Obj | None = None, source: Source = NOTHING, line: Line | None = None
    ) -> None:
        self.const = const
        self.ref = ref
        self.source = source
        self.line = line  # the position it is as a function of loop iterations, when known
        self._symbol = 0

    def __repr__(self) -> str:
        """For debugging."""
        return f"Value({self.const!r}, {self.ref!r}, {self.source.index})"

    @property
    def is_known(self) -> bool:
        """Whether the constant is known."""
        return self.const is not UNKNOWN

    @property
    def is_number(self) -> bool:
        """Whether it is a known number; a bool is one, as in Python."""
        return isinstance(self.const, NUMBERS)

    @property
    def symbol(self) -> int:
        """A number that stands for this unknown constant in a `Line`."""
        if not self._symbol:
            self._symbol = next(_symbols)
        return self._symbol

    def with_source(self, source: Source) -> Value:
        """The same value from elsewhere."""
        return self if source is self.source else Value(self.const, self.ref, source, self.line)


ANYTHING: Final = Value()
NONE: Final = Value(None)
TRUE: Final = Value(True)
FALSE: Final = Value(False)
