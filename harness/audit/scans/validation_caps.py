"""Parts of validation that code scores instead of all of it: slices with a limit, random minibatches.

A slice of validation tokens whose end is a number of the settings is a cap, with the conditions above it;
the rules compute both under the settings of the run. A plain number is one only where the slice takes the
place of the whole stream: it is returned, or goes back into the name it was taken from. A loop of a fixed
number of passes that takes validation data at random places is a sample.
"""

from __future__ import annotations

import ast
from typing import Any

from harness.audit.scans.call_order import OrderedCall, call_order
from harness.audit.scans.data_sources import VALIDATION, data_roles
from harness.audit.scans.scanned_program import FACTS_AT_MOST, ProgramIndex, dotted
from harness.audit.scans.scope_nodes import FunctionNode, Scope, called_name
from harness.audit.scans.setting_expressions import Expression, Settings, settings_of
from harness.audit.syntax_walk import nodes_below

_RANDOM = frozenset(
    {"randint", "randperm", "choice", "choices", "sample", "randrange", "integers", "shuffle"}
)
_SPLIT_WORDS = frozenset({"val", "valid", "validation"})
_TOKENS_AT_LEAST = 10_000  # of a cap that is a plain number: fewer are a header or a sample to show


def scan_validation_caps(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` slice (with `limit` and `tests`) or random-minibatches (with `passes`)."""
    settings = settings_of(index)
    facts = _slices(index, settings)
    facts += _samples(index, settings)
    return facts[:FACTS_AT_MOST]


def _slices(index: ProgramIndex, settings: Settings) -> list[dict[str, Any]]:
    roles = data_roles(index)
    facts: list[dict[str, Any]] = []
    for path, scope in index.reached:
        tests: dict[int, list[tuple[ast.expr, bool]]] | None = None
        whole: set[int] | None = None
        for node in index.own.of(scope, ast.Subscript):
            if not isinstance(node.slice, ast.Slice):
                continue
            end = node.slice.upper
            if end is None or node.slice.lower is not None or isinstance(end, ast.UnaryOp):
                continue
            if roles.of(node.value, scope) != VALIDATION:
                continue
            limit = _limit(end, scope, index, settings)
            if limit is None or "const" in limit:
                whole = _in_place_of_the_stream(scope, index) if whole is None else whole
                limit = _number(end, scope, settings) if id(node) in whole else None
                if limit is None:
                    continue
            if tests is None:
                tests = _tests_above(scope, index)
            facts.append(
                {
                    "file": path,
                    "line": node.lineno,
                    "kind": "slice",
                    "limit": limit,
                    "tests": [
                        _condition(test, outcome, scope, index, settings)
                        for test, outcome in tests.get(id(node), [])
                    ],
                }
            )
    return facts


def _limit(end: ast.expr, scope: Scope, index: ProgramIndex, settings: Settings) -> Expression:
    """The end as an expression of settings; a parameter stands for what its one caller gives."""
    expression = settings.expression(end, scope)
    if expression is not None and _is_determined(expression):
        return expression
    if not _parameters_named(end, scope):
        return None
    given = {name: value for name, value in _given(scope, index, settings).items() if value is not None}
    for part in [end, *_smaller(end)]:
        names = [node.id for node in nodes_below(part) if isinstance(node, ast.Name)]
        # A divisor bounds nothing: every name must be known, or the length of the stream may be among them.
        if names and all(name in given and _is_determined(given[name]) for name in names):
            return given[names[0]]
    return None


def _smaller(whole: ast.expr) -> list[ast.expr]:
    """The arguments of every `min` in an expression."""
    return [
        argument
        for node in nodes_below(whole)
        if isinstance(node, ast.Call) and dotted(node.func) == "min"
        for argument in node.args[:6]
    ]


def _in_place_of_the_stream(scope: Scope, index: ProgramIndex) -> set[int]:
    """Slices that a scope returns, or puts back into the name they were taken from."""
    found: set[int] = set()
    for node in index.own.of(scope, ast.Return, ast.Assign, ast.AnnAssign):
        value = node.value
        while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            value = value.func.value  # tokens[:n].contiguous()
        if not isinstance(value, ast.Subscript):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.Return) or any(ast.unparse(value.value) == ast.unparse(t) for t in targets):
            found.add(id(value))
    return found


def _number(end: ast.expr, scope: Scope, settings: Settings) -> Expression:
    """A plain number as the end, or the one that `min` puts above it."""
    whole = settings.locals.written_out(end, scope)
    for one in [whole, *_smaller(whole)]:
        limit = settings.expression(one, scope)
        if limit is None or not _is_determined(limit):
            continue
        if "const" not in limit or (
            isinstance(limit["const"], int | float) and limit["const"] >= _TOKENS_AT_LEAST
        ):
            return limit
    return None


def _condition(
    test: ast.expr, outcome: bool, scope: Scope, index: ProgramIndex, settings: Settings
) -> Expression:
    expression = settings.expression(test, scope)
    if (expression is None or not _is_determined(expression)) and _parameters_named(test, scope):
        given = _given(scope, index, settings)
        for node in nodes_below(test):
            if isinstance(node, ast.Name) and given.get(node.id) is not None:
                expression = given[node.id]  # `if limit > 0` and the like: true of a limit that is set
                break
        else:
            return None
    return expression if outcome else {"op": "not", "of": [expression]}


def _parameters_named(node: ast.AST, scope: Scope) -> bool:
    """Whether an expression reads a parameter of its function."""
    if not isinstance(scope, FunctionNode):
        return False
    arguments = scope.args
    names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return any(isinstance(one, ast.Name) and one.id in names for one in nodes_below(node))


def _given(scope: Scope, index: ProgramIndex, settings: Settings) -> dict[str, Expression]:
    """What the only reached call of a function gives its parameters, defaults included."""
    if not isinstance(scope, FunctionNode):
        return {}
    function = index.by_node[id(scope)]
    arguments = scope.args
    defaults = dict(
        zip(
            [one.arg for one in reversed([*arguments.posonlyargs, *arguments.args])],
            reversed(arguments.defaults),
            strict=False,
        )
    )
    found: dict[str, Expression] = {name: settings.expression(one, scope) for name, one in defaults.items()}
    for caller, node in index.calls_of(scope.name):
        for name, argument in zip(function.parameters, node.args, strict=False):
            found[name] = settings.expression(argument, caller)
        for word in node.keywords:
            if word.arg:
                found[word.arg] = settings.expression(word.value, caller)
    return found


def _is_determined(expression: Expression) -> bool:
    """Whether settings and constants alone make the value."""
    if expression is None:
        return False
    if "of" in expression:
        return all(_is_determined(one) for one in expression["of"])
    if "attribute" in expression:
        return _is_determined(expression["is"])
    return True


def _tests_above(scope: Scope, index: ProgramIndex) -> dict[int, list[tuple[ast.expr, bool]]]:
    """Conditions above each subscript of a scope, with their outcome."""
    found: dict[int, list[tuple[ast.expr, bool]]] = {}
    for node in index.own.of(scope, ast.If, ast.IfExp):
        bodies = [node.body] if isinstance(node, ast.IfExp) else node.body
        others = [node.orelse] if isinstance(node, ast.IfExp) else node.orelse
        for branch, outcome in ((bodies, True), (others, False)):
            for statement in branch:
                for one in index.order.below(statement):
                    if isinstance(one, ast.Subscript):
                        found.setdefault(id(one), []).append((node.test, outcome))
    return found


def _samples(index: ProgramIndex, settings: Settings) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = []
    seen: set[int] = set()
    for call in call_order(index).calls:
        if called_name(call.node) not in _RANDOM or not _takes_validation(call):
            continue
        loop = next((one for one in reversed(call.loops) if _is_repeat(one)), None)
        if loop is None or id(loop) in seen:
            continue
        seen.add(id(loop))
        passes = loop.iter.args[0] if isinstance(loop, ast.For) and isinstance(loop.iter, ast.Call) else None
        facts.append(
            {
                "file": index.entry if len(call.stack) < 2 else call.file,
                "line": loop.lineno,
                "kind": "random-minibatches",
                "passes": None if passes is None else settings.expression(passes, call.scope),
                "random_file": call.file,
                "random_line": call.node.lineno,
            }
        )
    return facts


def _is_repeat(loop: ast.For | ast.While) -> bool:
    """`for _ in range(20)` whose variable nothing reads: the same thing, again and again."""
    if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name):
        return False
    is_range = (
        isinstance(loop.iter, ast.Call) and dotted(loop.iter.func) == "range" and len(loop.iter.args) == 1
    )
    name = loop.target.id
    used = any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for statement in loop.body
        for node in nodes_below(statement)
    )
    return is_range and not used


def _takes_validation(call: OrderedCall) -> bool:
    """Whether a call on the way says that it wants validation data."""
    return any(
        isinstance(argument, ast.Constant) and argument.value in _SPLIT_WORDS
        for one in call.stack
        for argument in [*one.args, *(word.value for word in one.keywords)]
    )
