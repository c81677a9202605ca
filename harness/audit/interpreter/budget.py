"""How much work a walk may do, and the signal that it is over. Counted in nodes: the same on any machine."""

from __future__ import annotations

CALL_DEPTH = 40
EXPRESSION_DEPTH = 120
ELEMENTS_AT_MOST = 400  # of a list that is written down, of arguments


class OutOfBudget(Exception):  # noqa: N818 - it ends a walk, it is not an error
    """The walk used up its nodes."""


class Budget:
    """Counts syntax nodes."""

    def __init__(self, nodes: int) -> None:
        self.limit = nodes
        self.used = 0
        self.expressions = 0  # nesting of the expression being evaluated
        self.calls = 0  # nesting of inlined calls

    def spend(self) -> None:
        """Count one node; raises `OutOfBudget` when there is none left."""
        self.used += 1
        if self.used > self.limit:
            self.end()

    def end(self) -> None:
        """The walk is over."""
        raise OutOfBudget(f"more than {self.limit:,} syntax nodes")
