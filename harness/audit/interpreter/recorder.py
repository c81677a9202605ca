"""Collects events with where they happened: line, calls that led there, loop passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from harness.audit.events import Event, Spot

if TYPE_CHECKING:
    import ast

EVENTS_AT_MOST = 20_000
CALLS_KEPT = 24

_E = TypeVar("_E", bound=Event)


class Recorder:
    """The events so far and the place the walk is at."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.calls: list[Spot] = []
        self.loops: list[tuple[int, int]] = []
        self.last_id = 0
        self.is_full = False
        self._spots: dict[tuple[str, int], Spot] = {}

    def spot(self, file: str, node: ast.AST) -> Spot:
        """The line of the node."""
        return self.spot_at(file, getattr(node, "lineno", 0))

    def spot_at(self, file: str, line: int) -> Spot:
        """The spot of a line; the same object each time."""
        found = self._spots.get((file, line))
        if found is None:
            found = self._spots[file, line] = Spot(file=file, line=line)
        return found

    def reached(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The lines walked, by file."""
        lines: dict[str, list[int]] = {}
        for file, line in self._spots:
            lines.setdefault(file, []).append(line)
        return tuple((file, tuple(sorted(found))) for file, found in sorted(lines.items()))

    def record(self, event_type: type[_E], at: Spot, /, **parts: Any) -> _E:
        """Append an event of this kind that happens here."""
        self.last_id += 1
        event = event_type(
            id=self.last_id, at=at, calls=tuple(self.calls[-CALLS_KEPT:]), loops=tuple(self.loops), **parts
        )
        if len(self.events) < EVENTS_AT_MOST:
            self.events.append(event)
        else:
            self.is_full = True
        return event
