"""How a block of statements ends early, and flows that wait to be merged where they arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from harness.audit.interpreter.heap import Obj
    from harness.audit.interpreter.trail import Heap
    from harness.audit.interpreter.values import Value


@dataclass(frozen=True, slots=True)
class Flow:
    """`kind` is break, continue, return or raise; `value` what is returned, `name` what is raised."""

    kind: str
    value: Value | None = None
    name: str = ""


class Raised(Exception):  # noqa: N818 - carries an error of the script, is none of ours
    """An error of the script that certainly leaves a function."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow.name)
        self.flow = flow


BREAK = Flow("break")
CONTINUE = Flow("continue")

Delta = dict[tuple["Obj", "Hashable"], "Value | None"]


@dataclass(slots=True, eq=False)
class Waiting:
    """A branch that left early: how, where it arrives, and what it had written since `mark`."""

    flow: Flow
    target: object
    mark: int
    delta: Delta


def written_since(heap: Heap, mark: int) -> Delta:
    """What was written since the mark, as it is now."""
    return {slot: slot[0].slots.get(slot[1]) for slot in heap.before(mark)}


def rebase(heap: Heap, waiting: list[Waiting], mark: int) -> None:
    """Tell flows that left after `mark` what had been written between it and their own mark.

    Must run before the heap is rolled back to `mark`.
    """
    for one in waiting:
        if one.mark <= mark:
            continue
        later = heap.before(one.mark)
        between: Delta = {}
        for slot, _ in heap.trail[mark : one.mark]:
            between[slot] = later[slot] if slot in later else slot[0].slots.get(slot[1])
        between.update(one.delta)
        one.delta = between
        one.mark = mark
