"""What operators make of tokens, scores and lookups."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import choices, contents, expressions, gates, left_out, mixing, written_loss
from harness.audit.token_flow.flow import (
    BITS,
    COMPARED,
    CONSECUTIVE,
    COUNTS,
    DISTRIBUTION,
    ENTRY,
    LENGTH,
    LOG_TWO,
    NOTHING,
    PAIRED,
    PLOGP,
    RANGE,
    REPEATED,
    SEARCHED,
    SELECTION,
    SPREAD,
    SUM,
    UNEVEN,
    Flow,
    joined,
    mixed_of,
    replace,
)
from harness.audit.token_flow.linear import ZERO, Linear
from harness.audit.token_flow.objects import Cell
from harness.audit.token_flow.positions_by_call import as_window

if TYPE_CHECKING:
    from harness.audit.token_flow.walker import Walker


# Kinds arithmetic does not take away.
_KEPT = frozenset({BITS, SUM, SPREAD, DISTRIBUTION, ENTRY, SEARCHED, COMPARED, PAIRED, UNEVEN})


def binary(walker: Walker, node: ast.BinOp) -> Flow:
    """`left op right`."""
    before, walker.in_log_sum = walker.in_log_sum, walker.in_log_sum or walker.syntax_fact(_is_log_sum, node)
    try:
        return _operator(walker, node)
    finally:
        walker.in_log_sum = before


def _is_log_sum(node: ast.BinOp) -> bool:
    """`max(a, b) + log1p(exp(-abs(a - b)))`: a stable sum, no choice of the higher."""
    if not isinstance(node.op, ast.Add):
        return False
    calls = {
        _last(each.func)
        for side in (node.left, node.right)
        for each in ast.walk(side)
        if isinstance(each, ast.Call)
    }
    return bool(calls & {"log1p", "log"}) and "exp" in calls


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _operator(walker: Walker, node: ast.BinOp) -> Flow:
    left = contents.whole(walker, walker.evaluate(node.left))
    right = contents.whole(walker, walker.evaluate(node.right))
    if isinstance(node.op, ast.Mod) and left.text is not None and not left.text.startswith("module:"):
        return expressions.printed(walker, left.text, [right])
    return of_values(walker, node, node.op, left, right)


def of_values(walker: Walker, node: ast.AST, op: ast.operator, left: Flow, right: Flow) -> Flow:
    """The value of an operator, however it is written; `node` shows the terms of a sum."""
    if isinstance(op, ast.Add | ast.Sub):
        mixed = mixing.joined_terms(walker, node, left, right)
        loss = written_loss.of_difference(walker, left, right) if isinstance(op, ast.Sub) else None
        if mixed is not None or loss is not None:
            return mixed or loss or NOTHING
        return written_loss.shifted(left, right, combined(walker, op, left, right))
    return combined(walker, op, left, right)


def combined(walker: Walker, op: ast.operator, left: Flow, right: Flow) -> Flow:
    """The value of an operator, mixtures aside."""
    listed = _listed_twice(op, left, right)
    if listed is not None:
        return listed
    result = mixed_of((left, right))
    kinds = (left.kinds | right.kinds) & _KEPT
    if isinstance(op, ast.Div):
        if LOG_TWO in right.kinds:
            kinds |= {BITS}
        # A count that was looked up is a function of tokens, too, but no length.
        of_token = (right.tokens and not right.lookups) or LENGTH in right.kinds
        if left.scores and not {SUM} & (left.kinds | right.kinds) and of_token and not right.scores:
            kinds |= {SPREAD}
            walker.recorder.spread(left.scores, walker.here)
        mixing.divided(walker, left, right)
        if UNEVEN in right.kinds and left.scores:
            result = left_out.by_count(walker, result)
    if isinstance(op, ast.Mult):
        fitted = mixing.multiplied(walker, left, right)
        if fitted is not None:
            return fitted
        if DISTRIBUTION in left.kinds and DISTRIBUTION in right.kinds:
            kinds |= {PLOGP}
        if not (left.scores or right.scores):  # `nats / (n_bytes * log(2))`
            kinds |= {LOG_TWO} & (left.kinds | right.kinds)
    if isinstance(op, ast.Add | ast.Sub):
        kinds |= {CONSECUTIVE} & (left.kinds | right.kinds)
    is_mask = isinstance(op, ast.BitAnd | ast.BitOr) and SELECTION in left.kinds | right.kinds
    if is_mask or (SELECTION in left.kinds and SELECTION in right.kinds):
        kinds |= {SELECTION}
    tables = contents.tables(walker, left, right)
    if (left.tokens and right.tokens and left.tokens != right.tokens) or (is_mask and result.tokens):
        result = replace(result, joined_at=walker.here)
    if isinstance(op, ast.MatMult):
        result = as_window(result)
    number = ZERO if SELECTION in kinds else _number(walker, op, left, right)
    result = replace(result, number=number, kinds=frozenset(kinds), objects=tables)
    if isinstance(op, ast.Mult):
        result = left_out.by_product(walker, left, right, result)
    return choices.by_operator(walker, op, left, right, result)


def _listed_twice(op: ast.operator, left: Flow, right: Flow) -> Flow | None:
    """`positions * 2`, `positions + positions`: the same elements again; None for anything else."""
    one, other = (left, right) if _is_list(left) else (right, left)
    if not _is_list(one):
        return None
    if isinstance(op, ast.Add):
        is_again = left.items is right.items and left.objects == right.objects
    else:
        is_again = isinstance(op, ast.Mult) and not (other.objects or other.tokens or other.scores)
    return one.with_kinds(REPEATED) if is_again else None


def _is_list(value: Flow) -> bool:
    """Whether it lists positions or pieces that were computed, not constants."""
    if RANGE in value.kinds:
        return value.items is not None
    return any(isinstance(each, Cell) and each.is_list and bool(each.parts) for each in value.objects)


def _number(walker: Walker, op: ast.operator, left: Flow, right: Flow) -> Linear | None:
    one, other = left.number, right.number
    if one is None or other is None:
        return None
    if isinstance(op, ast.Add | ast.Sub):
        return one.plus(other, 1 if isinstance(op, ast.Add) else -1)
    if isinstance(op, ast.Mult):
        if one.is_constant:
            return other.times(one.constant)
        if other.is_constant:
            return one.times(other.constant)
    return walker.symbols.of(type(op).__name__, one, other)


def accumulated(walker: Walker, node: ast.AugAssign, old: Flow, added: Flow) -> Flow:
    """`old += added`: a sum over tokens, unless something else is added to a score."""
    if COUNTS in added.kinds and any(isinstance(each, Cell) for each in old.objects):
        contents.update(walker, old, added, "+=")
        return old
    if isinstance(node.op, ast.Add | ast.Sub):
        mixing.chosen_under_guard(walker, added)
        added = left_out.of_itself(walker, node, left_out.under_tests(walker, added))
        if not added.scores or not old.scores:
            mixed = mixing.joined_terms(walker, node, old, added) if old.scores or not added.scores else None
            if mixed is not None:
                return mixed
        result = combined(walker, node.op, old, added)
        if not added.scores and not old.scores and left_out.is_counted_by_loss(walker):
            result = result.with_kinds(UNEVEN)
        if added.scores:
            result = gates.with_sums(result).with_kinds(SUM)
            result = replace(result, tokens=frozenset(), about=frozenset(), keys=frozenset())
        # Two lines that add losses of the same tokens are arms of a branch, or a plain sum.
        return result if PAIRED in old.kinds | added.kinds else result.without(PAIRED)
    return combined(walker, node.op, old, added)


def unary(walker: Walker, node: ast.UnaryOp) -> Flow:
    """`op value`."""
    value = walker.evaluate(node.operand)
    number = value.number.times(-1) if value.number is not None and isinstance(node.op, ast.USub) else None
    if isinstance(node.op, ast.USub):
        return replace(value, number=number, text=None)
    return replace(value, text=None)


def compare(walker: Walker, node: ast.Compare) -> Flow:
    """A comparison: a test on what is compared."""
    left = contents.whole(walker, walker.evaluate(node.left))
    rights = [walker.evaluate(each) for each in node.comparators]
    if len(rights) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn) and left.tokens:
        found = contents.lookup(walker, rights[0], left, (left,))
        return replace(found, number=ZERO, objects=(), items=None, text=None, kinds=frozenset({SELECTION}))
    rights = [contents.whole(walker, each) for each in rights]
    result = mixed_of((left, *rights))
    kinds = {SELECTION} | ({SUM} & (left.kinds.union(*(each.kinds for each in rights))))
    if isinstance(node.ops[0], ast.Is | ast.IsNot):
        result = replace(result, scores=frozenset(), tokens=frozenset())  # says that there is one, not which
    if len(rights) == 1:
        right = rights[0]
        if mixing.are_two_losses(walker, left, right) or choices.compared(walker, left, right):
            kinds.add(COMPARED)
        if isinstance(node.ops[0], ast.GtE | ast.Lt) and right.number == ZERO:
            # A negative number marks what was not found: the test says whether, not how much.
            kinds.add(SELECTION)
            result = replace(result, lookups=frozenset(), keys=frozenset())
    return replace(result, number=ZERO, kinds=frozenset(kinds))


def boolean(walker: Walker, node: ast.BoolOp) -> Flow:
    """`and`, `or`."""
    flows = [walker.evaluate(each) for each in node.values]
    if isinstance(node.op, ast.Or):
        return joined(flows)
    kinds = {SELECTION} | ({COMPARED} & frozenset().union(*(flow.kinds for flow in flows)))
    return replace(mixed_of(flows), number=ZERO, kinds=frozenset(kinds))
