"""What names, attributes, literals, containers and texts are made of."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import calling, contents, indexing, mixing, operators
from harness.audit.token_flow.flow import BITS, LOG_TWO, NOTHING, Flow, joined, mixed_of, replace
from harness.audit.token_flow.linear import Linear
from harness.audit.token_flow.objects import Bound, ClassOf, Function, FunctionKind, Instance, Scope
from harness.audit.token_flow.positions_by_call import as_window

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.token_flow.walker import Walker


_LOG_OF_TWO = 0.6931
_WRAPPED = frozenset({"module", "_orig_mod"})  # of networks in parallel, and of compiled ones
_FORM = frozenset({"shape", "size", "dtype", "device", "ndim", "nbytes", "itemsize", "is_cuda", "strides"})
OBJECTS_AT_MOST = 8  # of those a value may be, so many are asked for an attribute


def children(walker: Walker, node: ast.expr) -> Flow:
    """An expression of a kind we know nothing of: made of its parts."""
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
    found: list[Flow] = []
    for each in owner.objects:
        if isinstance(each, Instance):
            is_object = True
            held = each.names.get(name)
            if held is None and not found:
                held = _member(walker, each.of, owner, name)
        elif isinstance(each, ClassOf):
            is_object = True
            held = _of_class(each, name)
        else:
            continue
        if held is not None:
            found.append(held)
            if len(found) >= OBJECTS_AT_MOST:
                break
    if found:
        return found[0] if len(found) == 1 else joined(found)
    if name in _WRAPPED and any(isinstance(each, Instance) for each in owner.objects):
        return owner  # what wraps a network stands for the network here
    if owner.text is not None and owner.text.startswith("module:"):
        return walker.module(f"{owner.text}.{name}")
    if name in _FORM:
        return form_of(walker, owner, name)
    number = walker.symbols.of("attribute", owner.number, name) if owner.number is not None else None
    if is_object:
        if number is None:
            number = walker.symbols.of("attribute", owner.objects[0], name)
        return Flow(number=number, objects=(Bound(owner, name),))
    return replace(owner, number=number, text=None, items=None, objects=(Bound(owner, name),))


def form_of(walker: Walker, owner: Flow, name: str, *which: Flow) -> Flow:
    """Shape, size, type or place of an array: nothing of what is in it, the same each time it is asked."""
    of_what = owner.number if owner.number is not None else (owner.tokens, owner.about)
    number = walker.symbols.of("form", of_what, name, *(each.number for each in which))
    return Flow(number=number, loops=owner.loops, objects=(Bound(owner, name),))


def _member(walker: Walker, cls: ClassOf, owner: Flow, name: str) -> Flow | None:
    """A member of its class: functions bound to the object, properties their value."""
    member = cls.find(name)
    if member is None:
        return None
    functions = [one for one in member.objects if isinstance(one, Function)]
    if not functions:
        return member
    first = functions[0]
    if first.kind is FunctionKind.PROPERTY:
        return calling.call_function(walker, first, [owner], {})
    if first.kind is FunctionKind.STATIC:
        return member
    bound = Flow(objects=(cls,)) if first.kind is FunctionKind.OF_CLASS else owner
    return Flow(objects=tuple(f.bound_to(bound) for f in functions))


def _of_class(cls: ClassOf, name: str) -> Flow | None:
    """A member read from the class itself: only class methods are bound."""
    member = cls.find(name)
    functions = [one for one in member.objects if isinstance(one, Function)] if member is not None else []
    if not functions or functions[0].kind is not FunctionKind.OF_CLASS:
        return member
    return Flow(objects=tuple(f.bound_to(Flow(objects=(cls,))) for f in functions))


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
            contents.update(walker, Flow(objects=(cell,)), name, "{...}")
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
            walker.bind(generator.target, contents.element(walker, iterable, 0))
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
        contents.update(walker, Flow(objects=(cell,)), key, "{...}")
    walker.put(cell, walker.here, value)
    cell.is_list = True
    return Flow(objects=(cell,))


def _lambda(walker: Walker, node: ast.Lambda) -> Flow:
    return Flow(objects=(Function(node, walker.scope, walker.file),))


def _yield(walker: Walker, node: ast.Yield) -> Flow:
    if node.value is not None and walker.yields:
        walker.yields[-1].append((node, walker.evaluate(node.value)))
    return NOTHING


def _yield_from(walker: Walker, node: ast.YieldFrom) -> Flow:
    inner = walker.evaluate(node.value)
    if walker.yields:
        walker.yields[-1].append((node, contents.element(walker, inner, 0)))
    return NOTHING


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
            fields.append(contents.whole(walker, walker.evaluate(part.value)))
            text += "{}"
    return printed(walker, text, fields)


def printed(walker: Walker, text: str, fields: list[Flow]) -> Flow:
    """A text with values in it: where a score in bits is put in, it is reported."""
    for field in fields:
        for value in field.items or (field,):
            if BITS in value.kinds and value.scores:
                walker.recorder.sink(walker.here, text, value.scores)
    return replace(Flow(text=text), tokens=as_window(mixed_of(fields)).tokens)


def _call(walker: Walker, node: ast.Call) -> Flow:
    # Looked up when it is called: the modules of the pass need each other.
    return calling.call(walker, node)


def _subscript(walker: Walker, node: ast.Subscript) -> Flow:
    return indexing.load(walker, node)


EXPRESSIONS: dict[type[ast.expr], Callable[..., Flow]] = {
    ast.Attribute: _attribute,
    ast.BinOp: operators.binary,
    ast.UnaryOp: operators.unary,
    ast.Compare: operators.compare,
    ast.BoolOp: operators.boolean,
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
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.Await: lambda walker, node: walker.evaluate(node.value),
}
