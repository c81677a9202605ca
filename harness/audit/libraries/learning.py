"""How parameters learn: gradients, in-place writes, functional updates, resets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import Reset, StateKind, Update
from harness.audit.interpreter.heap import (
    CONTENT,
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
from harness.audit.interpreter.objects import holders, learned_in, root_of
from harness.audit.interpreter.values import (
    ANYTHING,
    GRADIENT,
    NOTHING,
    Source,
    Value,
    computed_from,
    few_regions,
    one_of,
)
from harness.audit.regions import Region, Split

if TYPE_CHECKING:
    import ast

    from harness.audit.events import Spot
    from harness.audit.interpreter.machine import Machine

# Methods after which a parameter is as if nothing had been learned.
FRESH = frozenset(
    {"zero_", "normal_", "uniform_", "kaiming_uniform_", "xavier_uniform_", "trunc_normal_", "orthogonal_"}
)
_PRODUCT_AT_MOST = 4


def regions_of(machine: Machine, source: Source) -> list[Region]:
    """The regions of a source, loops that are over left out, in a fixed order."""
    over = machine.finished_loops
    found: set[Region] = set()
    for region in source.reads:
        live = tuple((loop, span) for loop, span in region.loops if loop not in over)
        found.add(Region(split=region.split, loops=live, is_exact=region.is_exact))
    return sorted(few_regions(frozenset(found)), key=lambda one: (one.split.value, str(one.loops)))


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
    taken = Value(source=loss.changed(forward=spot, index={}, labels=frozenset({GRADIENT})))
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


def write_in_place(machine: Machine, target: Value, operand: Value, how: str, node: ast.AST) -> None:
    """`target.how_(operand)` or `target op= operand`."""
    ref = target.ref.base if isinstance(target.ref, View) else target.ref
    source = machine.deep_source(operand)
    if is_parameter(target):
        _write_parameter(machine, target, source, how, node)
        return
    if not isinstance(ref, Tensor):
        return
    now = ref.slots.get(CONTENT, ANYTHING)
    is_whole = isinstance(target.ref, Tensor)
    if is_whole and (how in FRESH or how in {"fill_", "copy_"}):
        machine.heap.put(
            ref, CONTENT, Value(operand.const if how == "fill_" else ANYTHING.const, None, source)
        )
        return
    combined = computed_from((now.source, source)) if is_whole else one_of(now.source, source)
    if source.scores:
        from harness.audit.libraries import losses

        losses.accumulate(machine, ref.id, source, node)
    machine.heap.put(ref, CONTENT, Value(source=combined))


def _write_parameter(machine: Machine, target: Value, source: Source, how: str, node: ast.AST) -> None:
    obj = learner(target)
    if obj is None:
        return
    if GRADIENT in source.labels:
        ids = update(machine, obj, source, f"in place: {how}", node)
        learn(machine, obj, ids)
        return
    if how in FRESH and isinstance(target.ref, Tensor | Parameters):
        replace(machine, _factor(machine, obj), NOTHING, node)
    elif how == "copy_" and isinstance(target.ref, Tensor | Parameters):
        if source.learned or isinstance(obj, Tensor | Instance):
            replace(machine, obj, source, node)
    elif source.learned or source.reads:
        learn(machine, obj, statistics(machine, obj, source, node), source)


def _factor(machine: Machine, obj: Obj) -> Obj:
    """The small layer a parameter is a factor of: with one factor zero the product is as before learning."""
    owner = getattr(obj, "owner", None)
    if isinstance(obj, Tensor) and isinstance(owner, Instance):
        own = [
            value for value in owner.slots.values() if isinstance(value.ref, Tensor) and value.ref.is_state
        ]
        nested = [value for value in owner.slots.values() if isinstance(value.ref, Instance | Sequence)]
        if 2 <= len(own) <= _PRODUCT_AT_MOST and not nested:
            return owner
    return obj


def write_tensor_attribute(machine: Machine, value: Value, name: str, to: Value, node: ast.AST) -> None:
    """`p.data = x` and `p.grad = x`."""
    obj = learner(value)
    if obj is None:
        return
    if name == "grad":
        source = machine.deep_source(to)
        if to.const is None or not source.reads:
            gradients_used(machine, obj)
        else:
            root = root_of(obj)
            machine.states.setdefault(root.id, root)
            machine.heap.put(root, GRAD, Value(source=source.labelled(GRADIENT)))
        return
    if is_parameter(value):
        source = machine.deep_source(to)
        memory = to.ref.base if isinstance(to.ref, View) else to.ref
        if isinstance(memory, Tensor):
            # The parameter is a view of a flat buffer from now on: a step of the buffer is its step.
            machine.facts.setdefault("shared", {}).setdefault(memory.id, obj)
        if GRADIENT in source.labels:
            ids = source.learned - learned_in(machine, obj).learned
            made = ids or update(machine, obj, source, "in place: data", node)
            learn(machine, obj, made)
        else:
            replace(machine, obj, source, node)
    elif isinstance(obj, Tensor):
        machine.heap.put(obj, CONTENT, Value(source=machine.deep_source(to)))


def functional_update(machine: Machine, left: Value, right: Value, result: Value, node: ast.AST) -> Value:
    """`w - lr * g`: new weights that have learned, without any being written."""
    for weights, step in ((left, right), (right, left)):
        given = machine.source_of(step)
        if GRADIENT not in given.labels:
            continue
        own = machine.source_of(weights)
        if GRADIENT in own.labels or not (own.states or is_parameter(weights)) or own.reads:
            continue
        obj = learner(weights)
        if obj is None:
            obj = machine.states.get(min(own.states)) if own.states else None
        if obj is None:
            continue
        ids = update(machine, obj, given, "functional", node)
        source = own.changed(
            learned=own.learned | ids, states=own.states | given.states, labels=own.labels - {GRADIENT}
        )
        return Value(source=source)
    return result
