"""Training data that is read after the training loop was left, and the cap on the clock of that loop.

A read is a method call on an object that loads training files, or a call that is given their paths. The cap
is whatever number the training loop compares with, as an expression for the rules to compute: a reserve
that is subtracted from it leaves time for calibration.
"""

from __future__ import annotations

import ast
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any

from harness.audit.scans.call_order import CLOCKS, CallOrder, OrderedCall, call_order
from harness.audit.scans.data_sources import TRAIN, TRAIN_LOADER, data_roles
from harness.audit.scans.scope_nodes import called_name
from harness.audit.scans.setting_expressions import Expression, Settings, settings_of
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from harness.audit.scans.name_roles import Roles
    from harness.audit.scans.scanned_program import ProgramIndex
    from harness.audit.scans.scope_nodes import Scope

_READS_AT_MOST = 6
_CAPS_AT_MOST = 12
_OF_THE_LOADER = frozenset(
    {"state_dict", "load_state_dict", "close", "shutdown"}
)  # where it stands, no tokens
_ROUNDS = 4  # from a name that a clock went into to the next


def scan_training_reads(index: ProgramIndex) -> dict[str, Any]:
    """`training_loop` (its line, or None), `caps` (with `minus`), and `reads` after it."""
    order = call_order(index)
    if order.training is None:
        return {"training_loop": None, "caps": [], "reads": []}
    settings = settings_of(index)
    roles = data_roles(index)
    reads: list[dict[str, Any]] = []
    seen: set[tuple[str, int]] = set()
    depth = _depth_of_training(order)
    for call in order.after_training():
        if len(reads) >= _READS_AT_MOST or order.training in call.loops:
            continue
        if not _reads_training(call, roles):
            continue
        outer = call.stack[depth] if len(call.stack) > depth else call.node
        file = call.file if outer is call.node else _file_at(order, depth)
        if (file, outer.lineno) in seen:
            continue
        seen.add((file, outer.lineno))
        reads.append(
            {
                "file": file,
                "line": outer.lineno,
                "read_file": call.file,
                "read_line": call.node.lineno,
                "opens": _opens(call, index),
                "tests": [settings.condition(test, outcome, scope) for test, outcome, scope in call.tests],
            }
        )
    return {
        "training_loop": {"file": _file_at(order, depth), "line": order.training.lineno},
        "caps": _caps(order, settings),
        "reads": reads,
        "is_cut": order.is_cut,
    }


def _depth_of_training(order: CallOrder) -> int:
    """How deep in calls the training loop itself lies."""
    depths = [
        len(call.stack)
        for call in order.calls[order.starts or 0 : (order.stops or 0) + 1]
        if call.loops and call.loops[-1] is order.training
    ]
    return min(depths, default=0)


def _file_at(order: CallOrder, depth: int) -> str:
    for call in order.calls[order.starts or 0 :]:
        if len(call.stack) == depth:
            return call.file
    return order.index.entry


def _reads_training(call: OrderedCall, roles: Roles) -> bool:
    function = call.node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        if function.attr in _OF_THE_LOADER:
            return False
        # An attribute of `self` may belong to a loader of other files: the loader's own call tells.
        return roles.of(function.value, call.scope) == TRAIN_LOADER
    given = [roles.of(argument, call.scope) for argument in call.node.args[:8]]
    return TRAIN in given and called_name(call.node) in {"load", "fromfile", "memmap", "open"}


def _opens(call: OrderedCall, index: ProgramIndex) -> bool:
    return isinstance(call.node.func, ast.Name) and call.node.func.id in index.by_owner


def _caps(order: CallOrder, settings: Settings) -> list[dict[str, Any]]:
    """Every number of settings that the training loop compares its clock with."""
    training = order.training
    caps: list[dict[str, Any]] = []
    scope = next((c.scope for c in order.calls if c.loops and c.loops[-1] is training), None)
    if training is None or scope is None:
        return []
    clocks = _Clocks(scope, order.index)
    assigned: dict[str, list[ast.expr]] = {}
    for assign in order.index.own.of(scope, ast.Assign):
        for name in {one.id: None for one in assign.targets if isinstance(one, ast.Name)}:
            assigned.setdefault(name, []).append(assign.value)
    compared = [one for one in nodes_below(training) if isinstance(one, ast.Compare)]
    for node in compared:
        if not isinstance(node.ops[0], ast.GtE | ast.Gt | ast.Lt | ast.LtE):
            continue
        for side, other in ((node.left, node.comparators[0]), (node.comparators[0], node.left)):
            if not clocks.are_read(other) or clocks.are_read(side):
                continue
            if len(caps) >= _CAPS_AT_MOST:
                return caps
            values = _values(side, scope, settings, assigned)
            if values:
                caps.append(
                    {
                        "line": node.lineno,
                        "is": values,
                        "minus": _subtracted(side, scope, settings, order.index),
                    }
                )
    return caps


class _Clocks:
    """Where a scope reads a clock, itself or by a name that one went into, through other names too."""

    def __init__(self, scope: Scope, index: ProgramIndex) -> None:
        self._order = index.order
        self._names: dict[str, list[int]] = {}
        for name in index.own.of(scope, ast.Name):
            self._names.setdefault(name.id, []).append(index.order.places[id(name)])
        self._places = [
            index.order.places[id(call)]
            for call in index.own.of(scope, ast.Call)
            if called_name(call) in CLOCKS
        ]
        timed: set[str] = set()
        for _ in range(_ROUNDS):
            before = len(timed)
            for node in index.own.of(scope, ast.Assign, ast.AugAssign):
                if not self.are_read(node.value):
                    continue
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    fresh = {one.id for one in nodes_below(target) if isinstance(one, ast.Name)} - timed
                    timed |= fresh
                    for place in (place for name in fresh for place in self._names.get(name, ())):
                        insort(self._places, place)
            if len(timed) == before:
                break

    def are_read(self, node: ast.expr) -> bool:
        """Whether a clock went into an expression of the scope."""
        stretch = self._order.stretch(node)
        following = bisect_left(self._places, stretch.start)
        return following < len(self._places) and self._places[following] < stretch.stop


def _values(
    side: ast.expr, scope: Scope, settings: Settings, assigned: dict[str, list[ast.expr]]
) -> list[Expression]:
    found: list[Expression] = []
    candidates: list[ast.expr] = [side]
    if isinstance(side, ast.Name):
        candidates += assigned.get(side.id, ())
    for candidate in candidates[:6]:
        expression = settings.expression(candidate, scope)
        if expression is not None and "const" not in expression and _reads_setting(expression):
            found.append(expression)
    return found


def _subtracted(side: ast.expr, scope: Scope, settings: Settings, index: ProgramIndex) -> list[Expression]:
    if not isinstance(side, ast.Name):
        return []
    return [
        settings.expression(node.value, scope)
        for node in index.own.of(scope, ast.AugAssign)
        if isinstance(node.op, ast.Sub) and isinstance(node.target, ast.Name) and node.target.id == side.id
    ][:4]


def _reads_setting(expression: Expression) -> bool:
    if expression is None:
        return False
    if "attribute" in expression or "env" in expression:
        return True
    return any(_reads_setting(one) for one in expression.get("of", ()))
