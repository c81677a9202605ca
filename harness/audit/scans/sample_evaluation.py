"""Computes what a function makes of the sample tokenizer, to see which byte table it builds.

An evaluator of a small part of Python over plain values. Nothing of the submission is executed: names resolve
to our own values, calls to our own models of them, and anything else is UNKNOWN. Steps, sizes and depth are
bounded.
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

from harness.audit.scans.sample_calls import UNKNOWN, call_method, call_named
from harness.audit.scans.sample_tokenizer import SampleTokenizer
from harness.audit.scans.scanned_program import dotted
from harness.audit.scans.scope_nodes import FunctionNode

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS_AT_MOST = 12_000
_ITEMS_AT_MOST = 300
_DEPTH = 40

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.FloorDiv: operator.floordiv,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
    ast.Is: lambda one, other: one is other,
    ast.IsNot: lambda one, other: one is not other,
}


class NotEvaluable(Exception):  # noqa: N818 - it is an answer, not an error
    """The function depends on something the evaluator does not know."""


class _Leave(Exception):  # noqa: N818 - control flow of the evaluated function
    """`continue`, `break` or `return` inside the evaluated function."""

    def __init__(self, kind: str, value: Any = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.value = value


class SampleRun:
    """One evaluation. `names` are the local values when it ends, `result` what it returned.

    `stored` has the line that last wrote into a list, by the list's identity and the place in it.
    """

    def __init__(self, constants: dict[str, Any] | None = None) -> None:
        self.names: dict[str, Any] = dict(constants or {})
        self.result: Any = None
        self.stored: dict[tuple[int, int], int] = {}
        self._steps = 0
        self._in_token_loop = 0

    def run(self, body: list[ast.stmt]) -> None:
        """Evaluate statements; raises NotEvaluable when the steps run out or a token's branch is unknown."""
        try:
            self._block(body, 0)
        except _Leave as leave:
            self.result = leave.value
        except (RecursionError, MemoryError, TypeError, ValueError, IndexError, KeyError) as error:
            raise NotEvaluable(str(error)[:80]) from None

    def _step(self, depth: int) -> None:
        self._steps += 1
        if self._steps > STEPS_AT_MOST or depth > _DEPTH:
            raise NotEvaluable("too long")

    def _block(self, body: list[ast.stmt], depth: int) -> None:
        for statement in body:
            self._step(depth)
            self._statement(statement, depth + 1)

    def _statement(self, node: ast.stmt, depth: int) -> None:
        if isinstance(node, ast.Assign):
            value = self.value(node.value, depth)
            for target in node.targets:
                self._store(target, value, depth)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._store(node.target, self.value(node.value, depth), depth)
        elif isinstance(node, ast.AugAssign):
            old, new = self.value(node.target, depth), self.value(node.value, depth)
            self._store(node.target, _binary(node.op, old, new), depth)
        elif isinstance(node, ast.Expr):
            self.value(node.value, depth)
        elif isinstance(node, ast.If):
            self._if(node, depth)
        elif isinstance(node, ast.For):
            self._for(node, depth)
        elif isinstance(node, ast.With | ast.Try):
            self._block(node.body, depth)
        elif isinstance(node, FunctionNode):
            self.names[node.name] = node
        elif isinstance(node, ast.Continue):
            raise _Leave("continue")
        elif isinstance(node, ast.Break):
            raise _Leave("break")
        elif isinstance(node, ast.Return):
            raise _Leave("return", None if node.value is None else self.value(node.value, depth))

    def _if(self, node: ast.If, depth: int) -> None:
        test = self.value(node.test, depth)
        if test is UNKNOWN:
            if self._in_token_loop:
                raise NotEvaluable("an unknown condition decides about a token")
            return
        self._block(node.body if test else node.orelse, depth)

    def _for(self, node: ast.For, depth: int) -> None:
        items = self.value(node.iter, depth)
        if items is UNKNOWN or not isinstance(items, list | tuple | range | str | bytes):
            return
        self._in_token_loop += 1
        try:
            for item in items[:_ITEMS_AT_MOST]:
                self._store(node.target, item, depth)
                try:
                    self._block(node.body, depth)
                except _Leave as leave:
                    if leave.kind == "return":
                        raise
                    if leave.kind == "break":
                        break
        finally:
            self._in_token_loop -= 1

    def _store(self, target: ast.expr, value: Any, depth: int) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            parts = list(value) if isinstance(value, list | tuple) else []
            for place, one in enumerate(target.elts):
                self._store(one, parts[place] if place < len(parts) else UNKNOWN, depth)
        elif isinstance(target, ast.Subscript):
            held, place = self.value(target.value, depth), self.value(target.slice, depth)
            inside = isinstance(held, list) and isinstance(place, int) and -len(held) <= place < len(held)
            if inside or (isinstance(held, dict) and isinstance(place, int | str | bytes)):
                held[place] = value
                if inside:
                    self.stored[id(held), place % len(held)] = target.lineno

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """The value of an expression, UNKNOWN when it is not ours to know."""
        self._step(depth)
        depth += 1
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self.names.get(node.id, UNKNOWN)
        if isinstance(node, ast.Tuple | ast.List):
            return [self.value(one, depth) for one in node.elts[:_ITEMS_AT_MOST]]
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        if isinstance(node, ast.BinOp):
            return _binary(node.op, self.value(node.left, depth), self.value(node.right, depth))
        if isinstance(node, ast.UnaryOp):
            return _unary(node.op, self.value(node.operand, depth))
        if isinstance(node, ast.BoolOp):
            return self._logical(node, depth)
        if isinstance(node, ast.Compare):
            return self._compare(node, depth)
        if isinstance(node, ast.IfExp):
            test = self.value(node.test, depth)
            if test is UNKNOWN:
                return UNKNOWN
            return self.value(node.body if test else node.orelse, depth)
        if isinstance(node, ast.Subscript):
            return self._item(node, depth)
        if isinstance(node, ast.ListComp | ast.GeneratorExp) and len(node.generators) == 1:
            return self._comprehension(node, depth)
        if isinstance(node, ast.Dict) and not node.keys:
            return {}
        return UNKNOWN

    def _logical(self, node: ast.BoolOp, depth: int) -> Any:
        decisive = isinstance(node.op, ast.Or)
        unknown = False
        value: Any = UNKNOWN
        for one in node.values:
            value = self.value(one, depth)
            if value is UNKNOWN:
                unknown = True
            elif bool(value) is decisive:
                return value
        return UNKNOWN if unknown else value

    def _compare(self, node: ast.Compare, depth: int) -> Any:
        left = self.value(node.left, depth)
        for op, side in zip(node.ops, node.comparators, strict=True):
            right = self.value(side, depth)
            if left is UNKNOWN or right is UNKNOWN:
                return UNKNOWN
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _item(self, node: ast.Subscript, depth: int) -> Any:
        held = self.value(node.value, depth)
        if isinstance(node.slice, ast.Slice):
            ends = [
                None if end is None else self.value(end, depth)
                for end in (node.slice.lower, node.slice.upper)
            ]
            if (
                isinstance(held, list | str | bytes | tuple)
                and UNKNOWN not in ends
                and node.slice.step is None
            ):
                return held[slice(*ends)]
            return UNKNOWN
        place = self.value(node.slice, depth)
        if isinstance(held, list | str | bytes | tuple) and isinstance(place, int):
            return held[place] if -len(held) <= place < len(held) else UNKNOWN
        if isinstance(held, dict) and isinstance(place, int | str | bytes):
            return held.get(place, UNKNOWN)
        return UNKNOWN

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp, depth: int) -> Any:
        generator = node.generators[0]
        items = self.value(generator.iter, depth)
        if not isinstance(items, list | tuple | range | str | bytes):
            return UNKNOWN
        found: list[Any] = []
        for item in items[:_ITEMS_AT_MOST]:
            self._store(generator.target, item, depth)
            tests = [self.value(test, depth) for test in generator.ifs]
            if UNKNOWN in tests:
                return UNKNOWN
            if all(tests):
                found.append(self.value(node.elt, depth))
        return found

    def _call(self, node: ast.Call, depth: int) -> Any:
        arguments = [self.value(one, depth) for one in node.args[:8] if not isinstance(one, ast.Starred)]
        words = {word.arg: self.value(word.value, depth) for word in node.keywords[:8] if word.arg}
        name = dotted(node.func)
        last = name.rpartition(".")[2]
        if isinstance(node.func, ast.Attribute):
            held = self.value(node.func.value, depth)
            if isinstance(held, SampleTokenizer):
                answer = held.answer(node.func.attr, arguments)
                return UNKNOWN if answer is NotImplemented else answer
            if held is not UNKNOWN:
                return call_method(held, node.func.attr, arguments)
        elif isinstance(self.names.get(name), FunctionNode):
            return self._own_function(self.names[name], arguments, depth)
        if last == "SentencePieceProcessor":
            return SampleTokenizer()
        return call_named(last, arguments, words)

    def _own_function(self, function: FunctionNode, arguments: list[Any], depth: int) -> Any:
        """A function defined in the evaluated one: its names are ours, its parameters are not kept."""
        outside = dict(self.names)
        for parameter, argument in zip(function.args.args, arguments, strict=False):
            self.names[parameter.arg] = argument
        try:
            self._block(function.body, depth)
        except _Leave as leave:
            return leave.value
        finally:
            self.names = outside
        return None


def _binary(op: ast.operator, left: Any, right: Any) -> Any:
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if isinstance(op, ast.Mult) and isinstance(left, list) and isinstance(right, int):
        return left * right if len(left) * right <= _ITEMS_AT_MOST else UNKNOWN
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if isinstance(op, ast.Mult) and numbers:
        return left * right
    texts = isinstance(left, str | bytes | list) and type(left) is type(right)
    if type(op) in _BINARY and (numbers or (isinstance(op, ast.Add) and texts)):
        try:
            result = _BINARY[type(op)](left, right)
        except (TypeError, ZeroDivisionError, OverflowError):
            return UNKNOWN
        return UNKNOWN if isinstance(result, str | bytes | list) and len(result) > 4_000 else result
    return UNKNOWN


def _unary(op: ast.unaryop, value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(op, ast.Not):
        return not value
    return -value if isinstance(op, ast.USub) and isinstance(value, int | float) else UNKNOWN
