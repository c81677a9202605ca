"""Walks the statements a script reaches, twice through loops that need it, following tokens through names.

It does not know configurations: which arms of a branch run is what the interpreter found (`reached`), and
where that says nothing both are walked. Which arrays are counted into by token, and which loops carry
something from pass to pass, earlier walks found out (`counted`, `passes`).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from harness.audit.events import Spot
from harness.audit.token_flow import calling, contents, expressions, indexing, statements
from harness.audit.token_flow.flow import Flow, Token, replace
from harness.audit.token_flow.linear import Symbols
from harness.audit.token_flow.objects import Cell, ClassOf, Function, Instance, Scope, merged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.audit.program import Program
    from harness.audit.token_flow.flow_recorder import FlowRecorder
    from harness.audit.token_flow.second_passes import SecondPasses


NODES_AT_MOST = 800_000  # in all walks of a script together
DEEP_LOOPS = 6


_N = TypeVar("_N", bound=ast.AST)
_T = TypeVar("_T")


class OutOfNodesError(Exception):
    """The walk costs more than it may."""


@dataclass(slots=True)
class Walker:
    """One walk. `reached` are the lines the interpreter walked by file; a file it lacks is walked whole."""

    program: Program
    recorder: FlowRecorder
    reached: dict[str, frozenset[int]]
    counted: frozenset[Spot]  # where arrays are made that are counted into by token
    passes: SecondPasses
    nodes_left: int = NODES_AT_MOST
    is_sketch: bool = False  # one pass through each loop, a few calls of each function
    symbols: Symbols = field(default_factory=Symbols)
    modules: dict[str, Scope] = field(default_factory=dict)
    scope: Scope = field(default_factory=Scope)
    file: str = ""
    line: int = 0
    columns: list[int] = field(default_factory=lambda: [0])  # of the call at hand, in each function walked
    stack: list[Function] = field(default_factory=list)
    loops: list[tuple[int, int]] = field(default_factory=list)
    guards: list[Flow] = field(default_factory=list)
    skips: list[Flow] = field(default_factory=list)  # tests that ended this pass of a loop early
    returns: list[list[Flow]] = field(default_factory=list)
    yields: list[list[tuple[ast.expr, Flow]]] = field(default_factory=list)
    left: list[list[dict[str, Flow]]] = field(default_factory=list)  # names where a pass was left early
    last_loop: int = 0
    in_log_sum: bool = False  # inside `max(a, b) + log1p(...)`
    last_cell: int = 0
    found_counted: set[Spot] = field(default_factory=set)
    side_by_side: dict[int, tuple[Flow, ...]] = field(default_factory=dict)  # columns, by the array's symbol
    sketched: dict[ast.AST, list[Flow]] = field(default_factory=dict)  # results of calls by function
    constants: dict[ast.expr, Flow] = field(default_factory=dict)
    outside: dict[str, Flow] = field(default_factory=dict)
    facts: dict[tuple[object, ast.AST], Any] = field(default_factory=dict)
    spots: dict[tuple[str, int], Spot] = field(default_factory=dict)

    @property
    def here(self) -> Spot:
        """The line being walked."""
        found = self.spots.get((self.file, self.line))
        if found is None:
            found = self.spots[self.file, self.line] = Spot(file=self.file, line=self.line)
        return found

    def run_module(self, path: str) -> Scope:
        """The names a module defines; walked on first use."""
        if path in self.modules:
            return self.modules[path]
        scope = self.modules[path] = Scope(module=path)
        tree = self.program.tree(path)
        if tree is None:
            return scope
        before = self.scope, self.file, self.line
        self.scope, self.file = scope, path
        self.run(tree.body)
        self.scope, self.file, self.line = before
        return scope

    def is_reached(self, node: ast.stmt) -> bool:
        """Whether the interpreter walked the statement, or knows nothing of its file."""
        lines = self.reached.get(self.file)
        return lines is None or node.lineno in lines

    def run(self, body: Sequence[ast.stmt]) -> str:
        """Walk a block; "return", "break", "continue" or "raise" when it ends early, else ""."""
        lines = self.reached.get(self.file)
        for node in body:
            self.nodes_left -= 1
            if lines is not None and node.lineno not in lines:
                continue
            if self.nodes_left <= 0:
                raise OutOfNodesError
            self.line = node.lineno
            walk = statements.STATEMENTS.get(type(node))
            end = walk(self, node) if walk is not None else ""
            if end:
                return end
        return ""

    def spend(self, nodes: int = 1) -> None:
        """So many more nodes walked, or other work that takes as long."""
        self.nodes_left -= nodes
        if self.nodes_left <= 0:
            raise OutOfNodesError

    def tokens_of(self, value: Flow) -> frozenset[Token]:
        """The tokens of a value nobody sliced yet: those of the array it is."""
        held = contents.content(self, value)
        if held.tokens:
            return held.tokens
        return contents.own_tokens(value)

    def new_cell(self, is_mapping: bool = False, dims: int = 1) -> Cell:
        """An empty array, list or dictionary made here."""
        self.last_cell += 1
        return Cell(self.last_cell, self.here, is_mapping=is_mapping, dims=dims)

    def call_value(self, callee: Flow) -> Flow:
        """Call a value without arguments: the factory of a defaultdict."""
        return calling.apply(self, callee, [], {})

    def evaluate(self, node: ast.expr) -> Flow:
        """The value of an expression."""
        self.nodes_left -= 1
        if self.nodes_left <= 0:
            raise OutOfNodesError
        kind = type(node)
        if kind is ast.Name:
            found = self.lookup_name(node.id)  # type: ignore[attr-defined]
            return found if found is not None else self.module(f"module:{node.id}")  # type: ignore[attr-defined]
        if kind is ast.Constant:
            value = self.constants.get(node)
            if value is None:
                value = self.constants[node] = expressions.constant(node.value)  # type: ignore[attr-defined]
            return value
        before, self.line = self.line, node.lineno
        value = expressions.EXPRESSIONS.get(kind, expressions.children)(self, node)
        self.line = before
        return value

    def module(self, text: str) -> Flow:
        """A module, or what it holds under a name, that is not of the script."""
        found = self.outside.get(text)
        if found is None:
            found = self.outside[text] = Flow(text=text)
        return found

    def syntax_fact(self, ask: Callable[[_N], _T], node: _N) -> _T:
        """What `ask` says of a node, asked once."""
        if (ask, node) not in self.facts:
            self.facts[ask, node] = ask(node)
        found: _T = self.facts[ask, node]
        return found

    def lookup_name(self, name: str) -> Flow | None:
        """The value of a name, from the inside out."""
        scope: Scope | None = self.scope
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def bind(self, target: ast.expr, value: Flow) -> None:
        """Assign to a name, attribute, element or several of them."""
        if isinstance(target, ast.Name):
            names = self.scope.names
            self.passes.stored(value, names.get(target.id))
            names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            for at, each in enumerate(target.elts):
                inner = each.value if isinstance(each, ast.Starred) else each
                self.bind(inner, contents.unpacked(self, value, at, len(target.elts)))
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.evaluate(target.value), target.attr, value)
        elif isinstance(target, ast.Subscript):
            indexing.store(self, target, value)

    def walk_loop(
        self,
        node: ast.stmt,
        body: Sequence[ast.stmt],
        target: ast.expr | None,
        values: list[Flow],
        *,
        is_varied: bool,
        is_choosing: bool = True,
    ) -> None:
        """Walk a loop body for as many passes as it needs; `values` are those of the target in each pass.

        `is_choosing` unless the target may be the same in two passes.
        """
        self.last_loop += 1
        loop = self.last_loop
        self.passes.enter(node, is_varied=is_varied)
        is_whole = True
        for number in (0, 1):
            if number and (self.is_sketch or not self.passes.is_needed()):
                is_whole = False
                break
            if number and len(self.loops) >= DEEP_LOOPS:
                break
            self.loops.append((loop, number))
            if target is not None:
                value = values[number]
                chosen = {(loop, number)} if is_choosing else frozenset()
                self.bind(target, replace(value, loops=value.loops | chosen))
            self.left.append([])
            skips, self.skips = self.skips, list(self.skips)
            end = self.run(body)
            self.skips = skips
            self.loops.pop()
            self.scope.names = merged([self.scope.names, *self.left.pop()])
            if end in ("break", "return", "raise"):
                break
        self.passes.leave(node, is_whole=is_whole)

    def set_attribute(self, owner: Flow, name: str, value: Flow) -> None:
        """`owner.name = value`."""
        for each in owner.objects:
            if isinstance(each, Instance | ClassOf):
                names = each.names if isinstance(each, Instance) else each.members.names
                self.passes.stored(value, names.get(name))
                names[name] = value

    def put(self, cell: Cell, place: object, value: Flow) -> None:
        """`value` becomes a part of an array, list or dictionary."""
        self.passes.stored(value, cell.parts.get(place))
        cell.parts[place] = value
