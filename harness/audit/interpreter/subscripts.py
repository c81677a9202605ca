"""Reads and writes elements: which iterations a subscript chooses, and what that finds or changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.audit.interpreter.choosing import joined_elements, overlaid, picked, refined
from harness.audit.interpreter.heap import (
    CONTENT,
    KEYS,
    SUMMARY,
    TENSORS,
    Alternatives,
    Function,
    Instance,
    Mapping,
    Method,
    Parameters,
    Sequence,
    Slice,
    Tensor,
    View,
)
from harness.audit.interpreter.positions import Index, Line, constant_line, narrowed, slice_index
from harness.audit.interpreter.values import (
    ANYTHING,
    DRAWN,
    HEAD_MASK,
    NONE,
    TAIL_MASK,
    UNKNOWN,
    Source,
    Value,
    computed_from,
    one_of,
)
from harness.audit.regions import Cut, Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

KERNEL = "<kernel>"  # `kernel[grid]`: a function that writes into its arguments
_KEYS: Final = (str, int, float, bytes, type(None))
_BOUNDS: Final = (int, type(None))
_LISTED: Final = (str, bytes, tuple)


def position(value: Value | None) -> tuple[Index, Line | None] | None:
    """A bound of a slice as iterations it depends on; None for a constant."""
    if value is None:
        return None
    line = value.line
    if line is None and value.is_number and not isinstance(value.const, bool):
        line = constant_line(value.const)
    if not value.source.index and (line is None or not line.slopes):
        return None
    return value.source.index, line


def key_index(machine: Machine, key: Value) -> tuple[Index, bool]:
    """The iterations a subscript chooses, and whether that is exact."""
    ref = key.ref
    if isinstance(ref, Slice):
        return slice_index(position(ref.start), position(ref.stop))
    if isinstance(ref, Sequence) and ref.kind == "tuple":
        total: Index = {}
        is_exact = True
        for part in ref.elements[:8]:
            index, exact = key_index(machine, part)
            total = narrowed(total, index) if total else index
            is_exact = is_exact and exact
        return total, is_exact
    if key.line is not None and key.line.slopes:
        index = {}
        for loop, span in key.source.index.items():
            ahead = key.line.cells(loop, False)
            by = ahead[0] if ahead is not None else 0
            low, high = span
            index[loop] = (None if low is None else low + by, None if high is None else high + by)
        return index, True
    return machine.deep_source(key).index if ref is not None else key.source.index, True


def load(machine: Machine, owner: Value, key: Value, node: ast.AST) -> Value:
    """`owner[key]`."""
    found = machine.registry.subscript(machine, owner, key, node)
    if found is not None:
        return found
    ref = owner.ref
    if isinstance(ref, Function):
        return Value(ref=Method(machine.heap.new_id(), owner, KERNEL))
    if isinstance(ref, Sequence):
        return machine.registry.taken(machine, _from_sequence(machine, owner, ref, key))
    if isinstance(ref, Mapping):
        return machine.registry.taken(machine, _from_mapping(machine, owner, ref, key, node))
    if isinstance(ref, Alternatives):
        options = [option for option in ref.options if option.const is not None]
        return joined_elements(machine, [load(machine, one, key, node) for one in options])
    if isinstance(ref, Instance) and ref.cls is None and f"<{key.const}>" in ref.slots:
        return ref.slots[f"<{key.const}>"]  # a layer of a container of a library
    if isinstance(ref, Instance) and ref.cls is not None:
        method = machine.attribute(owner, "__getitem__", node)
        if method.ref is not None and type(method.ref).__name__ == "Bound":
            return machine.call(method, [key], {}, node)
    if owner.is_known and owner.const is not None:
        found = _from_constant(owner, key)
        if found is not None:
            return found
    result = _from_array(machine, owner, key)
    return machine.registry.subscripted(machine, owner, key, result, node)


def _from_constant(owner: Value, key: Value) -> Value | None:
    const = owner.const
    if not isinstance(const, _LISTED):
        return None
    at: object = key.const
    if isinstance(key.ref, Slice):
        parts = [NONE if part is None else part for part in (key.ref.start, key.ref.stop, key.ref.step)]
        if any(not isinstance(part.const, _BOUNDS) for part in parts):
            return Value(source=owner.source)
        at = slice(*(part.const for part in parts))
    if not isinstance(at, int | slice):
        return None
    try:
        return Value(const[at], None, owner.source)
    except (IndexError, ValueError):
        return None


def _from_sequence(machine: Machine, owner: Value, ref: Sequence, key: Value) -> Value:
    if isinstance(key.ref, Slice):
        return _slice_of_sequence(machine, owner, ref, key.ref, key)
    if isinstance(key.const, int) and ref.size is not None and -ref.size <= key.const < ref.size:
        at = key.const if key.const >= 0 else key.const + ref.size
        return overlaid(machine, ref.slots[at], owner.source)
    return picked(machine, joined_elements(machine, ref.elements), owner.source, key_index(machine, key)[0])


def _slice_of_sequence(machine: Machine, owner: Value, ref: Sequence, part: Slice, key: Value) -> Value:
    bounds = [bound if bound is not None else NONE for bound in (part.start, part.stop, part.step)]
    index, _ = key_index(machine, key)
    if ref.size is not None and all(isinstance(bound.const, _BOUNDS) for bound in bounds) and not index:
        try:
            cut = ref.elements[slice(*(bound.const for bound in bounds))]
        except ValueError:
            cut = ref.elements
        return machine.heap.sequence(ref.kind, cut).with_source(owner.source)
    if not ref.slots:
        return owner
    made = machine.heap.summary(ref.kind, joined_elements(machine, ref.elements))
    return made.with_source(owner.source.changed(index=narrowed(owner.source.index, index)))


def _from_mapping(machine: Machine, owner: Value, ref: Mapping, key: Value, node: ast.AST) -> Value:
    slot = ("key", key.const) if _is_key(key) else None
    if slot is not None and slot in ref.slots:
        return overlaid(machine, ref.slots[slot], owner.source)
    elements = [value for own, value in ref.slots.items() if own != KEYS]
    if slot is not None and SUMMARY in ref.slots:
        elements = [ref.slots[SUMMARY]]
    if ref.default is not None and (slot is not None or not elements):
        fresh = machine.call(ref.default, [], {}, node)
        store(machine, owner, key, fresh, node)
        return fresh
    return picked(machine, joined_elements(machine, elements), owner.source, key_index(machine, key)[0])


def _is_key(key: Value) -> bool:
    return key.is_known and isinstance(key.const, _KEYS)


def _from_array(machine: Machine, owner: Value, key: Value) -> Value:
    base = machine.source_of(owner)
    if isinstance(owner.ref, Parameters):
        return owner
    index, is_exact = key_index(machine, key)
    source = refined(machine, base, index, True)
    if index and not source.reads:
        source = source.changed(index=narrowed(source.index, index))
    chooser = machine.deep_source(key)
    if source.reads and not (is_exact and DRAWN not in chooser.labels):
        reads = frozenset(one.widened() for one in source.reads)
        source = source.changed(reads=reads)
    source = _cut(machine, source, key)
    if not base.reads and chooser.reads:
        source = computed_from([source, chooser.changed(index={})])
    elif chooser.labels or chooser.learned or chooser.scores:
        added = chooser.changed(index={}, reads=frozenset())
        source = computed_from([source, added])
    tensor = owner.ref.base if isinstance(owner.ref, View) else owner.ref
    ref = View(machine.heap.new_id(), tensor) if isinstance(tensor, Tensor) else None
    return Value(UNKNOWN, ref, source)


def _cut(machine: Machine, source: Source, key: Value) -> Source:
    """Validation tokens with the borders of the slice that took them, where no loop moves the borders."""
    if not any(one.split is Split.VALIDATION for one in source.reads):
        return source
    parts = key.ref.elements[:4] if isinstance(key.ref, Sequence) and key.ref.kind == "tuple" else [key]
    cuts = set()
    for slicing in (part.ref for part in parts if isinstance(part.ref, Slice)):
        for bound, is_before in ((slicing.stop, True), (slicing.start, False)):
            border = None if bound is None else _border(machine, bound)
            if border is not None:
                cuts.add(Cut(border, is_before))
    if not cuts:
        return source
    return source.changed(reads=frozenset(one.cut_at(frozenset(cuts)) for one in source.reads))


def _border(machine: Machine, bound: Value) -> str | None:
    """The name of a border: a number, or one and the same unknown value of this walk.

    Inputs and targets are one token apart, so that the borders 1 and -1 are of every window.
    """
    if isinstance(bound.const, int) and not isinstance(bound.const, bool):
        return str(bound.const) if abs(bound.const) > 1 else None
    if bound.is_known or bound.line is not None:
        return None
    names: dict[int, str] = machine.facts.setdefault("borders", {})
    return names.setdefault(bound.symbol, f"border {len(names) + 1}")


def store(
    machine: Machine, owner: Value, key: Value, value: Value, node: ast.AST, is_update: bool = False
) -> None:
    """`owner[key] = value`."""
    if machine.registry.store_element(machine, owner, key, value, node, is_update):
        return
    ref = owner.ref
    heap = machine.heap
    if machine.registry.is_parameter(owner):
        written = computed_from((machine.deep_source(value), machine.deep_source(key)))
        machine.registry.write_in_place(machine, owner, Value(source=written), "element", node)
    elif isinstance(ref, Sequence):
        if isinstance(key.const, int) and ref.size is not None and -ref.size <= key.const < ref.size:
            heap.put(ref, key.const if key.const >= 0 else key.const + ref.size, value)
            return
        if isinstance(key.ref, Slice) and isinstance(value.ref, Sequence):
            value = joined_elements(machine, value.ref.elements)
        for slot in list(ref.slots):
            heap.put(ref, slot, machine.join(ref.slots[slot], value))
        if not ref.slots:
            heap.put(ref, SUMMARY, value)
    elif isinstance(ref, Mapping):
        _store_in_mapping(machine, ref, key, value)
    elif isinstance(ref, Alternatives):
        for option in ref.options:
            if option.ref is not None:
                store(machine, option, key, value, node, is_update)
    elif isinstance(ref, TENSORS):
        _store_in_tensor(machine, ref, key, value)
    elif isinstance(ref, Instance) and ref.cls is not None:
        method = machine.attribute(owner, "__setitem__", node)
        if method.ref is not None and type(method.ref).__name__ == "Bound":
            machine.call(method, [key, value], {}, node)


def _marks(key: Value, value: Value) -> tuple[str, ...]:
    """What ones written into a slice make of a mask: it chooses the head of a window, or the rest."""
    if not value.is_number or not value.const:
        return ()
    parts = key.ref.elements[:4] if isinstance(key.ref, Sequence) and key.ref.kind == "tuple" else [key]
    slices = [part.ref for part in parts if isinstance(part.ref, Slice)]
    cut = [one for one in slices if one.start is not None or one.stop is not None]
    if not cut:
        return ()
    start = cut[-1].start
    return (HEAD_MASK if start is None or start.const in {None, 0} else TAIL_MASK,)


def _store_in_mapping(machine: Machine, ref: Mapping, key: Value, value: Value) -> None:
    heap = machine.heap
    if _is_key(key) and not (key.source.index and not isinstance(key.const, str)):
        heap.put(ref, ("key", key.const), value)
        return
    now = ref.slots.get(SUMMARY)
    heap.put(ref, SUMMARY, value if now is None else machine.join(now, value))
    keys = ref.slots.get(KEYS)
    heap.put(ref, KEYS, key if keys is None else machine.join(keys, key))


def _store_in_tensor(machine: Machine, ref: Tensor | View, key: Value, value: Value) -> None:
    base = ref.base if isinstance(ref, View) else ref
    if not isinstance(base, Tensor):
        return
    now = base.slots.get(CONTENT, ANYTHING)
    new = machine.deep_source(value).labelled(*_marks(key, value))
    if (
        isinstance(key.ref, Slice)
        and key.ref.start is None
        and key.ref.stop is None
        and isinstance(ref, Tensor)
    ):
        machine.heap.put(base, CONTENT, Value(source=new))
        return
    machine.heap.put(base, CONTENT, Value(source=one_of(now.source, new)))
