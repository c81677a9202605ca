"""Merging what two branches left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.audit.events import Score, Selected, Unresolved
from harness.audit.interpreter.heap import (
    CONTAINERS,
    CONTENT,
    TENSORS,
    Alternatives,
    Instance,
    Sequence,
    Tensor,
    Text,
)
from harness.audit.interpreter.positions import depend_on_both
from harness.audit.interpreter.values import (
    ANYTHING,
    COMPARED,
    NONE,
    UNKNOWN,
    Source,
    Value,
    one_of,
)
from harness.audit.regions import Split

if TYPE_CHECKING:
    from harness.audit.interpreter.flows import Delta
    from harness.audit.interpreter.heap import Obj
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.positions import Line
    from harness.audit.interpreter.trail import Heap

OPTIONS_AT_MOST = 4
_TEXTS: Final = (Text, type(None))
_ARRAYS: Final = (*TENSORS, type(None))


def join(heap: Heap, one: Value, other: Value) -> Value:
    """A value that is one or the other."""
    if one is other:
        return one
    source = one_of(one.source, other.source)
    if one.ref is other.ref:
        same = _same_const(one, other)
        if one.ref is None and same:
            line = one.line if one.line == other.line else None
            return Value(one.const, None, source, line)
        line = _joined_line(one, other)
        return Value(one.const if same else UNKNOWN, one.ref, source, line)
    return _join_refs(heap, one, other, source)


def _same_const(one: Value, other: Value) -> bool:
    if one.const is UNKNOWN or other.const is UNKNOWN:
        return one.const is other.const
    return type(one.const) is type(other.const) and bool(one.const == other.const)


def _joined_line(one: Value, other: Value) -> Line | None:
    if one.line is not None and other.line is not None and one.line == other.line:
        return one.line
    if one.line is not None and one.line.slopes and (other.line is None or not other.line.slopes):
        return one.line.vague()
    if other.line is not None and other.line.slopes and (one.line is None or not one.line.slopes):
        return other.line.vague()
    return None


def _join_refs(heap: Heap, one: Value, other: Value, source: Source) -> Value:
    if isinstance(one.ref, _TEXTS) and isinstance(other.ref, _TEXTS):
        text = one.ref or other.ref
        return Value(UNKNOWN, text, source)
    if isinstance(one.ref, _ARRAYS) and isinstance(other.ref, _ARRAYS):
        return _join_tensors(heap, one, other, source)
    options: list[Value] = []
    for side in (one, other):
        for option in side.ref.options if isinstance(side.ref, Alternatives) else (side,):
            if not any(
                option is kept or (option.ref is not None and option.ref is kept.ref) for kept in options
            ):
                options.append(option)
    if len(options) == 1:
        return options[0].with_source(source)
    return Value(UNKNOWN, Alternatives(heap.new_id(), tuple(options[:OPTIONS_AT_MOST])), source)


def _join_tensors(heap: Heap, one: Value, other: Value, source: Source) -> Value:
    for side, against in ((one, other), (other, one)):
        # None, or a number, or nothing yet, and a tensor: keep what can be followed.
        if against.ref is None and isinstance(side.ref, Tensor):
            if against.const is None:
                return Value(UNKNOWN, Alternatives(heap.new_id(), (side, NONE)), source)
            return Value(UNKNOWN, side.ref, source)
    tensors = [side.ref for side in (one, other) if isinstance(side.ref, Tensor)]
    if any(tensor.is_state for tensor in tensors):
        return Value(UNKNOWN, Alternatives(heap.new_id(), (one, other)), source)
    contents = [tensor.slots.get(CONTENT, ANYTHING) for tensor in tensors]
    if not contents:
        return Value(UNKNOWN, one.ref or other.ref, source)
    content = contents[0]
    for more in contents[1:]:
        content = join(heap, content, more)
    return heap.tensor(content).with_source(source)


def join_of(machine: Machine, one: Value | None, other: Value | None, condition: Value | None) -> Value:
    """The value after a branch, where either arm may have left it unset."""
    if one is None or other is None:
        return one or other or ANYTHING
    if one is other:
        return one
    joined = _join_containers(machine, one, other) or join(machine.heap, one, other)
    if condition is None:
        return joined
    tested = machine.source_of(condition)
    if tested.index and joined.source.index is not None:
        index = depend_on_both(joined.source.index, tested.index)
        if index != joined.source.index:
            joined = joined.with_source(joined.source.changed(index=index))
    return _selected(machine, joined, tested)


def _join_containers(machine: Machine, one: Value, other: Value) -> Value | None:
    """Two short tuples of one length are joined element by element."""
    if not (isinstance(one.ref, Sequence) and isinstance(other.ref, Sequence)) or one.ref is other.ref:
        return None
    if one.ref.kind != "tuple" or other.ref.kind != "tuple":
        return None
    if one.ref.size is None or one.ref.size != other.ref.size or one.ref.size > 12:
        return None
    pairs = zip(one.ref.elements, other.ref.elements, strict=True)
    made = machine.heap.sequence("tuple", [join_of(machine, a, b, None) for a, b in pairs])
    return made.with_source(one_of(one.source, other.source))


def _selected(machine: Machine, joined: Value, tested: Source) -> Value:
    """Record that a comparison of scores decided which score, or which weights, go on."""
    if COMPARED not in tested.labels:
        if tested.scores and _are_networks(joined) and _is_of_validation(machine, tested):
            what = "losses of validation tokens decide which of several networks goes on"
            machine.recorder.record(
                Unresolved, machine.here, reason="network-chosen-by-loss", detail=what, on_path=True
            )
        return joined
    own = machine.source_of(joined)
    if not own.scores and not own.learned:
        return joined
    event = machine.recorder.record(
        Selected,
        machine.here,
        score=machine.recorder.last_id + 1,
        scores=tuple(sorted(own.scores | tested.scores)),
        by="loss" if own.scores else "validation-metric",
    )
    return joined.with_source(joined.source.changed(scores=own.scores | {event.id}))


def _are_networks(value: Value) -> bool:
    """Whether the value is one of several networks."""
    ref = value.ref
    if not isinstance(ref, Alternatives):
        return False
    return sum(isinstance(one.ref, Instance) and one.ref.is_module for one in ref.options) > 1


def _is_of_validation(machine: Machine, source: Source) -> bool:
    """Whether a score of validation tokens is inside."""
    return any(
        event.id in source.scores
        for event in machine.recorder.events
        if isinstance(event, Score) and event.region.split is Split.VALIDATION
    )


def merge(machine: Machine, delta: Delta, mark: int, condition: Value | None) -> None:
    """Merge a state, given as what it had written since the mark, into the present one."""
    heap = machine.heap
    before = heap.before(mark)
    for slot, past in {**before, **delta}.items():
        obj, key = slot
        present = obj.slots.get(key)
        if present is past:
            continue
        if (past is None or present is None) and isinstance(obj, CONTAINERS):
            _merge_element(machine, obj, key, past or present)
            continue
        heap.put(obj, key, join_of(machine, past, present, condition))


def _merge_element(machine: Machine, obj: Obj, key: object, value: Value | None) -> None:
    """A slot that only one side has: an element that may be there."""
    if value is not None:
        machine.heap.put(obj, key, value)
