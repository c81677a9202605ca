"""Branches whose condition is not known: both arms are walked from the same state and merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter import merging
from harness.audit.interpreter.flows import Flow, Raised, Waiting, rebase, written_since
from harness.audit.interpreter.values import ANYTHING, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.interpreter.flows import Delta
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.values import Value


def decide(
    machine: Machine,
    condition: Value,
    yes: Callable[[], Flow | None],
    no: Callable[[], Flow | None],
) -> Flow | None:
    """Walk the arm that is taken, or both."""
    if condition.const is not UNKNOWN:
        return yes() if condition.const else no()
    return _both(machine, condition, yes, no)


def _both(
    machine: Machine, condition: Value, yes: Callable[[], Flow | None], no: Callable[[], Flow | None]
) -> Flow | None:
    heap = machine.heap
    heap.trials += 1
    mark = len(heap.trail)
    machine.conditions.append(condition)
    try:
        one = _arm(yes)
        first = written_since(heap, mark)
        rebase(heap, machine.waiting, mark)
        heap.roll_back(mark)
        other = _arm(no)
        second = written_since(heap, mark)
    finally:
        machine.conditions.pop()
    result = _settle(machine, condition, mark, (one, first), (other, second))
    heap.close_trial()
    return result


def _arm(work: Callable[[], Flow | None]) -> Flow | None:
    try:
        return work()
    except Raised as raised:
        return raised.flow


def _settle(
    machine: Machine,
    condition: Value,
    mark: int,
    one: tuple[Flow | None, Delta],
    other: tuple[Flow | None, Delta],
) -> Flow | None:
    """Go on with the arms that reach the end; those that leave wait where they arrive."""
    heap = machine.heap
    if one[0] is None and other[0] is None:
        merging.merge(machine, one[1], mark, condition)
        return None
    if one[0] is None:
        wait(machine, other[0], mark, other[1])
        rebase(heap, machine.waiting, mark)
        heap.roll_back(mark)
        for (obj, key), value in one[1].items():
            heap.restore(obj, key, value)
        return None
    if other[0] is None:
        wait(machine, one[0], mark, one[1])
        return None
    if one[0].kind == other[0].kind != "raise":
        merging.merge(machine, one[1], mark, condition)
        if one[0].kind != "return":
            return one[0]
        return Flow("return", merging.join_of(machine, one[0].value, other[0].value, condition))
    if other[0].kind == "raise" and arrival(machine, other[0]) is None:
        rebase(heap, machine.waiting, mark)
        heap.roll_back(mark)
        for (obj, key), value in one[1].items():
            heap.restore(obj, key, value)
        return one[0]
    wait(machine, one[0], mark, one[1])
    return other[0]


def arrival(machine: Machine, flow: Flow) -> object | None:
    """What a flow that leaves early arrives at; None when an error is caught nowhere."""
    if flow.kind == "return":
        return machine.frame
    if flow.kind == "raise":
        return machine.tries[-1] if machine.tries else None
    return machine.loops[-1] if len(machine.loops) > machine.frame.first_loop else machine.frame


def wait(machine: Machine, flow: Flow | None, mark: int, delta: Delta) -> None:
    """Keep a flow until the walk comes to where it arrives. An error caught nowhere ends there."""
    if flow is None:
        return
    target = arrival(machine, flow)
    if target is not None:
        machine.heap.trials += 1
        machine.waiting.append(Waiting(flow, target, mark, delta))


def arrived(machine: Machine, target: object, kind: str) -> list[Waiting]:
    """Take the flows of this kind that wait at the target."""
    found = [one for one in machine.waiting if one.target is target and one.flow.kind == kind]
    if found:
        machine.waiting = [one for one in machine.waiting if one not in found]
    return found


def merge_arrived(machine: Machine, found: list[Waiting]) -> None:
    """Merge flows that arrived into the present state."""
    for one in reversed(found):
        merging.merge(machine, one.delta, one.mark, None)
        machine.heap.close_trial()


def become(machine: Machine, one: Waiting) -> None:
    """Take over the state of a flow in place of the present one."""
    heap = machine.heap
    before = heap.before(one.mark)
    for (obj, key), old in before.items():
        if (obj, key) not in one.delta:
            heap.restore(obj, key, old)
    for (obj, key), value in one.delta.items():
        heap.restore(obj, key, value)
    heap.close_trial()


def optional(machine: Machine, work: Callable[[], Flow | None]) -> Flow | None:
    """Walk something that may or may not happen."""
    return _both(machine, ANYTHING, work, lambda: None)
