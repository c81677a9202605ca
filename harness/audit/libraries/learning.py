"""How parameters learn: gradients, steps, resets, statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Reset, StateKind, Update
from harness.audit.interpreter.heap import (
    GRAD,
    LEARNED,
    Alternatives,
    Instance,
    Mapping,
    Obj,
    Parameters,
    Sequence,
    Tensor,
    View,
)
from harness.audit.interpreter.network_parts import holders, learned_in, root_of
from harness.audit.interpreter.values import (
    ANYTHING,
    GRADIENT,
    HEAD_MASK,
    NOTHING,
    TAIL_MASK,
    Source,
    Value,
    computed_from,
    few_regions,
)
from harness.audit.regions import Cut, Region, Split

if TYPE_CHECKING:
    import ast

    from harness.audit.events import Spot
    from harness.audit.interpreter.machine import Machine


_BEFORE_A_MASK = frozenset({Cut("the end of a mask", True)})  # each mask ends elsewhere: no one's opposite


def regions_of(machine: Machine, source: Source) -> list[Region]:
    """The regions of a source, loops that are over left out, in a fixed order."""
    over = machine.finished_loops
    found: set[Region] = set()
    for region in source.reads:
        live = tuple((loop, span) for loop, span in region.loops if loop not in over)
        found.add(region.with_loops(live))
    return sorted(
        few_regions(frozenset(found)),
        key=lambda one: (one.split.value, str(one.loops), sorted(one.cuts), one.is_exact),
    )


def is_parameter(value: Value) -> bool:
    """Whether the value is something that learns."""
    ref = value.ref.base if isinstance(value.ref, View) else value.ref
    return isinstance(ref, Parameters) or (isinstance(ref, Tensor) and ref.is_state)


def learner(value: Value) -> Obj | None:
    """What learns when the value is written: a network, or a tensor of its own."""
    ref = value.ref.base if isinstance(value.ref, View) else value.ref
    if isinstance(ref, Parameters):
        return ref.network
    return ref if isinstance(ref, Tensor) else None


def learners_in(machine: Machine, value: Value) -> list[Obj]:
    """All that learns inside a value: a network, a list of parameters, parameter groups."""
    found: dict[int, Obj] = {}
    shared: dict[int, Obj] = machine.facts.get("shared", {})
    seen: set[int] = set()
    todo = [value]
    while todo and len(seen) < 400:
        one = todo.pop()
        ref = one.ref
        if ref is None or ref.id in seen:
            continue
        seen.add(ref.id)
        if isinstance(ref, Parameters):
            found[ref.network.id] = ref.network
        elif isinstance(ref, Tensor):
            if ref.is_state:
                one_learner = shared.get(ref.id, ref)
                found[one_learner.id] = one_learner
        elif isinstance(ref, View) and isinstance(ref.base, Tensor) and ref.base.is_state:
            one_learner = shared.get(ref.base.id, ref.base)
            found[one_learner.id] = one_learner
        elif isinstance(ref, Sequence | Mapping):
            todo.extend(reversed(list(ref.slots.values())))
        elif isinstance(ref, Alternatives):
            todo.extend(reversed(ref.options))
        elif isinstance(ref, Instance) and ref.is_module:
            found[ref.id] = ref
    return list(found.values())


def backward(machine: Machine, loss: Source, spot: Spot) -> None:
    """The gradient of a loss goes to every state it was computed from."""
    reads = loss.reads
    if HEAD_MASK in loss.labels and TAIL_MASK not in loss.labels:
        reads = frozenset(one.cut_at(_BEFORE_A_MASK) for one in reads)
    taken = Value(source=loss.changed(forward=spot, index={}, reads=reads, labels=frozenset({GRADIENT})))
    for ident in sorted(loss.states):
        root = machine.states.get(ident)
        if root is None:
            continue
        now = root.slots.get(GRAD)
        stale = now is None or now.const == "used"
        machine.heap.put(
            root, GRAD, taken if stale or now is None else Value(source=_more(now.source, taken.source))
        )


def _more(one: Source, other: Source) -> Source:
    both = computed_from((one, other))
    return both.changed(forward=other.forward)


def pending(obj: Obj) -> Source:
    """What the last backward passes read."""
    value = root_of(obj).slots.get(GRAD)
    return NOTHING if value is None else value.source


def gradients_used(machine: Machine, obj: Obj) -> None:
    """A step used the gradient, or it was cleared: the next backward pass begins anew."""
    root = root_of(obj)
    value = root.slots.get(GRAD)
    if value is not None and value.const != "used":
        machine.heap.put(root, GRAD, Value("used", None, value.source))


def update(
    machine: Machine,
    obj: Obj,
    source: Source,
    how: str,
    node: ast.AST,
    kind: StateKind | None = None,
    name: str = "",
) -> frozenset[int]:
    """Record that `obj` learned from what `source` read; the ids of the events."""
    regions = regions_of(machine, source) or [Region(split=Split.UNKNOWN)]
    root = root_of(obj)
    machine.states.setdefault(root.id, root)
    made = [
        machine.recorder.record(
            Update,
            machine.spot(node),
            state=root.id,
            kind=kind or kind_of(obj),
            name=name or name_of(root),
            region=region,
            how=how,
            backward=source.forward,
            reads=tuple(sorted(source.shards)),
        ).id
        for region in regions
    ]
    return frozenset(made)


def kind_of(obj: Obj) -> StateKind:
    """What kind of state an object is."""
    if isinstance(obj, Tensor):
        return StateKind.DELTA if obj.owner is None else StateKind.WEIGHTS
    return StateKind.WEIGHTS


def name_of(obj: Obj) -> str:
    """A name for the reader."""
    if isinstance(obj, Instance):
        return obj.cls.name if obj.cls is not None else obj.library
    return "tensor"


def learn(machine: Machine, obj: Obj, ids: frozenset[int], more: Source = NOTHING) -> None:
    """Put updates into all parts of a network, or into a tensor."""
    added = Source(learned=ids | more.learned)
    memo: dict[int, Source] = {}
    for holder in holders(machine, obj):
        now = holder.slots.get(LEARNED, ANYTHING).source
        new = memo.get(id(now))
        if new is None:
            new = memo[id(now)] = computed_from((now, added))
        machine.heap.put(holder, LEARNED, Value(source=new))


def replace(machine: Machine, obj: Obj, source: Source, node: ast.AST) -> None:
    """Parts of a network take other content: what they had learned is forgotten."""
    old = learned_in(machine, obj).learned
    fresh = Value(source=Source(learned=source.learned | statistics(machine, obj, source, node)))
    for holder in holders(machine, obj):
        machine.heap.put(holder, LEARNED, fresh)
    forgotten = old - source.learned
    if forgotten:
        root = root_of(obj)
        machine.recorder.record(Reset, machine.spot(node), state=root.id, forgets=tuple(sorted(forgotten)))


def statistics(machine: Machine, obj: Obj, source: Source, node: ast.AST) -> frozenset[int]:
    """Record that weights were computed from tokens without a gradient: a quantiser's calibration."""
    if not source.reads or GRADIENT in source.labels:
        return frozenset()
    return update(machine, obj, source, "calibration", node, StateKind.STATISTICS)
