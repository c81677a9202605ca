"""Code that takes validation in another order than that of the stream: sorted, shuffled, claimed by ranks.

What is made of validation tokens (documents, windows, their batches) is followed through assignments, calls
and results; networks and losses end it. `sorted` and `sort` count with a key or reversed, as the plain form
keeps numbers in order. `within` are the lines of the function around the call, and of the functions that
call that one: a rule asks whether the claimed scores are made there.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.data_sources import VALIDATION, data_roles
from harness.audit.scans.scanned_program import FACTS_AT_MOST, full_name
from harness.audit.scans.scope_nodes import FunctionNode, Scope, called_name

if TYPE_CHECKING:
    from harness.audit.scans.name_roles import Roles
    from harness.audit.scans.scanned_program import Function, ProgramIndex

_SORTS = frozenset({"sorted", "sort"})
_SHUFFLES = frozenset({"shuffle", "randperm", "permutation"})
_TURNS = frozenset({"reversed", "flip", "argsort"})
_ASKED = _SORTS | _SHUFFLES | _TURNS | {"flock", "lockf"}
_LOCKS = frozenset({"fcntl.flock", "fcntl.lockf"})
# What is made of tokens and still tells which of them come when.
_KEEPS = frozenset(
    {
        "sorted",
        "list",
        "tuple",
        "enumerate",
        "zip",
        "range",
        "len",
        "min",
        "max",
        "reversed",
        "nonzero",
        "where",
        "flatnonzero",
        "numpy",
        "tolist",
        "to",
        "cpu",
        "cuda",
        "long",
        "int",
        "item",
        "size",
        "numel",
        "tensor",
        "array",
        "asarray",
        "from_numpy",
        "arange",
        "append",
        "extend",
        "argsort",
        "sort",
        "randperm",
        "permutation",
        "split",
        "chunk",
        "view",
        "reshape",
        "flatten",
        "contiguous",
        "astype",
        "linspace",
        "items",
        "values",
    }
)
_STATEMENTS_AT_MOST = 400_000
_DEPTH = 16


def scan_validation_order(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` sorted, shuffled, turned or claimed."""
    asked = [
        (path, scope, node)
        for path, scope in index.reached
        for node in index.own.of(scope, ast.Call, is_main=path == index.entry)
        if called_name(node) in _ASKED
    ]
    followed = _Followed(index, data_roles(index)) if asked else None
    facts: list[dict[str, Any]] = []
    for path, scope, node in asked:
        kind = _kind(node, path, scope, followed) if followed is not None else None
        if kind is not None:
            gives = kind == "claimed" or (followed is not None and followed.gives(scope))
            within = _around(path, scope, index, gives)
            facts.append({"file": path, "line": node.lineno, "kind": kind, "within": within})
    return sorted(facts, key=lambda one: (one["file"], one["line"]))[:FACTS_AT_MOST]


