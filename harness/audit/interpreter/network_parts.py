"""Networks and their parts: which object a part belongs to, what in it learns, and what it has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.audit.interpreter.heap import (
    CONTAINERS,
    LEARNED,
    Alternatives,
    Instance,
    Mapping,
    Obj,
    Sequence,
    Tensor,
)
from harness.audit.interpreter.values import NOTHING, Source, Value, computed_from

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine

PARTS_AT_MOST = 3_000
ADOPTED_AT_MOST = 300
_WITH_SLOTS: Final = (Instance, *CONTAINERS)
_PARTS: Final = (Instance, *CONTAINERS, Alternatives, Tensor)


def root_of(obj: Obj) -> Obj:
    """The network an object is a part of; itself when of none."""
    for _ in range(60):
        owner = getattr(obj, "owner", None)
        if owner is None or owner is obj:
            return obj
        obj = owner
    return obj


def holders(machine: Machine, obj: Obj) -> tuple[Obj, ...]:
    """The parts of a network that learn: its parameters, and library layers."""
    if isinstance(obj, Tensor):
        return (obj,)
    version = machine.facts.get("structure", 0)
    memo: dict[int, tuple[int, tuple[Obj, ...]]] = machine.facts.setdefault("holders", {})
    known = memo.get(obj.id)
    if known is not None and known[0] == version:
        return known[1]
    found: list[Obj] = []
    seen: set[int] = set()
    todo: list[Obj] = [obj]
    while todo and len(seen) < PARTS_AT_MOST:
        one = todo.pop()
        if one.id in seen:
            continue
        seen.add(one.id)
        if isinstance(one, Tensor):
            if one.is_state:
                found.append(one)
            continue
        if isinstance(one, Instance) and (not one.is_module and one is not obj):
            continue
        if isinstance(one, Instance) and one.library:
            found.append(one)
        inner: list[Value] = list(one.slots.values()) if isinstance(one, _WITH_SLOTS) else []
        if isinstance(one, Alternatives):
            inner = list(one.options)
        todo.extend(value.ref for value in reversed(inner) if isinstance(value.ref, _PARTS))
    if not found:
        found.append(obj)
    result = tuple(found)
    memo[obj.id] = (version, result)
    return result


def learned_in(machine: Machine, obj: Obj) -> Source:
    """The updates inside a network or parameter, as a source."""
    source = NOTHING
    for holder in holders(machine, obj):
        value = holder.slots.get(LEARNED)
        if value is not None and value.source is not source:
            source = computed_from((source, value.source))
    return source


def adopt(machine: Machine, owner: Instance, value: Value, depth: int = 0) -> None:
    """Parts assigned to a network belong to it."""
    ref = value.ref
    if ref is None or ref is owner or depth > 4:
        return
    if isinstance(ref, Instance) and ref.is_module:
        if ref.owner is None and root_of(owner) is not ref:
            ref.owner = owner
    elif isinstance(ref, Tensor) and ref.is_state:
        if ref.owner is None:
            ref.owner = owner
    elif isinstance(ref, Sequence | Mapping | Alternatives):
        for inner in inner_values(ref)[:ADOPTED_AT_MOST]:
            adopt(machine, owner, inner, depth + 1)


def inner_values(ref: Sequence | Mapping | Alternatives) -> list[Value]:
    """The elements of a container, or what an object may be."""
    return list(ref.options) if isinstance(ref, Alternatives) else list(ref.slots.values())
