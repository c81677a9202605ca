"""Networks whose forward pass changes them: running statistics, and buffers that keep what goes in.

What such a pass over validation leaves in the network is not followed: the verdict stays open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.audit.events import Unresolved
from harness.audit.interpreter.forward_writes import ForwardWrite, forward_writes
from harness.audit.interpreter.heap import CONTAINERS, Alternatives, Class, Function, Instance
from harness.audit.interpreter.switches import may_be_set_in_a_pass
from harness.audit.interpreter.values import FALSE, TRUE
from harness.audit.regions import Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.heap import Obj
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.values import Source

MODE = "<training>"  # slot of a part: whether it was put into training mode last
PARTS_AT_MOST = 3_000
_LOOKED_INTO: Final = (Instance, *CONTAINERS, Alternatives)
_WATCHED = frozenset({Split.VALIDATION, Split.UNKNOWN})
_Keeping = tuple[Instance, tuple[ForwardWrite, ...]]


def watch(machine: Machine, ref: Instance, given: list[Source], node: ast.AST) -> None:
    """Say so when validation goes through a network that keeps something of what goes through it."""
    if not any(region.split in _WATCHED for source in given for region in source.reads):
        return
    keeping = _keeping(machine, ref)
    moved = _set_in_methods(machine, keeping)
    for part, writes in keeping:
        trains = part.slots.get(MODE, TRUE).const is not False
        name = part.cls.name if part.cls is not None else part.library.rsplit(".", 1)[-1]
        if not writes and trains:
            machine.cannot_see("forward-state", f"running statistics of {name}", node, on_path=True)
        for write in writes:
            if write.in_training and not trains:
                continue
            if part.cls is not None and not _switched_off(part, write, moved):
                _say(machine, part.cls, write)


def _switched_off(part: Instance, write: ForwardWrite, moved: frozenset[str]) -> bool:
    """Whether an attribute that has to be true for the line to run is known to be false."""
    off = (part.slots.get(name) for name in write.switches if name not in moved)
    return any(value is not None and value.is_known and not value.const for value in off)


def _set_in_methods(machine: Machine, keeping: tuple[_Keeping, ...]) -> frozenset[str]:
    """Attributes that any method of the script sets, which a forward pass may call: no switches for it."""
    names = {name for _, writes in keeping for write in writes for name in write.switches}
    return may_be_set_in_a_pass(machine.program, names) if names else frozenset()


def _say(machine: Machine, cls: Class, write: ForwardWrite) -> None:
    at = machine.recorder.spot_at(cls.scope.file, write.line)
    detail = f"a forward pass of {cls.name} writes {write.what}"
    key = ("forward-state", f"{detail}:{at.file}:{at.line}")
    if key not in machine.unresolved:
        machine.unresolved.add(key)
        machine.recorder.record(Unresolved, at, reason=key[0], detail=detail[:200], on_path=True)


def set_mode(machine: Machine, ref: Instance, *, is_training: bool) -> None:
    """`train()` and `eval()` reach every part of a network."""
    for part, _ in _keeping(machine, ref):
        machine.heap.put(part, MODE, TRUE if is_training else FALSE)


def _keeping(machine: Machine, ref: Instance) -> tuple[_Keeping, ...]:
    """The parts of a network that keep something of what goes through them, and the lines that do."""
    version = machine.facts.get("structure", 0)
    memo: dict[int, tuple[int, tuple[_Keeping, ...]]] = machine.facts.setdefault("keeping", {})
    known = memo.get(ref.id)
    if known is not None and known[0] == version:
        return known[1]
    found: list[_Keeping] = []
    seen: set[int] = set()
    todo: list[Obj] = [ref]
    while todo and len(seen) < PARTS_AT_MOST:
        one = todo.pop()
        if one.id in seen:
            continue
        seen.add(one.id)
        if isinstance(one, Instance):
            if not one.is_module:
                continue
            writes = _writes(machine, one.cls) if one.cls is not None else ()
            if writes or (one.cls is None and _has_statistics(one.library)):
                found.append((one, writes))
        inner = list(one.options) if isinstance(one, Alternatives) else list(one.slots.values())
        todo.extend(value.ref for value in reversed(inner) if isinstance(value.ref, _LOOKED_INTO))
    result = tuple(found)
    memo[ref.id] = (version, result)
    return result


def _has_statistics(library: str) -> bool:
    return "BatchNorm" in library.rsplit(".", 1)[-1]


def _writes(machine: Machine, cls: Class) -> tuple[ForwardWrite, ...]:
    """What the forward pass of a class of the script writes."""
    kept: dict[int, tuple[ForwardWrite, ...]] = machine.facts.setdefault("forward writes", {})
    if cls.id not in kept:
        forward = _method(cls, "forward") or _method(cls, "__call__")
        kept[cls.id] = () if forward is None else forward_writes(forward, lambda name: _method(cls, name))
    return kept[cls.id]


def _method(cls: Class, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    todo = [cls]
    for _ in range(20):
        if not todo:
            return None
        one = todo.pop(0)
        found = one.slots.get(name)
        if found is not None:
            node = found.ref.node if isinstance(found.ref, Function) else None
            return None if node is None or not isinstance(node.body, list) else node
        todo.extend(base.ref for base in one.bases if isinstance(base.ref, Class))
    return None