def _kind(node: ast.Call, path: str, scope: Scope, followed: _Followed) -> str | None:
    name = called_name(node)
    if name in {"flock", "lockf"}:
        return "claimed" if full_name(node.func, followed.index.aliases(path)) in _LOCKS else None
    if name not in _SORTS | _SHUFFLES | _TURNS:
        return None
    if name in _SORTS and not any(word.arg in {"key", "reverse", "descending"} for word in node.keywords):
        return None
    given = [*node.args[:1], *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
    if not any(followed.holds(one, scope) for one in given):
        return None
    return "sorted" if name in _SORTS else "shuffled" if name in _SHUFFLES else "turned"


def _around(path: str, scope: Scope, index: ProgramIndex, gives: bool) -> list[list[Any]]:
    """Lines of the function, and of those that take what it gives back."""
    found = [[path, *_lines(scope)]]
    if isinstance(scope, FunctionNode) and gives:
        for caller, _ in index.calls_of(scope.name)[:8]:
            if isinstance(caller, FunctionNode):
                found.append([index.file_of[id(caller)], *_lines(caller)])
    return found


def _lines(scope: Scope) -> list[int]:
    if isinstance(scope, FunctionNode):
        return [scope.lineno, scope.end_lineno or scope.lineno]
    return [1, 10**9]


class _Followed:
    """The names, parameters and results made of validation tokens."""

    def __init__(self, index: ProgramIndex, roles: Roles) -> None:
        self.index = index
        self._roles = roles
        self._names: set[tuple[int, str]] = set()
        self._results: set[int] = set()
        self._waiting: dict[int, Scope] = {id(scope): scope for _, scope in index.reached}
        left = _STATEMENTS_AT_MOST
        while self._waiting and left > 0:
            scope = self._waiting.pop(next(iter(self._waiting)))
            before = len(self._names)
            left -= 1 + self._visit(scope)
            if len(self._names) > before:
                self._waiting[id(scope)] = scope

    def gives(self, scope: Scope) -> bool:
        """Whether what a function returns is made of validation tokens."""
        return id(scope) in self._results

    def _visit(self, scope: Scope) -> int:
        nodes = self.index.own.of(scope, ast.Assign, ast.AnnAssign, ast.For, ast.Return, ast.Call)
        for node in nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._put(target, node.value, scope)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self._put(node.target, node.value, scope)
            elif isinstance(node, ast.For):
                self._put(node.target, node.iter, scope)
            elif isinstance(node, ast.Return):
                self._give(node, scope)
            elif isinstance(node, ast.Call):
                self._pass(node, scope)
        return len(nodes)

    def _give(self, node: ast.Return, scope: Scope) -> None:
        if id(scope) in self._results or node.value is None or not isinstance(scope, FunctionNode):
            return
        if self.holds(node.value, scope):
            self._results.add(id(scope))
            for caller, _ in self.index.calls_of(scope.name):
                self._waiting[id(caller)] = caller

    def _pass(self, node: ast.Call, scope: Scope) -> None:
        if called_name(node) in {"append", "extend"} and isinstance(node.func, ast.Attribute):
            for one in node.args:
                self._put(node.func.value, one, scope)
        for function in self._functions(node):
            names = function.parameters[1:] if function.owner else function.parameters
            given = [*zip(names, node.args, strict=False)]
            given += [(word.arg, word.value) for word in node.keywords if word.arg]
            for name, argument in given:
                place = (id(function.node), name)
                if place not in self._names and self.holds(argument, scope):
                    self._names.add(place)
                    self._waiting[id(function.node)] = function.node

    def _functions(self, node: ast.Call) -> list[Function]:
        found = self.index.by_name.get(called_name(node), [])
        return [one for one in found if one.name != "forward"][:3]

    def _put(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for one in target.elts:
                self._put(one, value, scope)
        elif isinstance(target, ast.Name):
            place = (id(scope), target.id)
            if place not in self._names and self.holds(value, scope):
                self._names.add(place)

    def holds(self, node: ast.expr, scope: Scope, depth: int = 0) -> bool:
        """Whether an expression is made of validation tokens."""
        if depth > _DEPTH:
            return False
        if isinstance(node, ast.Name) and (id(scope), node.id) in self._names:
            return True
        may_have_role = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
        if may_have_role and not _is_path(node) and self._roles.of(node, scope) == VALIDATION:
            return True
        parts: list[ast.expr] = []
        if isinstance(node, ast.Call):
            functions = self._functions(node)
            if functions:
                return any(id(one.node) in self._results for one in functions)
            if called_name(node) in _KEEPS:
                parts = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        elif isinstance(node, ast.Subscript | ast.Starred | ast.Attribute | ast.NamedExpr):
            parts = [node.value]
        elif isinstance(node, ast.BinOp):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Compare):
            parts = [node.left]
        elif isinstance(node, ast.IfExp):
            parts = [node.body, node.orelse]
        elif isinstance(node, ast.Tuple | ast.List):
            parts = node.elts[:40]
        elif isinstance(node, ast.ListComp | ast.GeneratorExp):
            parts = [node.generators[0].iter]
        return any(self.holds(one, scope, depth + 1) for one in parts)


def _is_path(node: ast.expr) -> bool:
    """Whether it is a pattern or a list of files rather than tokens."""
    return isinstance(node, ast.Call) and called_name(node) in {"glob", "iglob", "Path", "join"}
