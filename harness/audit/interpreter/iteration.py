"""What iterating over a value yields in a given pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.audit.interpreter.choosing import element_at, key_value, overlaid, picked
from harness.audit.interpreter.heap import (
    KEYS,
    SUMMARY,
    Alternatives,
    Class,
    Function,
    Instance,
    Mapping,
    Range,
    Sequence,
    Zipped,
)
from harness.audit.interpreter.positions import ONE, Line, constant_line
from harness.audit.interpreter.values import ANYTHING, UNKNOWN, Source, Value, computed_from

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.machine_frame import LoopFrame
    from harness.audit.interpreter.positions import Index

WALK_ALL_UP_TO = 4
WALK_OBJECTS_UP_TO = 8


def trips(value: Value) -> int | None:
    """How often a loop over the value runs; None when unknown."""
    ref = value.ref
    if isinstance(ref, Range):
        start, stop, step = ref.start.const, ref.stop.const, ref.step.const
        if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int) and step:
            return max(0, math.ceil((stop - start) / step))
        return None
    if isinstance(ref, Sequence):
        return ref.size
    if isinstance(ref, Mapping):
        return None if SUMMARY in ref.slots or KEYS in ref.slots else len(ref.slots)
    if isinstance(ref, Zipped):
        known = [count for count in (trips(part) for part in ref.parts) if count is not None]
        return min(known, default=None)
    if isinstance(value.const, tuple | str | bytes):
        return len(value.const)
    return None


def passes(value: Value) -> int:
    """How many passes to walk: two, fewer for short loops, all for a few different objects."""
    count = trips(value)
    if count is None:
        return 2
    if count <= 2:
        return count
    if count <= WALK_OBJECTS_UP_TO and _is_of_objects(value):
        return count
    return count if count <= WALK_ALL_UP_TO and _is_listed(value) else 2


def _is_listed(value: Value) -> bool:
    ref = value.ref
    if isinstance(ref, Zipped):
        return any(_is_listed(part) for part in ref.parts)
    return isinstance(ref, Sequence | Mapping) or isinstance(value.const, tuple)


def _is_of_objects(value: Value) -> bool:
    ref = value.ref
    if isinstance(ref, Zipped):
        return any(_is_of_objects(part) for part in ref.parts)
    if not isinstance(ref, Sequence | Mapping):
        return False
    return any(_holds_object(element) for element in ref.slots.values())


def _holds_object(value: Value) -> bool:
    if isinstance(value.ref, Function | Instance | Class):
        return True
    return isinstance(value.ref, Sequence) and any(
        isinstance(element.ref, Function | Instance | Class) for element in value.ref.elements
    )


def element(machine: Machine, value: Value, loop: LoopFrame, walked: int) -> Value:
    """The element of pass `loop.number`; the last of `walked` passes stands for all that follow."""
    number = loop.number
    index: Index = {loop.id: (number, number)}
    ref = value.ref
    if isinstance(ref, Range):
        return _in_range(machine, ref, value, loop)
    if isinstance(ref, Zipped):
        parts = [element(machine, part, loop, walked) for part in ref.parts]
        return machine.heap.sequence("tuple", parts).with_source(Source(index=value.source.index))
    if isinstance(ref, Sequence) and ref.size is not None:
        if not ref.slots:
            return ANYTHING
        if number < walked - 1 or ref.size == walked:
            return overlaid(machine, ref.elements[min(number, ref.size - 1)], value.source)
        rest = ref.elements[number:] or ref.elements[-1:]
        if not rest:
            return ANYTHING
        joined = rest[0]
        for more in rest[1:40]:
            joined = machine.join(joined, more)
        return picked(machine, joined, value.source, index)
    if isinstance(ref, Mapping):
        return _key(machine, ref, value, loop, walked)
    if isinstance(ref, Sequence):
        return picked(machine, ref.slots[SUMMARY], value.source, index)
    if isinstance(ref, Alternatives):
        options = [option for option in ref.options if option.const is not None]
        joined = ANYTHING
        for at, option in enumerate(options):
            one = element(machine, option.with_source(value.source), loop, walked)
            joined = one if not at else machine.join(joined, one)
        return joined
    if isinstance(value.const, tuple | str | bytes) and value.const:
        if number < walked - 1 or len(value.const) == walked:
            return Value(value.const[min(number, len(value.const) - 1)], None, value.source)
        return Value(UNKNOWN, None, value.source)
    found = machine.registry.iterated(machine, value, index)
    return found if found is not None else element_at(machine, value, None, index)


def _key(machine: Machine, ref: Mapping, value: Value, loop: LoopFrame, walked: int) -> Value:
    keys = [key for key in ref.slots if isinstance(key, tuple)]
    number = loop.number
    if keys and (number < walked - 1 or len(keys) == walked) and number < len(keys):
        return key_value(keys[number])
    known = ref.slots.get(KEYS, ANYTHING)
    return picked(machine, known, value.source, {loop.id: (number, number)})


def _in_range(machine: Machine, ref: Range, value: Value, loop: LoopFrame) -> Value:
    number = loop.number
    start, step = ref.start.const, ref.step.const
    const: object = UNKNOWN
    if isinstance(start, int) and isinstance(step, int) and (number == 0 or loop.trips == number + 1 <= 2):
        const = start + number * step
    if isinstance(step, int):
        line = Line({(loop.id, ONE): step}, {})
    else:
        line = Line({(loop.id, ref.step.symbol): 1}, {})
    if ref.start.line is not None:
        line = line.plus(ref.start.line)
    elif isinstance(start, int):
        line = line.plus(constant_line(start))
    else:
        line = line.vague()
    own = Source(index={loop.id: (number, number)})
    source = computed_from(
        [own, ref.start.source.changed(reads=frozenset()), Source(index=value.source.index)]
    )
    return Value(const, None, source, line)
