"""Conditions and amounts as plain data that a rule can compute under the settings of a run.

A scan knows no run profile. What it finds under `if args.enabled:` or capped by `args.limit` carries the
expression as JSON: `{"const": 3}`, `{"env": NAME, "default": expression}`, `{"attribute": name, "is":
expression}`, `{"op": "and", "of": [...]}`, and None for anything that settings do not determine.
`harness.audit.scans.setting_values` computes it.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from harness.audit.scans.local_values import assignments, local_values
from harness.audit.scans.scanned_program import ProgramIndex, dotted

if TYPE_CHECKING:
    from harness.audit.scans.scope_nodes import Scope

Expression = dict[str, Any] | None

_ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_CASTS = {"int", "float", "bool", "str"}
_COMPARE = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//"}
_DEPTH = 12
_LENGTH = 200
_NODES_AT_MOST = 60  # of an expression that is the value of a setting
_NOWHERE = ast.Module(body=[], type_ignores=[])  # a scope without names


class Settings:
    """The settings of a program by the attribute or variable that holds them."""

    def __init__(self, index: ProgramIndex) -> None:
        self._values: dict[str, list[ast.expr]] = {}
        self._dumped: dict[str, bool] = {}
        self.locals = local_values(index)
        for _, scope in index.scopes():
            lookups = [
                index.order.places[id(call)]
                for call in index.own.of(scope, ast.Call)
                if _lookup(call) is not None
            ]
            is_module = isinstance(scope, ast.Module)
            for target, value in assignments(scope, index) if lookups or is_module else ():
                name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
                if not name:
                    continue
                if (is_module and _is_constant(value)) or _is_lookup(index.order.stretch(value), lookups):
                    self._values.setdefault(name, []).append(value)

    def expression(self, node: ast.expr, scope: Scope, depth: int = 0) -> Expression:
        """The node as data; None inside for what no setting determines."""
        if depth > _DEPTH:
            return None
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | bool | None):
            return {"const": node.value if not isinstance(node.value, str) else node.value[:_LENGTH]}
        if isinstance(node, ast.Call):
            return self._call(node, scope, depth)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._name(node, scope, depth)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            op = "not" if isinstance(node.op, ast.Not) else "neg"
            return {"op": op, "of": [self.expression(node.operand, scope, depth + 1)]}
        if isinstance(node, ast.BoolOp):
            op = "and" if isinstance(node.op, ast.And) else "or"
            return {"op": op, "of": [self.expression(one, scope, depth + 1) for one in node.values[:8]]}
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
            sides = [node.left, node.comparators[0]]
            op = _COMPARE[type(node.ops[0])]
            return {"op": op, "of": [self.expression(one, scope, depth + 1) for one in sides]}
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            sides = [node.left, node.right]
            op = _ARITHMETIC[type(node.op)]
            return {"op": op, "of": [self.expression(one, scope, depth + 1) for one in sides]}
        if isinstance(node, ast.IfExp):
            parts = [node.test, node.body, node.orelse]
            return {"op": "if", "of": [self.expression(one, scope, depth + 1) for one in parts]}
        if isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) <= 12:
            return {"op": "list", "of": [self.expression(one, scope, depth + 1) for one in node.elts]}
        return None

    def condition(self, test: ast.expr, outcome: bool, scope: Scope) -> Expression:
        """A test as data, turned round where its other branch is meant."""
        expression = self.expression(test, scope)
        return expression if outcome or expression is None else {"op": "not", "of": [expression]}

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Expression:
        looked_up = _lookup(node)
        if looked_up is not None:
            name, default = looked_up
            of = None if default is None else self.expression(default, scope, depth + 1)
            return {"env": name, "default": of}
        name = dotted(node.func)
        last = name.rpartition(".")[2]
        if name in _CASTS and len(node.args) == 1 and not node.keywords:
            return {"op": name, "of": [self.expression(node.args[0], scope, depth + 1)]}
        if last in {"max", "min"} and name == last and 1 < len(node.args) <= 6:
            return {"op": last, "of": [self.expression(one, scope, depth + 1) for one in node.args]}
        if isinstance(node.func, ast.Attribute) and last in {"lower", "strip", "upper"} and not node.args:
            return {"op": last, "of": [self.expression(node.func.value, scope, depth + 1)]}
        return None

    def _name(self, node: ast.Name | ast.Attribute, scope: Scope, depth: int) -> Expression:
        if isinstance(node, ast.Name):
            local = self.locals.of(scope).get(node.id, ...)
            if local is None:
                return None  # assigned more than once: no one value
            if isinstance(local, ast.expr):
                return self.expression(local, scope, depth + 1)
        name = _last_name(node)
        values = self._values.get(name, [])
        if not values:
            return None
        if not self._is_one(name, values):
            return {"attribute": name, "is": None}
        return {"attribute": name, "is": self.expression(values[0], _NOWHERE, depth + 1)}

    def _is_one(self, name: str, values: list[ast.expr]) -> bool:
        """Whether the program says the same of a setting wherever it says something."""
        if name not in self._dumped:
            first = ast.dump(values[0])
            self._dumped[name] = all(ast.dump(value) == first for value in values[1:8])
        return self._dumped[name]


def settings_of(index: ProgramIndex) -> Settings:
    """The settings of a program, found once for all scans."""
    return index.once("settings", lambda: Settings(index))


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | bool)


def _is_lookup(stretch: range, lookups: list[int]) -> bool:
    """Whether an expression is small and reads the environment."""
    following = bisect_left(lookups, stretch.start)
    return len(stretch) <= _NODES_AT_MOST and following < len(lookups) and lookups[following] < stretch.stop


def _lookup(node: ast.Call) -> tuple[str, ast.expr | None] | None:
    """The variable and default of `os.environ.get(NAME, default)`, or of a helper called with such a NAME."""
    if not node.args or not isinstance(node.args[0], ast.Constant) or not isinstance(node.args[0].value, str):
        return None
    name = node.args[0].value
    called = dotted(node.func)
    is_get = called.endswith(("environ.get", "getenv"))
    if not (_ENVIRONMENT_NAME.fullmatch(name) if not is_get else name):
        return None
    if not is_get and (len(node.args) != 2 or not _is_constant(node.args[1]) or "." in called):
        return None
    default = node.args[1] if len(node.args) > 1 else None
    return name[:_LENGTH], default
