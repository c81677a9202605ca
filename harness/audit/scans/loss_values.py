"""Which expressions of a program hold a loss of tokens: followed by assignment, argument and return value.

Order is not looked at: a name that holds a loss once holds it throughout its function.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from harness.audit.scans.local_values import local_values
from harness.audit.scans.scanned_program import dotted
from harness.audit.scans.scope_nodes import FunctionNode, Scope
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from harness.audit.scans.local_values import LocalValues
    from harness.audit.scans.scanned_program import Function, ProgramIndex

CROSS_ENTROPY = frozenset({"cross_entropy", "nll_loss"})
_NORMALISES = frozenset({"log_softmax", "softmax"})
_NUMBERS = frozenset(
    {"numel", "size", "dim", "shape", "dtype", "device", "ndim", "backward", "requires_grad"}
)
_EMPTY = frozenset({"zeros", "zeros_like", "new_zeros"})
_ROUNDS = 8
_DEPTH = 24
_STATEMENTS_AT_MOST = 400_000
_GIVES = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)
_SPREADS = (*_GIVES, ast.Return, ast.Call, ast.For, ast.comprehension)


def is_read_of_probability(node: ast.AST, scope: Scope, values: LocalValues) -> bool:
    """`log_softmax(x).gather(-1, y)` and `log_softmax(x)[rows, y]`: the entry of a token."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "gather":
        return _is_normalised(node.func.value, scope, values)
    if isinstance(node, ast.Call) and dotted(node.func) == "torch.gather" and node.args:
        return _is_normalised(node.args[0], scope, values)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
        chosen = [one for one in node.slice.elts if not isinstance(one, ast.Slice | ast.Constant)]
        return len(chosen) >= 2 and _is_normalised(node.value, scope, values)
    return False


def _is_normalised(node: ast.expr, scope: Scope, values: LocalValues) -> bool:
    whole = values.written_out(node, scope, rounds=2)
    for _ in range(_DEPTH):
        if isinstance(whole, ast.Subscript):
            whole = whole.value
        elif isinstance(whole, ast.Call) and isinstance(whole.func, ast.Attribute):
            if whole.func.attr in _NORMALISES:
                return True
            if whole.func.attr not in {"float", "double", "to", "reshape", "view", "squeeze", "log"}:
                return False
            whole = whole.func.value
        else:
            return False
    return False


