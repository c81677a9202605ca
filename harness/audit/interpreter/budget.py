"""How much work a walk may do, and the signal that it is over."""

from __future__ import annotations

import time

CALL_DEPTH = 40
EXPRESSION_DEPTH = 120
_CLOCK_EVERY = 4_096


class OutOfBudget(Exception):  # noqa: N818 - it ends a walk, it is not an error
    """The walk used up its nodes or its time."""


class Budget:
    """Counts syntax nodes; looks at the clock now and then."""

    def __init__(self, nodes: int, seconds: float) -> None:
        self.limit = nodes
        self.used = 0
        self._deadline = time.monotonic() + seconds
        self.expressions = 0  # nesting of the expression being evaluated
        self.calls = 0  # nesting of inlined calls

    def spend(self) -> None:
        """Count one node; raises `OutOfBudget` when there is none left."""
        self.used += 1
        if self.used > self.limit:
            raise OutOfBudget(f"more than {self.limit:,} syntax nodes")
        if self.used % _CLOCK_EVERY == 0 and time.monotonic() > self._deadline:
            raise OutOfBudget("out of time")
