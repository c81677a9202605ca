"""Walks the statements a script reaches, twice through each loop, following tokens through names and cells.

It does not know configurations: which arms of a branch run is what the interpreter found (`reached`), and
where that says nothing both are walked. A walk is done twice: the first finds out which arrays are counted
into by token, so that the second can tell a table of counts from a table of facts about tokens.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from harness.audit.events import Spot
from harness.audit.token_flow import calling, expressions, indexing, second_passes
from harness.audit.token_flow.flow import (
    NOTHING,
    Cell,
    ClassOf,
    Flow,
    Function,
    Instance,
    Scope,
    Token,
    joined,
    replace,
)
from harness.audit.token_flow.linear import Symbols

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.audit.program import Program
    from harness.audit.token_flow.flow_recorder import FlowRecorder
    from harness.audit.token_flow.second_passes import SecondPasses

NODES_AT_MOST = 400_000
CALLS_DEEP = 14
DEEP_LOOPS = 6
CALLS_IN_SKETCH = 3

ENDS = frozenset({"return", "break", "continue", "raise"})


_N = TypeVar("_N", bound=ast.AST)


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
    stack: list[Function] = field(default_factory=list)
    loops: list[tuple[int, int]] = field(default_factory=list)
    guards: list[Flow] = field(default_factory=list)
    returns: list[list[Flow]] = field(default_factory=list)
    left: list[list[dict[str, Flow]]] = field(default_factory=list)  # names where a pass was left early
    last_loop: int = 0
    in_log_sum: bool = False  # inside `max(a, b) + log1p(...)`
    last_cell: int = 0
    found_counted: set[Spot] = field(default_factory=set)
    sketched: dict[ast.AST, list[Flow]] = field(default_factory=dict)  # results of calls by function
    constants: dict[ast.expr, Flow] = field(default_factory=dict)
    outside: dict[str, Flow] = field(default_factory=dict)
    facts: dict[tuple[object, ast.AST], bool] = field(default_factory=dict)
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
            walk = _STATEMENTS.get(type(node))
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
        held = indexing.content(self, value)
        if held.tokens:
            return held.tokens
        return indexing.own_tokens(value)

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

    def syntax_fact(self, ask: Callable[[_N], bool], node: _N) -> bool:
        """What `ask` says of a node, asked once."""
        found = self.facts.get((ask, node))
        if found is None:
            found = self.facts[ask, node] = ask(node)
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
                self.bind(inner, indexing.unpacked(self, value, at, len(target.elts)))
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.evaluate(target.value), target.attr, value)
        elif isinstance(target, ast.Subscript):
            indexing.store(self, target, value)

    def call_function(self, function: Function, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
        """Walk the body of a function of the script with these arguments."""
        node = function.node
        if len(self.stack) >= CALLS_DEEP or sum(each.node is node for each in self.stack) > 1:
            return NOTHING
        if self.is_sketch:
            results = self.sketched.setdefault(node, [])
            if len(results) < CALLS_IN_SKETCH:
                results.append(self._walk_function(function, args, kwargs))
            return results[-1]
        return self._walk_function(function, args, kwargs)

    def _walk_function(self, function: Function, args: list[Flow], kwargs: dict[str, Flow]) -> Flow:
        node = function.node
        given, named = function.bound
        args, kwargs = [*given, *args], {**named, **kwargs}
        scope = Scope(outer=function.scope, module=function.file)
        self._bind_arguments(function, scope, args, kwargs)
        before = self.scope, self.file, self.line
        self.scope, self.file = scope, function.file
        self.stack.append(function)
        self.returns.append([])
        guards, self.guards = self.guards, []  # what a caller tests is about its own values
        self.recorder.calls.append(Spot(file=before[1], line=before[2]))
        try:
            if isinstance(node, ast.Lambda):
                return self.evaluate(node.body)
            self.run(node.body)
            return joined(self.returns[-1])
        finally:
            self.recorder.calls.pop()
            self.guards = guards
            self.returns.pop()
            self.stack.pop()
            self.scope, self.file, self.line = before

    def _bind_arguments(
        self, function: Function, scope: Scope, args: list[Flow], kwargs: dict[str, Flow]
    ) -> None:
        spec = function.node.args
        names = [one.arg for one in (*spec.posonlyargs, *spec.args)]
        scope.names.update(zip(names, args, strict=False))
        if spec.vararg is not None:
            rest = tuple(args[len(names) :])
            scope.names[spec.vararg.arg] = replace(joined(rest), items=rest)
        scope.names.update((name, value) for name, value in kwargs.items() if name not in scope.names)
        defaults = [*zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True)]
        defaults += [
            (one.arg, default)
            for one, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
            if default is not None
        ]
        for name, default in defaults:
            if name not in scope.names:
                scope.names[name] = self.evaluate(default)
        for one in (*names, *(each.arg for each in spec.kwonlyargs)):
            if one not in scope.names:
                scope.names[one] = Flow(number=self.symbols.fresh())

    def walk_loop(
        self,
        node: ast.stmt,
        body: Sequence[ast.stmt],
        target: ast.expr | None,
        values: list[Flow],
        *,
        is_varied: bool,
    ) -> None:
        """Walk a loop body for as many passes as it needs; `values` are those of the target in each pass."""
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
                self.bind(target, replace(value, loops=value.loops | {(loop, number)}))
            self.left.append([])
            end = self.run(body)
            self.loops.pop()
            self.scope.names = _merged([self.scope.names, *self.left.pop()])
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


def _assign(walker: Walker, node: ast.Assign) -> str:
    value = walker.evaluate(node.value)
    for target in node.targets:
        walker.bind(target, value)
    return ""


def _annotated(walker: Walker, node: ast.AnnAssign) -> str:
    if node.value is not None:
        walker.bind(node.target, walker.evaluate(node.value))
    return ""


def _augmented(walker: Walker, node: ast.AugAssign) -> str:
    added = walker.evaluate(node.value)
    if isinstance(node.target, ast.Subscript):
        indexing.add_in_place(walker, node.target, node.op, added)
        return ""
    old = walker.evaluate(node.target)
    result = expressions.accumulated(walker, node, old, added)
    if added.scores:
        indexing.keep_sum(walker, old, result)
    walker.bind(node.target, result)
    return ""


def _expression(walker: Walker, node: ast.Expr) -> str:
    walker.evaluate(node.value)
    return ""


def _return(walker: Walker, node: ast.Return) -> str:
    if walker.returns:
        walker.returns[-1].append(
            walker.evaluate(node.value) if node.value is not None else Flow(text="None")
        )
    return "return"


def _if(walker: Walker, node: ast.If) -> str:
    test = walker.evaluate(node.test)
    walker.line = node.lineno
    arms = [body for body in (node.body, node.orelse) if not body or walker.is_reached(body[0])]
    before = dict(walker.scope.names)
    ends, after = [], []
    for body in arms:
        walker.scope.names = dict(before)
        walker.guards.append(replace(test, joined_at=walker.here))
        end = walker.run(body)
        walker.guards.pop()
        ends.append(end)
        if end in ("break", "continue") and walker.left:
            walker.left[-1].append(walker.scope.names)
        if not end:
            after.append(walker.scope.names)
    walker.scope.names = _merged(after) if after else before
    # An arm that leaves early leaves the other one's names behind.
    return ends[0] if arms and all(ends) else ""


def _merged(scopes: list[dict[str, Flow]]) -> dict[str, Flow]:
    merged = scopes[0]
    for scope in scopes[1:]:
        merged = dict(merged)
        for name, value in scope.items():
            known = merged.get(name)
            if known is not value:
                merged[name] = joined((known, value)) if known is not None else value
    return merged


def _for(walker: Walker, node: ast.For | ast.AsyncFor) -> str:
    iterable = walker.evaluate(node.iter)
    values = [indexing.element(walker, iterable, number) for number in (0, 1)]
    before = dict(walker.scope.names)
    varied = second_passes.is_varied(iterable)
    walker.walk_loop(node, node.body, node.target, values, is_varied=varied)
    _keep_unassigned(walker, before)
    return walker.run(node.orelse)


def _while(walker: Walker, node: ast.While) -> str:
    walker.evaluate(node.test)
    walker.walk_loop(node, node.body, None, [], is_varied=False)
    return ""


def _keep_unassigned(walker: Walker, before: dict[str, Flow]) -> None:
    for name, value in before.items():
        walker.scope.names.setdefault(name, value)


def _with(walker: Walker, node: ast.With | ast.AsyncWith) -> str:
    for item in node.items:
        value = walker.evaluate(item.context_expr)
        if item.optional_vars is not None:
            walker.bind(item.optional_vars, value)
    return walker.run(node.body)


def _try(walker: Walker, node: ast.Try | ast.TryStar) -> str:
    end = walker.run(node.body)
    for handler in node.handlers:
        walker.run(handler.body)
    if not end:
        end = walker.run(node.orelse)
    return walker.run(node.finalbody) or (end if end != "raise" else "")


def _define(walker: Walker, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    function = Function(node, walker.scope, walker.file)
    walker.scope.names[node.name] = Flow(objects=(function,))
    return ""


def _class(walker: Walker, node: ast.ClassDef) -> str:
    bases = [walker.evaluate(base) for base in node.bases]
    own = tuple(each for base in bases for each in base.objects if isinstance(each, ClassOf))
    is_module = any(each.is_module for each in own) or any(
        isinstance(base, ast.Attribute | ast.Name) and _last(base) == "Module" for base in node.bases
    )
    outer = walker.scope
    members = Scope(outer=outer, module=walker.file)
    walker.scope = members
    walker.run(node.body)
    walker.scope = outer
    outer.names[node.name] = Flow(objects=(ClassOf(node.name, members, own, is_module),))
    return ""


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _import(walker: Walker, node: ast.Import) -> str:
    for alias in node.names:
        path = walker.program.find_module(alias.name, walker.file)
        name = alias.asname or alias.name.partition(".")[0]
        if path is not None:
            members = walker.run_module(path)
            walker.scope.names[name] = Flow(objects=(ClassOf(alias.name, members),))
        else:
            walker.scope.names[name] = Flow(text=f"module:{alias.name if alias.asname else name}")
    return ""


def _import_from(walker: Walker, node: ast.ImportFrom) -> str:
    path = walker.program.find_module(node.module or "", walker.file, node.level)
    for alias in node.names:
        name = alias.asname or alias.name
        if path is not None:
            members = walker.run_module(path)
            if name == "*":
                walker.scope.names.update(members.names)
            else:
                walker.scope.names[name] = members.names.get(alias.name, NOTHING)
        else:
            walker.scope.names[name] = Flow(text=f"module:{node.module}.{alias.name}")
    return ""


_STATEMENTS: dict[type[ast.stmt], Callable[..., str]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Expr: _expression,
    ast.Return: _return,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.FunctionDef: _define,
    ast.AsyncFunctionDef: _define,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Break: lambda _walker, _node: "break",
    ast.Continue: lambda _walker, _node: "continue",
    ast.Raise: lambda _walker, _node: "raise",
}
