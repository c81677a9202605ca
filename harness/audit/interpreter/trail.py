"""Writes to objects of the script, with a trail that lets branches be tried and merged."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import CONTENT, SUMMARY, Obj, Sequence, Tensor
from harness.audit.interpreter.values import ANYTHING, Value

if TYPE_CHECKING:
    from collections.abc import Hashable

    from harness.audit.events import Spot


class Heap:
    """Makes objects and writes their slots, keeping a trail while a branch is being tried."""

    def __init__(self) -> None:
        self.last_id = 0
        self.trail: list[tuple[tuple[Obj, Hashable], Value | None]] = []
        self.trials = 0  # branches being tried and flows not yet merged

    def new_id(self) -> int:
        """The next id of an object."""
        self.last_id += 1
        return self.last_id

    def put(self, obj: Obj, key: Hashable, value: Value) -> None:
        """Write a slot."""
        if self.trials:
            self.trail.append(((obj, key), obj.slots.get(key)))
        obj.slots[key] = value

    def drop(self, obj: Obj, key: Hashable) -> None:
        """Empty a slot."""
        if key in obj.slots:
            if self.trials:
                self.trail.append(((obj, key), obj.slots[key]))
            del obj.slots[key]

    def restore(self, obj: Obj, key: Hashable, value: Value | None) -> None:
        """Write a slot, or empty it for None."""
        if value is None:
            self.drop(obj, key)
        else:
            self.put(obj, key, value)

    def before(self, mark: int) -> dict[tuple[Obj, Hashable], Value | None]:
        """The slots written since the mark with what they held at the mark."""
        found: dict[tuple[Obj, Hashable], Value | None] = {}
        if mark < len(self.trail):
            for slot, old in itertools.islice(self.trail, mark, None):
                if slot not in found:
                    found[slot] = old
        return found

    def roll_back(self, mark: int) -> None:
        """Undo what was written since the mark."""
        while len(self.trail) > mark:
            (obj, key), old = self.trail.pop()
            if old is None:
                obj.slots.pop(key, None)
            else:
                obj.slots[key] = old

    def close_trial(self) -> None:
        """A trial ended; without any the trail is not needed."""
        self.trials -= 1
        if self.trials <= 0:
            self.trials = 0
            self.trail.clear()

    def sequence(self, kind: str, elements: list[Value]) -> Value:
        """A new list, tuple or set of these elements."""
        made = Sequence(self.new_id(), kind)
        for at, element in enumerate(elements):
            self.put(made, at, element)
        return Value(ref=made)

    def summary(self, kind: str, element: Value) -> Value:
        """A new list of unknown length of which any element is `element`."""
        made = Sequence(self.new_id(), kind)
        self.put(made, SUMMARY, element)
        return Value(ref=made)

    def tensor(self, content: Value = ANYTHING, made: Spot | None = None) -> Value:
        """A new tensor."""
        tensor = Tensor(self.new_id(), made)
        self.put(tensor, CONTENT, content)
        return Value(ref=tensor)
