"""The tests on the way to a print: what must have been decided for a line to be in the log."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.profiles.statement_outline import FUNCTIONS, LOOPS
from harness.audit.syntax_walk import children

if TYPE_CHECKING:
    from harness.audit.profiles.statement_outline import Outline, Placed

_DEEPEST = 60  # functions upward through their only callers
_JUMPS = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_EXITS = {"exit", "_exit", "quit"}
_WHOLE_PROGRAM = 5  # statements behind a branch that leaves the function


@dataclass(frozen=True, slots=True)
class Passed:
    """An `if` that was decided this way at least once. `once`: it is decided once per run.

    `hides`: taking the arm for certain hides what may have run, too, such as the other arm in a loop.
    """

    node: ast.If
    file: str
    arm: bool
    once: bool
    hides: bool

    @property
    def key(self) -> tuple[int, bool]:
        """The test and its arm."""
        return id(self.node), self.arm


def tests_on_the_way(placed: Placed, outline: Outline) -> dict[tuple[int, bool], Passed]:
    """Every arm that was certainly taken when the statement ran, through only callers upward."""
    found: dict[tuple[int, bool], Passed] = {}
    place: Placed | None = placed
    for _ in range(_DEEPEST):
        if place is None:
            break
        function = place.function()
        is_single = _runs_once(function, outline)
        way = list(place.way_up())
        for at, one in enumerate(way):
            if isinstance(one.node, ast.ExceptHandler):
                return found
            once = is_single and not any(isinstance(outer.node, LOOPS) for outer in way[at + 1 :])
            passed = [_exit_passed(test, one.file) for test in _exits_before(one)] if once else []
            if one.outer is not None and isinstance(one.outer.node, ast.If):
                once = is_single and not any(isinstance(outer.node, LOOPS) for outer in way[at + 2 :])
                passed.append(_passed(one.outer, one.outer.node, one.part == "body", once=once))
            for each in passed:
                found.setdefault(each.key, each)
        if function is None:
            break
        place = outline.only_call(function)
    return found


def _exit_passed(test: ast.If, file: str) -> Passed:
    return Passed(test, file, arm=False, once=True, hides=False)


def _passed(placed: Placed, test: ast.If, arm: bool, *, once: bool) -> Passed:
    taken, other = (test.body, test.orelse) if arm else (test.orelse, test.body)
    if not once:
        hides = bool(other) or any(jumps(statement) for statement in taken)
        return Passed(test, placed.file, arm, once=False, hides=hides)
    # A branch that ends the function hides all that follows; a line that both ways of running print
    # (a script with a separate evaluation) must not hide the training.
    ends = bool(taken) and leaves(taken[-1]) and _statements_after(placed) >= _WHOLE_PROGRAM
    hides = ends or (placed.function() is None and bool(other))
    return Passed(test, placed.file, arm, once=True, hides=hides)


def _runs_once(function: Placed | None, outline: Outline) -> bool:
    """True for code that runs at most once per process: its only call, and so on, stands in no loop."""
    for _ in range(_DEEPEST):
        if function is None:
            return True
        call = outline.only_call(function)
        if call is None or any(isinstance(one.node, LOOPS) for one in call.way_up()):
            return False
        function = call.function()
    return False


def _statements_after(placed: Placed) -> int:
    block = placed.block
    return next((len(block) - at - 1 for at, one in enumerate(block) if one is placed.node), 0)


def _exits_before(placed: Placed) -> list[ast.If]:
    """`if ...: return` before a statement in its block: it was reached, so they were not taken."""
    found = []
    for one in placed.block:
        if one is placed.node:
            break
        if isinstance(one, ast.If) and not one.orelse and leaves(one.body[-1]):
            found.append(one)
    return found


def leaves(statement: ast.stmt) -> bool:
    """True for a statement that ends the function: return, raise, exit()."""
    if isinstance(statement, ast.Return | ast.Raise):
        return True
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return name in _EXITS
    return False


def jumps(statement: ast.stmt) -> bool:
    """True when the statement may leave the block it stands in (functions inside it aside)."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, _JUMPS) or (isinstance(node, ast.stmt) and leaves(node)):
            return True
        if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            pending += children(node)
    return False
