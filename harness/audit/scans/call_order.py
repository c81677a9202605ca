"""In which order a program makes its calls, and where its training loop begins and ends.

The entry script is followed statement by statement, going into every function of the program that is called
by name. The training loop is the first loop that takes gradients and reads a clock: warm-up loops read none,
and adaptation at evaluation comes later. Conditions are kept with each call, for the rules to compute.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from harness.audit.scans.scope_nodes import FunctionNode, Scope, called_name, is_main_guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.scans.scanned_program import ProgramIndex

CALLS_AT_MOST = 30_000
DEPTH_AT_MOST = 24
VISITS_AT_MOST = 4  # of one function: what it calls is known after the first few
_WITH_BLOCKS = frozenset(
    {
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.If,
        ast.For,
        ast.AsyncFor,
        ast.While,
        ast.With,
        ast.AsyncWith,
        ast.Try,
    }
)
CLOCKS = frozenset({"perf_counter", "monotonic", "time", "perf_counter_ns", "time_ns"})


@dataclass(slots=True, eq=False)
class OrderedCall:
    """A call as it is come upon.

    `tests` are the conditions above it with their outcome, `stack` the calls that lead to it (innermost
    last), `loops` the loops around it, whatever function they are in.
    """

    place: int
    file: str
    node: ast.Call
    scope: Scope
    tests: tuple[tuple[ast.expr, bool, Scope], ...]
    stack: tuple[ast.Call, ...]
    loops: tuple[ast.For | ast.While, ...]
    leaves: bool  # in a branch that ends in return: another way to run the script


@dataclass(slots=True)
class CallOrder:
    """The calls of a program in order. `training` is the loop, with the places of its first and last call."""

    index: ProgramIndex
    calls: list[OrderedCall] = field(default_factory=list)
    training: ast.For | ast.While | None = None
    starts: int | None = None
    stops: int | None = None
    is_cut: bool = False
    _visits: dict[int, int] = field(default_factory=dict)
    _first: dict[int, int] = field(default_factory=dict)
    _last: dict[int, int] = field(default_factory=dict)
    _calls_and_lambdas: list[int] = field(default_factory=list)
    _inside: dict[int, list[ast.Call]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Follow the entry script."""
        order = self.index.order
        self._calls_and_lambdas = sorted([*order.of_kind(ast.Call), *order.of_kind(ast.Lambda)])
        entry = self.index.entry
        tree = self.index.trees.get(entry)
        if tree is not None:
            self._block(tree.body, _Here(file=entry, scope=tree))
        self._find_training()
        for call in self.calls:
            self._first.setdefault(id(call.node), call.place)
            self._last[id(call.node)] = call.place

    def place_of(self, node: ast.Call) -> str:
        """before-training, in-training, after-training, or unknown."""
        first, last = self._first.get(id(node)), self._last.get(id(node))
        if first is None or last is None or self.starts is None or self.stops is None:
            return "unknown"
        if last > self.stops:
            return "after-training"
        return "in-training" if last >= self.starts else "before-training"

    def after_training(self) -> Iterator[OrderedCall]:
        """Calls made once the training loop is left."""
        if self.stops is not None:
            yield from self.calls[self.stops + 1 :]

    def _find_training(self) -> None:
        spans: dict[ast.For | ast.While, list[int]] = {}  # first and last place of a loop, and its calls
        depth: dict[ast.For | ast.While, int] = {}  # how many calls deep the loop itself lies
        gradient: set[ast.For | ast.While] = set()
        outermost: set[ast.For | ast.While] = set()
        clock: dict[ast.For | ast.While, int] = {}  # how many calls deep the nearest clock in it is read
        ways = [call for call in self.calls if not call.leaves]
        for call in ways if any(_is_gradient(call) and call.loops for call in ways) else self.calls:
            for loop in call.loops:
                span = spans.setdefault(loop, [call.place, call.place, 0])
                span[1] = call.place
                span[2] += 1
                depth[loop] = min(depth.get(loop, len(call.stack)), len(call.stack))
            if _is_gradient(call):
                gradient.update(call.loops)
                outermost.update(call.loops[:1])
            elif call.loops and called_name(call.node) in CLOCKS:
                for loop in call.loops:
                    clock[loop] = min(clock.get(loop, len(call.stack)), len(call.stack))
        # A step may time itself, in warm-up as well; the training loop itself looks at the clock.
        learning = [loop for loop in spans if loop in gradient]
        timed = [loop for loop in learning if loop in outermost and clock.get(loop) == depth[loop]]
        timed = timed or [loop for loop in learning if loop in clock] or learning
        if timed:
            self.training = min(timed, key=lambda loop: (spans[loop][0], -spans[loop][2]))
            self.starts, self.stops, _ = spans[self.training]

    def _block(self, body: list[ast.stmt], here: _Here) -> None:
        for statement in body:
            self._statement(statement, here)
            if isinstance(statement, ast.If) and _ends(statement.body) and not statement.orelse:
                here = here.under(statement.test, outcome=False)

    def _statement(self, node: ast.stmt, here: _Here) -> None:
        if node.__class__ not in _WITH_BLOCKS:
            self._expressions(node, here)
        elif isinstance(node, FunctionNode | ast.ClassDef):
            for decorator in node.decorator_list:
                self._expressions(decorator, here)
            if isinstance(node, ast.ClassDef):
                self._block([one for one in node.body if not isinstance(one, FunctionNode)], here)
        elif isinstance(node, ast.If):
            self._expressions(node.test, here)
            if is_main_guard(node):
                self._block(node.body if here.file == self.index.entry else [], here)
            else:
                leaves = len(here.stack) <= 2 and bool(node.body) and isinstance(node.body[-1], ast.Return)
                inside = here.under(node.test, outcome=True)
                self._block(node.body, inside._replace(leaves=True) if leaves else inside)
                self._block(node.orelse, here.under(node.test, outcome=False))
        elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
            inside = here.within(node) if isinstance(node, ast.For | ast.While) else here
            self._expressions(node.iter if not isinstance(node, ast.While) else node.test, here)
            self._block(node.body, inside)
            self._block(node.orelse, here)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._expressions(item.context_expr, here)
            self._block(node.body, here)
        elif isinstance(node, ast.Try):
            self._block(node.body, here)
            for handler in node.handlers:
                self._block(handler.body, here)
            self._block(node.orelse, here)
            self._block(node.finalbody, here)

    def _expressions(self, node: ast.AST, here: _Here) -> None:
        for call in self._calls_in(node):
            self._call(call, here)

    def _calls_in(self, node: ast.AST) -> list[ast.Call]:
        """Calls inside a statement or expression, inner ones first, as they run; none of a lambda."""
        if id(node) in self._inside:
            return self._inside[id(node)]
        order = self.index.order
        stretch = order.stretch(node)
        first = bisect_left(self._calls_and_lambdas, stretch.start)
        found: list[ast.Call] = []
        around: list[tuple[int, ast.Call]] = []  # calls not yet left, with the place where they end
        skip_to = stretch.start
        for number in range(first, len(self._calls_and_lambdas)):
            place = self._calls_and_lambdas[number]
            if place >= stretch.stop:
                break
            one = order.nodes[place]
            if place < skip_to:
                continue
            if not isinstance(one, ast.Call):
                skip_to = order.ends[place]
                continue
            while around and around[-1][0] <= place:
                found.append(around.pop()[1])
            around.append((order.ends[place], one))
        found += [one for _, one in reversed(around)]
        self._inside[id(node)] = found
        return found

    def _call(self, node: ast.Call, here: _Here) -> None:
        if len(self.calls) >= CALLS_AT_MOST:
            self.is_cut = True
            return
        self.calls.append(
            OrderedCall(
                len(self.calls), here.file, node, here.scope, here.tests, here.stack, here.loops, here.leaves
            )
        )
        if len(here.stack) >= DEPTH_AT_MOST:
            return
        for function in self._targets(node, here):
            if self._visits.get(id(function), 0) >= VISITS_AT_MOST * (1 if len(function.body) > 12 else 8):
                continue
            if any(function is one for one in here.active):
                continue
            self._visits[id(function)] = self._visits.get(id(function), 0) + 1
            self._block(function.body, here.into(function, self.index.file_of[id(function)], node))

    def _targets(self, node: ast.Call, here: _Here) -> list[FunctionNode]:
        """Functions a call runs: by name, the constructor of a class, a function among the arguments."""
        name = called_name(node)
        named = self.index.by_name.get(name, [])
        if not named and not node.args and name not in self.index.by_owner:
            return []
        if isinstance(node.func, ast.Name):
            named = [one for one in named if not one.owner] or named
        here_first = sorted(named, key=lambda one: one.file != here.file)[:2]
        found = [one.node for one in here_first]
        found += [one.node for one in self.index.by_owner.get(name, []) if one.name == "__init__"][:1]
        if not found:
            for argument in node.args[:4]:
                if isinstance(argument, ast.Name) and argument.id in self.index.by_name:
                    found += [one.node for one in self.index.by_name[argument.id] if not one.owner][:1]
        return found


