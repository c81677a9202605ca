"""Walks loops: two passes stand for all, and what the first changed is widened before the second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.audit.events import LoopEntered
from harness.audit.interpreter import assignments, branches, generators, iteration
from harness.audit.interpreter.flows import Flow, Raised, Waiting, written_since
from harness.audit.interpreter.heap import SUMMARY, Scope, Sequence
from harness.audit.interpreter.machine_frame import LoopFrame
from harness.audit.interpreter.positions import ONE, Line
from harness.audit.interpreter.values import UNKNOWN, Value

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine

DEPTH_OF_TWO_PASSES = 7
_FLAGS: Final = (bool, type(None))
_NO_COUNTERS: Final = (str, *_FLAGS)


def run_for(machine: Machine, node: ast.For | ast.AsyncFor) -> Flow | None:
    """`for target in iterable`."""
    iterable = machine.evaluate(node.iter)
    made = generators.inside(iterable)
    if made is not None:
        return generators.run_for(machine, node, iterable, made)
    walked = iteration.passes(iterable)
    flow: Flow | None = None
    if walked:
        loop = enter(machine, iteration.trips(iterable))
        flow = walk(
            machine,
            node,
            loop,
            _shallow(machine, walked),
            lambda number: _bind(machine, node, iterable, loop, walked),
        )
    if node.orelse and flow is None:
        return machine.run(node.orelse)
    return None if flow is not None and flow.kind == "break" else flow


def _shallow(machine: Machine, walked: int) -> int:
    """Layers of a network and deeply nested loops are walked once."""
    is_deep = len(machine.loops) > DEPTH_OF_TWO_PASSES or bool(machine.facts.get("networks"))
    return min(walked, 1) if is_deep else walked


def _bind(
    machine: Machine, node: ast.For | ast.AsyncFor, iterable: Value, loop: LoopFrame, walked: int
) -> bool:
    assignments.assign(machine, node.target, iteration.element(machine, iterable, loop, walked))
    return True


def run_while(machine: Machine, node: ast.While) -> Flow | None:
    """`while condition`."""
    loop = enter(machine, None)

    def starts(_number: int) -> bool:
        return assignments.truth(machine, machine.evaluate(node.test)).const is not False

    flow = walk(machine, node, loop, _shallow(machine, 2), starts)
    if node.orelse and flow is None:
        return machine.run(node.orelse)
    return None if flow is not None and flow.kind == "break" else flow


def enter(machine: Machine, trips: int | None) -> LoopFrame:
    """A new instance of a loop."""
    machine.last_loop += 1
    return LoopFrame(id=machine.last_loop, trips=trips)


def walk(
    machine: Machine,
    node: ast.For | ast.AsyncFor | ast.While,
    loop: LoopFrame,
    walked: int,
    starts: Callable[[int], bool],
) -> Flow | None:
    """Walk the passes; a flow that leaves the loop for good, or None."""
    heap = machine.heap
    machine.recorder.record(LoopEntered, machine.spot(node), loop=loop.id, trips=loop.trips)
    heap.trials += 1
    mark = len(heap.trail)
    newest = heap.last_id
    counters = machine.program.facts(machine.frame.file).counters.get(id(node), ())
    machine.loops.append(loop)
    machine.recorder.loops.append((loop.id, 0))
    flow: Flow | None = None
    try:
        for number in range(walked):
            loop.number = number
            machine.recorder.loops[-1] = (loop.id, number)
            if number and not _is_exact(loop, walked):
                _widen(machine, mark, newest)
            mark_counters(machine, counters, loop)
            try:
                if not starts(number):
                    break
                flow = _one_pass(machine, node, loop)
            except Raised as raised:
                flow = raised.flow
            if flow is not None:
                break
    finally:
        machine.loops.pop()
        machine.recorder.loops.pop()
        machine.finished_loops.add(loop.id)
    broken = branches.arrived(machine, loop, "break")
    if flow is not None and flow.kind != "break" and broken:
        branches.wait(machine, flow, broken[0].mark, written_since(heap, broken[0].mark))
        branches.become(machine, broken.pop(0))
        flow = None
    branches.merge_arrived(machine, broken)
    if not _is_exact(loop, walked):
        _summarise(machine, mark, newest)
    heap.close_trial()
    return flow


def _is_exact(loop: LoopFrame, walked: int) -> bool:
    return loop.trips is not None and loop.trips <= walked


def _one_pass(machine: Machine, node: ast.For | ast.AsyncFor | ast.While, loop: LoopFrame) -> Flow | None:
    """Walk the body once; the flow that ends the loop, or None to go on."""
    flow = machine.run(node.body)
    resumed = branches.arrived(machine, loop, "continue")
    if flow is None or flow.kind == "continue":
        branches.merge_arrived(machine, resumed)
        return None
    if not resumed:
        return flow
    first = resumed.pop(0)
    heap = machine.heap
    leaving = Waiting(flow, loop, first.mark, written_since(heap, first.mark))
    if flow.kind != "break":
        target = branches.arrival(machine, flow)
        leaving.target = target
    if leaving.target is not None:
        heap.trials += 1
        machine.waiting.append(leaving)
    branches.become(machine, first)
    branches.merge_arrived(machine, resumed)
    return None


def mark_counters(machine: Machine, names: tuple[str, ...], loop: LoopFrame) -> None:
    """A counter's value belongs to this pass."""
    scope = machine.frame.scope
    for name in names:
        value = scope.slots.get(name)
        if value is None or value.ref is not None or isinstance(value.const, _NO_COUNTERS):
            continue
        if value.source.scores or value.source.reads:
            continue
        index = {**value.source.index, loop.id: (loop.number, loop.number)}
        index = {own: span for own, span in index.items() if own not in machine.finished_loops}
        line = Line({(loop.id, Value().symbol): 1}, {ONE: 0})
        if value.line is not None and value.line.slopes and loop.number == 0:
            line = value.line.plus(line)
        machine.heap.put(scope, name, Value(value.const, None, value.source.changed(index=index), line))


def _widen(machine: Machine, mark: int, newest: int) -> None:
    """Forget numbers and texts the pass changed: they differ in each."""
    heap = machine.heap
    for (obj, key), old in heap.before(mark).items():
        now = obj.slots.get(key)
        if now is None or old is None or now.const is UNKNOWN or isinstance(now.const, _FLAGS):
            continue
        if old.const is UNKNOWN or (type(old.const) is type(now.const) and old.const == now.const):
            continue
        if isinstance(old.const, _FLAGS) and isinstance(obj, Scope):
            continue
        heap.put(obj, key, Value(UNKNOWN, now.ref, now.source, now.line))
    _summarise(machine, mark, newest)


def _summarise(machine: Machine, mark: int, newest: int) -> None:
    """A list that grew has an unknown number of elements, all like those seen."""
    heap = machine.heap
    grown: dict[int, Sequence] = {}
    for (obj, _), old in heap.before(mark).items():
        if isinstance(obj, Sequence) and old is None and obj.id <= newest and obj.kind != "tuple":
            grown[obj.id] = obj
    for obj in grown.values():
        if obj.size is None or not obj.slots:
            continue
        summarise(machine, obj)


def summarise(machine: Machine, obj: Sequence) -> None:
    """Replace the elements by one that stands for all."""
    elements = obj.elements
    joined = elements[0]
    for more in elements[1:]:
        joined = machine.join(joined, more)
    for key in list(obj.slots):
        machine.heap.drop(obj, key)
    machine.heap.put(obj, SUMMARY, joined)
