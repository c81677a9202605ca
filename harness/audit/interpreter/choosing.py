"""Elements of containers that loops choose: what is left of a source once a position has chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.audit.interpreter.heap import (
    TENSORS,
    Alternatives,
    Instance,
    Mapping,
    Parameters,
    Range,
    Sequence,
    Tensor,
    View,
    Zipped,
)
from harness.audit.interpreter.positions import Index, narrowed
from harness.audit.interpreter.values import ANYTHING, NOTHING, UNKNOWN, Source, Value, narrow_region

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine
    from harness.audit.regions import Region

JOINED_AT_MOST = 40
REPEATED_DEPTH = 4
_CONTAINERS: Final = (Sequence, Mapping, Instance, Alternatives, Zipped, Range)
_TEXT_OR_TUPLE: Final = (tuple, str)


def refined(machine: Machine, source: Source, index: Index, is_array: bool) -> Source:
    """What is left of a source when one element is chosen by `index`.

    Loops that are over made the container's elements different from each other; they are forgotten for the
    loops that choose now. Elements that did not depend on any loop are all alike: choosing changes nothing.
    """
    if not index or source is NOTHING:
        return source
    over = machine.finished_loops
    live = {loop: span for loop, span in source.index.items() if loop not in over}
    if is_array or len(live) < len(source.index):
        live = narrowed(live, index)
    reads = frozenset(_refined_region(machine, region, index, is_array) for region in source.reads)
    if reads == source.reads and live == source.index:
        return source
    return source.changed(index=live, reads=reads)


def _refined_region(machine: Machine, region: Region, index: Index, is_array: bool) -> Region:
    over = machine.finished_loops
    live = tuple((loop, span) for loop, span in region.loops if loop not in over)
    if not is_array and len(live) == len(region.loops):
        return region
    return narrow_region(region.with_loops(live), index)


def overlaid(machine: Machine, element: Value, container: Source) -> Value:
    """A listed element as read through a container that was itself chosen by loops."""
    if not container.index:
        return element
    return picked(machine, element, container, {})


def picked(machine: Machine, element: Value, container: Source, index: Index) -> Value:
    """Any element, chosen by `index` from a container that was itself chosen by loops."""
    chosen = narrowed(container.index, index) if container.index else index
    if not chosen:
        return element
    if isinstance(element.ref, _CONTAINERS):
        own = element.source
        return element.with_source(own.changed(index=narrowed(own.index, chosen)))
    if isinstance(element.ref, Tensor) and not element.ref.is_state:
        source = refined(machine, machine.source_of(element), chosen, False)
        return Value(UNKNOWN, View(machine.heap.new_id(), element.ref), source)
    source = refined(machine, element.source, chosen, False)
    if source is element.source:
        return element
    return Value(element.const, element.ref, source, None)


def key_value(key: tuple[str, object]) -> Value:
    """A known key of a mapping as a value."""
    return Value(key[1])


def joined_elements(machine: Machine, elements: list[Value]) -> Value:
    """One value that stands for any of these."""
    if not elements:
        return ANYTHING
    joined = elements[0]
    for more in elements[1:JOINED_AT_MOST]:
        joined = machine.join(joined, more)
    return joined


def repeated(machine: Machine, element: Value, depth: int = 0) -> Value:
    """An element of a list that holds each of its elements more than once.

    What made the elements different is forgotten: two that are chosen by different passes may be the same.
    """
    ref = element.ref
    if isinstance(ref, Sequence) and ref.slots and depth < REPEATED_DEPTH:
        inner = [repeated(machine, one, depth + 1) for one in ref.elements]
        if ref.size is None:
            return machine.heap.summary(ref.kind, inner[0]).with_source(_any_pass(machine, element.source))
        return machine.heap.sequence(ref.kind, inner).with_source(_any_pass(machine, element.source))
    if isinstance(ref, Alternatives) and depth < REPEATED_DEPTH:
        options = tuple(repeated(machine, one, depth + 1) for one in ref.options)
        made = Alternatives(machine.heap.new_id(), options)
        return Value(element.const, made, _any_pass(machine, element.source))
    source = _any_pass(machine, element.source)
    return element if source is element.source else Value(element.const, ref, source)


def _any_pass(machine: Machine, source: Source) -> Source:
    over = machine.finished_loops
    index = {loop: span for loop, span in source.index.items() if loop not in over}
    reads = frozenset(
        one.with_loops(tuple((loop, span) for loop, span in one.loops if loop not in over))
        for one in source.reads
    )
    if len(index) == len(source.index) and reads == source.reads:
        return source
    return source.changed(index=index, reads=reads)


def element_at(machine: Machine, value: Value, at: int | None, index: Index | None = None) -> Value:
    """The element at a known place, or any."""
    ref = value.ref
    if isinstance(ref, Sequence):
        if at is not None and ref.size is not None and -ref.size <= at < ref.size:
            return overlaid(machine, ref.elements[at], value.source)
        return picked(machine, joined_elements(machine, ref.elements), value.source, index or {})
    if isinstance(ref, Zipped):
        parts = [element_at(machine, part, at, index) for part in ref.parts]
        return machine.heap.sequence("tuple", parts)
    if (
        isinstance(value.const, _TEXT_OR_TUPLE)
        and at is not None
        and -len(value.const) <= at < len(value.const)
    ):
        return Value(value.const[at], None, value.source)
    if isinstance(ref, Parameters):
        return value
    source = machine.source_of(value)
    if isinstance(ref, TENSORS) or ref is None:
        source = refined(machine, source, index or {}, True)
        base = ref.base if isinstance(ref, View) else ref
        if base is not None:
            return Value(UNKNOWN, View(machine.heap.new_id(), base), source)
        if index:
            source = source.changed(index=narrowed(source.index, index))
        return Value(source=source)
    return Value(source=machine.deep_source(value))