def call_order(index: ProgramIndex) -> CallOrder:
    """The order of calls of a program, followed once."""
    return index.once("call_order", lambda: CallOrder(index))


class _Here(NamedTuple):
    file: str
    scope: Scope
    tests: tuple[tuple[ast.expr, bool, Scope], ...] = ()
    stack: tuple[ast.Call, ...] = ()
    loops: tuple[ast.For | ast.While, ...] = ()
    active: tuple[FunctionNode, ...] = ()
    leaves: bool = False

    def under(self, test: ast.expr, *, outcome: bool) -> _Here:
        return self._replace(tests=(*self.tests, (test, outcome, self.scope))[-24:])

    def within(self, loop: ast.For | ast.While) -> _Here:
        return self._replace(loops=(*self.loops, loop))

    def into(self, function: FunctionNode, file: str, call: ast.Call) -> _Here:
        return self._replace(
            file=file, scope=function, stack=(*self.stack, call), active=(*self.active, function)
        )


def _is_gradient(call: OrderedCall) -> bool:
    return isinstance(call.node.func, ast.Attribute) and call.node.func.attr == "backward"


def _ends(body: list[ast.stmt]) -> bool:
    """Whether a branch leaves what follows it."""
    return bool(body) and isinstance(body[-1], ast.Return | ast.Continue | ast.Break | ast.Raise)
