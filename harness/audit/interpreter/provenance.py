"""Where values came from, with all they contain and what had been learned in them by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import (
    CONTAINERS,
    CONTENT,
    LEARNED,
    Alternatives,
    Bound,
    Instance,
    Mapping,
    Method,
    Obj,
    Parameters,
    Range,
    Sequence,
    Slice,
    Stored,
    Tensor,
    Zipped,
)
from harness.audit.interpreter.network_parts import learned_in, root_of
from harness.audit.interpreter.values import ANYTHING, NOTHING, Source, Value, computed_from
from harness.audit.regions import Split

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine

DEPTH_OF_CONTENTS = 6
CONTENTS_AT_MOST = 300


def source_of(machine: Machine, value: Value) -> Source:
    """Where a value came from, with the present content of a tensor and the learning of a parameter."""
    ref = value.ref
    kind = type(ref)
    if kind is not Tensor and kind is not Parameters:
        return _of_part(machine, ref, value.source) if isinstance(ref, Method) else value.source
    if isinstance(ref, Tensor):
        content = ref.slots.get(CONTENT, ANYTHING).source
        if not ref.is_state:
            return content if value.source is NOTHING else computed_from((value.source, content))
        held = ref.slots.get(LEARNED, ANYTHING).source
        states = Source(states=frozenset({root_of(ref).id}))
        return computed_from((value.source, content.changed(reads=frozenset()), held, states))
    if isinstance(ref, Parameters):
        states = Source(states=frozenset({root_of(ref.network).id}))
        return computed_from((value.source, learned_in(machine, ref.network), states))
    return value.source


def _of_part(machine: Machine, ref: Method, own: Source) -> Source:
    """What looks like a method may be a part of its receiver (`.values`, `.solution`), with its tokens."""
    held = source_of(machine, ref.receiver)
    return held if any(one.split is Split.VALIDATION for one in held.reads) else own


def deep_source(machine: Machine, value: Value) -> Source:
    """Where a value and all it contains came from."""
    if value.ref is None:
        return value.source
    if type(value.ref) not in _HOLD_MORE:
        return source_of(machine, value)
    sources: list[Source] = []
    seen: set[int] = set()
    todo: list[tuple[Value, int]] = [(value, 0)]
    while todo and len(seen) < CONTENTS_AT_MOST:
        one, depth = todo.pop()
        sources.append(source_of(machine, one))
        ref = one.ref
        if ref is None or ref.id in seen or depth > DEPTH_OF_CONTENTS:
            continue
        seen.add(ref.id)
        if isinstance(ref, Instance) and (ref.is_module or ref.library):
            if ref.is_module:
                machine.states.setdefault(root_of(ref).id, root_of(ref))
                states = Source(states=frozenset({root_of(ref).id}))
                sources.append(computed_from((learned_in(machine, ref), states)))
            continue
        todo.extend((inner, depth + 1) for inner in contents(machine, ref))
    return computed_from(sources)


_HOLD_MORE = frozenset(
    {Sequence, Mapping, Instance, Alternatives, Bound, Method, Zipped, Range, Slice, Stored}
)  # what `contents` looks into


def contents(machine: Machine, ref: Obj) -> list[Value]:
    """The values directly inside an object."""
    if isinstance(ref, CONTAINERS):
        return list(ref.slots.values())
    if isinstance(ref, Instance):
        return list(ref.slots.values())[:60]
    if isinstance(ref, Alternatives):
        return list(ref.options)
    if isinstance(ref, Bound):
        return [ref.callee, *ref.args, *ref.kwargs.values()]
    if isinstance(ref, Method):
        return [ref.receiver]
    if isinstance(ref, Zipped):
        return list(ref.parts)
    if isinstance(ref, Range):
        return [ref.start, ref.stop, ref.step]
    if isinstance(ref, Slice):
        return [part for part in (ref.start, ref.stop, ref.step) if part is not None]
    if isinstance(ref, Stored):
        held = machine.disk.slots.get(ref.path) if ref.path else ref.slots.get(CONTENT)
        return [held] if held is not None else []
    return []