class LossValues:
    """The names, results and parameters that hold a loss. `unused` are calls whose result nobody takes.

    Only scopes that a loss comes to are looked at (`scopes`): those that make one, call a function that gives
    one back, or are given one.
    """

    def __init__(self, index: ProgramIndex) -> None:
        """Follow losses through all reached code until nothing new is found."""
        self.index = index
        self.locals = local_values(index)
        self.unused: set[int] = set()
        self.is_cut = False
        self.scopes: dict[int, Scope] = {}
        self._names: set[tuple[int, str]] = set()
        self._results: dict[int, bool | tuple[bool, ...]] = {}
        self._stored: dict[tuple[int, str], list[ast.expr]] = {}
        self._statements: dict[int, list[ast.AST]] = {}
        self._callers: dict[str, dict[int, Scope]] = {}
        self._forwards = [one for one in index.by_name.get("forward", ()) if one.owner][:8]
        self._network_callers: dict[int, Scope] = {}
        self._waiting: dict[int, Scope] = {}
        for _, scope in index.reached:
            for node in index.own.of(scope, ast.Call):
                name = _last(node)
                if self._forwards and self._giving(node) is self._forwards:
                    self._network_callers[id(scope)] = scope
                self._callers.setdefault(name, {})[id(scope)] = scope
                if name in CROSS_ENTROPY or name in _NORMALISES:
                    self._waiting[id(scope)] = scope
        left = _STATEMENTS_AT_MOST
        while self._waiting and left > 0:
            left -= 1 + self._visit(self._waiting.pop(next(iter(self._waiting))))
        self.is_cut = self.is_cut or bool(self._waiting)

    def _visit(self, scope: Scope) -> int:
        """Follow losses through one scope; how many statements that took."""
        self.scopes[id(scope)] = scope
        if id(scope) not in self._statements:
            self._statements[id(scope)] = self._spreading(scope)
        statements = self._statements[id(scope)]
        for done in range(1, _ROUNDS + 1):
            before = len(self._names)
            for node in statements:
                self._spread(node, scope)
            if len(self._names) == before:
                return done * len(statements)
        self.is_cut = True
        return _ROUNDS * len(statements)

    def _spreading(self, scope: Scope) -> list[ast.AST]:
        self.unused.update(id(node.value) for node in self.index.own.of(scope, ast.Expr))
        found: list[ast.AST] = self.index.own.of(scope, *_SPREADS)
        for node in found:
            for target, value in _stores(node):
                if isinstance(target, ast.Name):
                    self._stored.setdefault((id(scope), target.id), []).append(value)
        return found

    def stored(self, scope: Scope, name: str) -> list[ast.expr]:
        """All that a scope puts under a name."""
        return self._stored.get((id(scope), name), [])

    def is_empty_sum(self, node: ast.expr) -> bool:
        """`torch.zeros(...)`: nothing yet."""
        return any(
            isinstance(one, ast.Call) and dotted(one.func).rpartition(".")[2] in _EMPTY
            for one in nodes_below(node)
        )

    def known(self, node: ast.Call) -> list[Function]:
        """The functions of the program that a call may mean."""
        name = _last(node)
        if name in self.index.by_owner:
            return [one for one in self.index.by_owner[name] if one.name == "__init__"]
        return self.index.by_name.get(name, [])[:4]

    def _giving(self, node: ast.Call) -> list[Function]:
        """The same, and for a call of a local object with inputs and targets what any network gives."""
        found = self.known(node)
        if found or not isinstance(node.func, ast.Name) or len(node.args) + len(node.keywords) < 2:
            return found
        name = node.func.id
        if hasattr(builtins, name) or name in self.index.by_owner:
            return []
        return [] if name in self.index.aliases(self.index.entry) else self._forwards

    def is_source(self, node: ast.AST, scope: Scope) -> bool:
        """Whether a loss is made here."""
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in CROSS_ENTROPY:
            return True
        return is_read_of_probability(node, scope, self.locals)

    def holds(self, node: ast.AST, scope: Scope, depth: int = 0) -> bool:
        """Whether the value of an expression holds a loss."""
        if depth > _DEPTH:
            self.is_cut = True
            return True
        if isinstance(node, ast.Name):
            return (id(scope), node.id) in self._names
        if self.is_source(node, scope):
            return True
        if isinstance(node, ast.Call):
            return self._call(node, scope, depth)
        if isinstance(node, ast.Attribute):
            return node.attr not in _NUMBERS and self.holds(node.value, scope, depth + 1)
        if isinstance(node, ast.Subscript):
            return self.holds(node.value, scope, depth + 1)
        if isinstance(node, ast.BinOp):
            return self.holds(node.left, scope, depth + 1) or self.holds(node.right, scope, depth + 1)
        if isinstance(node, ast.UnaryOp):
            return not isinstance(node.op, ast.Not) and self.holds(node.operand, scope, depth + 1)
        if isinstance(node, ast.IfExp):
            return self.holds(node.body, scope, depth + 1) or self.holds(node.orelse, scope, depth + 1)
        if isinstance(node, ast.Tuple | ast.List):
            return any(self.holds(one, scope, depth + 1) for one in node.elts)
        if isinstance(node, ast.Starred | ast.NamedExpr | ast.Await):
            return self.holds(node.value, scope, depth + 1)
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            return self.holds(node.elt, scope, depth + 1)
        if isinstance(node, ast.Dict):
            return any(self.holds(one, scope, depth + 1) for one in node.values)
        if isinstance(node, ast.DictComp):
            return self.holds(node.value, scope, depth + 1)
        return False

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> bool:
        functions = self._giving(node)
        if functions:
            return any(_any(self._results.get(id(one.node), False)) for one in functions)
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in _NUMBERS:
                return False
            if self.holds(node.func.value, scope, depth + 1):
                return True
        elif getattr(node.func, "id", "") in {"len", "isinstance", "range"}:
            return False
        given = [*node.args, *(word.value for word in node.keywords)]
        return any(self.holds(one, scope, depth + 1) for one in given)

    def _spread(self, node: ast.AST, scope: Scope) -> None:
        for target, value in _stores(node):
            self._store(target, value, scope)
        if isinstance(node, ast.Return) and node.value is not None and isinstance(scope, FunctionNode):
            self._result(node.value, scope)
        elif isinstance(node, ast.Call):
            self._arguments(node, scope)

    def _store(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            if self.holds(value, scope):
                self._names.add((id(scope), target.id))
        elif isinstance(target, ast.Tuple | ast.List):
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                for one, other in zip(target.elts, value.elts, strict=True):
                    self._store(one, other, scope)
                return
            results = self._results_of(value)
            each = results if results is not None and len(results) == len(target.elts) else None
            for number, one in enumerate(target.elts):
                inner = one.value if isinstance(one, ast.Starred) else one
                if isinstance(inner, ast.Name) and (
                    each[number] if each is not None else self.holds(value, scope)
                ):
                    self._names.add((id(scope), inner.id))
        elif isinstance(target, ast.Subscript | ast.Starred):
            self._store(target.value, value, scope)

    def _results_of(self, value: ast.expr) -> tuple[bool, ...] | None:
        if not isinstance(value, ast.Call):
            return None
        found = [self._results.get(id(one.node)) for one in self._giving(value)]
        return found[0] if len(found) == 1 and isinstance(found[0], tuple) else None

    def _result(self, value: ast.expr, scope: FunctionNode) -> None:
        before = self._results.get(id(scope))
        now: bool | tuple[bool, ...] = self.holds(value, scope)
        if isinstance(value, ast.Tuple):
            now = tuple(self.holds(one, scope) for one in value.elts)
        if isinstance(before, tuple) and isinstance(now, tuple) and len(before) == len(now):
            now = tuple(one or other for one, other in zip(before, now, strict=True))
        elif before is not None and (isinstance(before, tuple) or isinstance(now, tuple)):
            now = _any(before) or _any(now)
        else:
            now = now if isinstance(now, tuple) else now or bool(before)
        if now == before:
            return
        self._results[id(scope)] = now
        if _any(now):
            self._waiting.update(self._callers.get(scope.name, {}))
            if scope.name == "forward":
                self._waiting.update(self._network_callers)

    def _arguments(self, node: ast.Call, scope: Scope) -> None:
        for function in self.known(node):
            names = function.parameters
            if function.owner and names[:1] and names[0] in {"self", "cls"}:
                names = names[1:]
            for name, argument in zip(names, node.args, strict=False):
                self._give(function.node, name, argument, scope)
            for word in node.keywords:
                if word.arg:
                    self._give(function.node, word.arg, word.value, scope)
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in {"append", "extend", "add_", "copy_", "index_put_", "scatter_"}
            and isinstance(node.func.value, ast.Name | ast.Subscript)
        ):
            for argument in node.args:
                self._store(node.func.value, argument, scope)

    def _give(self, function: FunctionNode, name: str, argument: ast.expr, scope: Scope) -> None:
        if (id(function), name) not in self._names and self.holds(argument, scope):
            self._names.add((id(function), name))
            self._waiting[id(function)] = function


def _last(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _any(result: bool | tuple[bool, ...]) -> bool:
    return any(result) if isinstance(result, tuple) else result


def _stores(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        return [(target, node.value) for target in node.targets]
    if isinstance(node, ast.AugAssign | ast.AnnAssign | ast.NamedExpr):
        return [] if node.value is None else [(node.target, node.value)]
    if isinstance(node, ast.For | ast.comprehension):
        return [(node.target, node.iter)]
    return []
