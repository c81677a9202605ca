"""What expressions make of tokens, scores and lookups."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import calling, indexing, mixing
from harness.audit.token_flow.flow import (
    BITS,
    COMPARED,
    COUNTS,
    DISTRIBUTION,
    ENTROPY,
    ENTRY,
    HIT,
    LENGTH,
    LOG_TWO,
    NOTHING,
    PLOGP,
    SEARCHED,
    SELECTION,
    SPREAD,
    SUM,
    Bound,
    Cell,
    ClassOf,
    Flow,
    Function,
    Instance,
    Scope,
    joined,
    mixed_of,
    replace,
)
from harness.audit.token_flow.linear import ZERO, Linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.token_flow.walker import Walker

_LOG_OF_TWO = 0.6931
_KEPT = frozenset({BITS, SUM, SPREAD, DISTRIBUTION, ENTRY, SEARCHED})  # kinds arithmetic does not take away


def children(walker: Walker, node: ast.expr) -> Flow:
    return mixed_of(
        [walker.evaluate(each) for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)]
    )


def constant(value: object) -> Flow:
    """The value of a literal."""
    if isinstance(value, str):
        return Flow(text=value)
    if isinstance(value, bool) or value is None:
        return Flow(text=str(value))
    if isinstance(value, int | float) and abs(value) < 2**40:
        if abs(value - _LOG_OF_TWO) < 1e-4:
            return Flow(kinds=frozenset({LOG_TWO}))
        if value == int(value):
            return Flow(number=Linear((), int(value)))
    return Flow()


def _attribute(walker: Walker, node: ast.Attribute) -> Flow:
    return attribute(walker, walker.evaluate(node.value), node.attr)


def attribute(walker: Walker, owner: Flow, name: str) -> Flow:
    """Read `owner.name`."""
    is_object = False
    for each in owner.objects:
        if isinstance(each, Instance):
            is_object = True
            found = each.names.get(name)
            if found is None:
                found = _member(each, owner, name)
        elif isinstance(each, ClassOf):
            is_object = True
            found = each.find(name)
        else:
            continue
        if found is not None:
            return found
    if owner.text is not None and owner.text.startswith("module:"):
        return walker.module(f"{owner.text}.{name}")
    number = walker.symbols.of("attribute", owner.number, name) if owner.number is not None else None
    if is_object:
        if number is None:
            number = walker.symbols.of("attribute", owner.objects[0], name)
        return Flow(number=number, objects=(Bound(owner, name),))
    return replace(owner, number=number, text=None, items=None, objects=(Bound(owner, name),))


def _member(instance: Instance, owner: Flow, name: str) -> Flow | None:
    """What the class of an object has under the name; functions are bound to the object."""
    member = instance.of.find(name)
    if member is None:
        return None
    functions = [one for one in member.objects if isinstance(one, Function)]
    if not functions:
        return member
    return Flow(objects=tuple(Function(f.node, f.scope, f.file, ((owner,), {})) for f in functions))


def _binary(walker: Walker, node: ast.BinOp) -> Flow:
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
    left = indexing.whole(walker, walker.evaluate(node.left))
    right = indexing.whole(walker, walker.evaluate(node.right))
    if isinstance(node.op, ast.Mod) and left.text is not None and not left.text.startswith("module:"):
        return printed(walker, left.text, [right])
    if isinstance(node.op, ast.Add | ast.Sub):
        mixed = mixing.added(walker, node, left, right)
        if mixed is not None:
            return mixed
    return combined(walker, node.op, left, right)


def combined(walker: Walker, op: ast.operator, left: Flow, right: Flow) -> Flow:
    """The value of an operator, mixtures aside."""
    result = mixed_of((left, right))
    kinds = (left.kinds | right.kinds) & _KEPT
    if isinstance(op, ast.Div):
        if LOG_TWO in right.kinds:
            kinds |= {BITS}
        of_token = right.tokens or LENGTH in right.kinds
        if left.scores and not {SUM} & (left.kinds | right.kinds) and of_token and not right.scores:
            kinds |= {SPREAD}
            walker.recorder.spread(left.scores, walker.here)
        mixing.divided(walker, left, right)
    if isinstance(op, ast.Mult):
        mixing.multiplied(walker, left, right)
        if DISTRIBUTION in left.kinds and DISTRIBUTION in right.kinds:
            kinds |= {PLOGP}
    is_mask = isinstance(op, ast.BitAnd | ast.BitOr) and SELECTION in left.kinds | right.kinds
    if is_mask or (SELECTION in left.kinds and SELECTION in right.kinds):
        kinds |= {SELECTION}
    tables = tuple(
        each
        for each in (*left.objects, *right.objects)
        if isinstance(each, Cell) and each.site in walker.counted
    )
    if (left.tokens and right.tokens and left.tokens != right.tokens) or (is_mask and result.tokens):
        result = replace(result, joined_at=walker.here)
    number = ZERO if SELECTION in kinds else _number(walker, op, left, right)
    return replace(result, number=number, kinds=frozenset(kinds), objects=tables)


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
        indexing.update(walker, old, added, "+=")
        return old
    if isinstance(node.op, ast.Add | ast.Sub):
        mixing.chosen_under_guard(walker, added)
        if not added.scores or not old.scores:
            mixed = mixing.joined_terms(walker, node, old, added) if old.scores or not added.scores else None
            if mixed is not None:
                return mixed
        result = combined(walker, node.op, old, added)
        if added.scores:
            result = replace(result, tokens=frozenset(), about=frozenset(), keys=frozenset()).with_kinds(SUM)
        return result
    return combined(walker, node.op, old, added)


def _unary(walker: Walker, node: ast.UnaryOp) -> Flow:
    value = walker.evaluate(node.operand)
    number = value.number.times(-1) if value.number is not None and isinstance(node.op, ast.USub) else None
    if isinstance(node.op, ast.USub):
        return replace(value, number=number, text=None)
    return replace(value, text=None)


def _compare(walker: Walker, node: ast.Compare) -> Flow:
    left = indexing.whole(walker, walker.evaluate(node.left))
    rights = [walker.evaluate(each) for each in node.comparators]
    if len(rights) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn) and left.tokens:
        found = indexing.lookup(walker, rights[0], left, (left,))
        return replace(found, number=ZERO, objects=(), items=None, text=None, kinds=frozenset({SELECTION}))
    rights = [indexing.whole(walker, each) for each in rights]
    result = mixed_of((left, *rights))
    kinds = {SELECTION} | ({SUM} & (left.kinds.union(*(each.kinds for each in rights))))
    if isinstance(node.ops[0], ast.Is | ast.IsNot):
        result = replace(result, scores=frozenset(), tokens=frozenset())  # says that there is one, not which
    if len(rights) == 1:
        right = rights[0]
        if mixing.are_two_losses(walker, left, right):
            kinds.add(COMPARED)
        if isinstance(node.ops[0], ast.Eq) and bool(left.tokens) != bool(right.tokens):
            kinds.add(HIT)
        if isinstance(node.ops[0], ast.GtE | ast.Lt) and right.number == ZERO:
            # A negative number marks what was not found: the test says whether, not how much.
            kinds.add(SELECTION)
            result = replace(result, lookups=frozenset(), keys=frozenset())
    return replace(result, number=ZERO, kinds=frozenset(kinds))


def _boolean(walker: Walker, node: ast.BoolOp) -> Flow:
    flows = [walker.evaluate(each) for each in node.values]
    if isinstance(node.op, ast.Or):
        return joined(flows)
    return replace(mixed_of(flows), number=ZERO, kinds=frozenset({SELECTION}))


def _conditional(walker: Walker, node: ast.IfExp) -> Flow:
    test, body, other = (walker.evaluate(each) for each in (node.test, node.body, node.orelse))
    return mixing.either(walker, test, body, other)


def _sequence(walker: Walker, node: ast.Tuple | ast.List | ast.Set) -> Flow:
    items = [walker.evaluate(each.value if isinstance(each, ast.Starred) else each) for each in node.elts]
    if isinstance(node, ast.Tuple):
        return replace(mixed_of(items), items=tuple(items), kinds=frozenset())
    cell = walker.new_cell()
    cell.is_list = True
    for at, item in enumerate(items):
        walker.put(cell, ("item", at), item)
    return Flow(objects=(cell,), items=None)


def _dictionary(walker: Walker, node: ast.Dict) -> Flow:
    cell = walker.new_cell(is_mapping=True)
    for key, value in zip(node.keys, node.values, strict=True):
        name = walker.evaluate(key) if key is not None else NOTHING
        held = walker.evaluate(value)
        if name.tokens:
            indexing.update(walker, Flow(objects=(cell,)), name, "{...}")
            walker.put(cell, walker.here, held)
        elif name.text is not None:
            walker.put(cell, ("key", name.text), held)
        else:
            walker.put(cell, ("item", name.number), held)
    return Flow(objects=(cell,))


def _comprehension(
    walker: Walker, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
) -> Flow:
    outer = walker.scope
    walker.scope = Scope(outer=outer, module=walker.file)
    try:
        for generator in node.generators:
            iterable = walker.evaluate(generator.iter)
            walker.bind(generator.target, indexing.element(walker, iterable, 0))
            for test in generator.ifs:
                walker.evaluate(test)
        if isinstance(node, ast.DictComp):
            key, value = walker.evaluate(node.key), walker.evaluate(node.value)
        else:
            key, value = NOTHING, walker.evaluate(node.elt)
    finally:
        walker.scope = outer
    cell = walker.new_cell(is_mapping=isinstance(node, ast.DictComp))
    if key.tokens:
        indexing.update(walker, Flow(objects=(cell,)), key, "{...}")
    walker.put(cell, walker.here, value)
    cell.is_list = True
    return Flow(objects=(cell,))


def _lambda(walker: Walker, node: ast.Lambda) -> Flow:
    return Flow(objects=(Function(node, walker.scope, walker.file),))


def _named(walker: Walker, node: ast.NamedExpr) -> Flow:
    value = walker.evaluate(node.value)
    walker.bind(node.target, value)
    return value


def _formatted(walker: Walker, node: ast.JoinedStr) -> Flow:
    text, fields = "", []
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            fields.append(indexing.whole(walker, walker.evaluate(part.value)))
            text += "{}"
    return printed(walker, text, fields)


def printed(walker: Walker, text: str, fields: list[Flow]) -> Flow:
    """A text with values in it: where a score in bits is put in, it is reported."""
    for field in fields:
        for value in field.items or (field,):
            if BITS in value.kinds and value.scores:
                walker.recorder.sink(walker.here, text, value.scores)
    return Flow(text=text)


def _call(walker: Walker, node: ast.Call) -> Flow:
    # Looked up when it is called: the modules of the pass need each other.
    return calling.call(walker, node)


def _subscript(walker: Walker, node: ast.Subscript) -> Flow:
    return indexing.load(walker, node)


EXPRESSIONS: dict[type[ast.expr], Callable[..., Flow]] = {
    ast.Attribute: _attribute,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.IfExp: _conditional,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dictionary,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Lambda: _lambda,
    ast.NamedExpr: _named,
    ast.JoinedStr: _formatted,
    ast.Call: _call,
    ast.Subscript: _subscript,
}

__all__ = ["ENTROPY", "EXPRESSIONS", "accumulated", "attribute", "combined", "printed"]
