"""What a forward pass of a network writes into the network from the data it gets, by its syntax.

A buffer that gathers statistics of its input, or a list that keeps it, carries tokens from one forward pass
to the next without any gradient. Caches of sizes (the cosines of a rotary embedding) and values that each
pass overwrites before it reads them carry nothing.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.audit.syntax_walk import children, nodes_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METHODS_AT_MOST = 12
WALKS_AT_MOST = 40
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SIZES = frozenset({"shape", "device", "dtype", "ndim", "is_cuda", "training", "requires_grad"})
_SIZE_CALLS = frozenset(
    {
        *("size", "dim", "numel", "len", "arange", "zeros", "ones", "empty", "linspace", "eye", "zeros_like"),
        *("ones_like", "empty_like", "new_zeros", "new_empty", "new_ones", "isinstance", "hasattr", "type"),
        *("is_grad_enabled", "is_compiling", "get_device", "element_size", "range", "id"),
    }
)
_MAKERS = frozenset({"arange", "zeros", "ones", "empty", "linspace", "eye"})  # given a size, not a tensor
_AS_TYPE = frozenset({"to", "type", "type_as", "astype", "expand_as", "view_as", "reshape_as"})
_SAME = frozenset(
    {
        *("view", "reshape", "flatten", "squeeze", "unsqueeze", "detach", "narrow", "select", "transpose"),
        *("get", "setdefault", "view_as", "permute", "contiguous", "expand", "index_select"),
    }
)  # methods that hand out what they are called on, or a part of it
_KEEP = frozenset({"append", "extend", "add", "update", "insert", "put", "appendleft", "setdefault"})


@dataclass(frozen=True, slots=True)
class ForwardWrite:
    """A line that writes data into the network; `in_training` where it runs in training mode only.

    `switches` are attributes of the object that all have to be true for the line to run.
    """

    line: int
    what: str
    in_training: bool
    switches: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """One method: which names hold data, which are other names of the network's own state."""

    own: str  # what the method calls its object
    data: set[str]
    state: set[str]
    numbers: set[str]
    local: set[str] = field(default_factory=set)
    switches: list[str] = field(default_factory=list)  # attributes that the branches around were entered by
    found: list[ForwardWrite] = field(default_factory=list)
    read: dict[str, int] = field(
        default_factory=dict
    )  # attributes of self and the first line that reads them


def forward_writes(
    forward: _Function, method_of: Callable[[str], _Function | None]
) -> tuple[ForwardWrite, ...]:
    """The writes of a forward method and of the methods of the same object it calls."""
    given: dict[str, set[str] | None] = {forward.name: None}
    methods = {forward.name: forward}
    found: dict[str, list[ForwardWrite]] = {}
    todo = [forward]
    for _ in range(WALKS_AT_MOST):
        if not todo:
            break
        method = todo.pop()
        reading = _reading_of(method, given[method.name])
        found[method.name] = reading.found
        for node in nodes_below(method):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(node, ast.Call) or not isinstance(called, ast.Attribute):
                continue
            if not _is_own(called, reading.own):
                continue
            inner = methods.get(called.attr) or method_of(called.attr)
            if inner is None or (inner.name not in methods and len(methods) >= METHODS_AT_MOST):
                continue
            methods[inner.name] = inner
            before = given.get(inner.name, set())
            more = _parameters_with_data(inner, node, reading)
            after = None if before is None or more is None else before | more
            if inner.name not in given or after != before:
                given[inner.name] = after
                todo.append(inner)
    else:
        found = {name: _reading_of(method, None).found for name, method in methods.items()}
    every = [write for writes in found.values() for write in writes]
    return tuple(sorted(every, key=lambda one: (one.in_training, one.line)))


def _parameters_with_data(method: _Function, call: ast.Call, reading: _Reading) -> set[str] | None:
    """Which parameters of a method get data from a call of it on the object; None where it cannot be told."""
    taken = method.args
    if taken.vararg is not None or taken.kwarg is not None or method.decorator_list:
        return None
    if any(isinstance(one, ast.Starred) for one in call.args) or any(k.arg is None for k in call.keywords):
        return None
    names = [arg.arg for arg in (*taken.posonlyargs, *taken.args)][1:]
    pairs = [*zip(names, call.args, strict=False), *((k.arg or "", k.value) for k in call.keywords)]
    return {name for name, value in pairs if _holds_data(value, reading)}


def _receiver(method: _Function) -> str:
    given = [*method.args.posonlyargs, *method.args.args]
    return given[0].arg if given else ""


def _is_own(node: ast.AST, receiver: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == receiver


def _reading_of(method: _Function, with_data: set[str] | None) -> _Reading:
    """A method read with data in these parameters; in all of them where that is not known."""
    given = method.args
    names = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names.extend(arg.arg for arg in (given.vararg, given.kwarg) if arg is not None)
    own = _receiver(method)
    numbers = _numbers(method, own)
    data = (set(names) - {own} - numbers) if with_data is None else with_data - numbers
    reading = _Reading(own, data=data, state={own}, numbers=numbers)
    reading.local = set(names) | {
        node.id
        for node in nodes_below(method)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    declared = {name for node in nodes_below(method) if isinstance(node, ast.Global) for name in node.names}
    reading.local -= declared
    for node in nodes_below(method):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _is_own(node, own):
            reading.read[node.attr] = min(reading.read.get(node.attr, node.lineno), node.lineno)
    for _ in range(2):  # names set further down are used at the top of a loop
        reading.found.clear()
        _block(method.body, reading, in_training=False)
    return reading


def _numbers(method: _Function, own: str) -> set[str]:
    """Parameters that are sizes or places, of which caches are made: compared with what the object remembers,
    or given to what makes a tensor of a size.
    """
    found: set[str] = set()
    for node in nodes_below(method):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in _MAKERS:
                found.update(arg.id for arg in node.args if isinstance(arg, ast.Name))
                named = [one.value for one in node.keywords if one.arg in {"device", "dtype"}]
                found.update(one.id for one in named if isinstance(one, ast.Name))
        elif isinstance(node, ast.Compare) and not isinstance(
            node.ops[0], ast.Is | ast.IsNot | ast.In | ast.NotIn
        ):
            sides = [node.left, *node.comparators]
            if any(_is_own(part, own) for side in sides for part in nodes_below(side)):
                found.update(side.id for side in sides if isinstance(side, ast.Name))
    return found


def _block(body: list[ast.stmt], reading: _Reading, *, in_training: bool) -> None:
    for statement in body:
        if isinstance(statement, ast.If):
            tests_mode = _is_training(statement.test, reading.own)
            _expressions(statement.test, reading, in_training)
            switches = _switches(statement.test, reading.own)
            reading.switches.extend(switches)
            _block(statement.body, reading, in_training=in_training or tests_mode)
            del reading.switches[len(reading.switches) - len(switches) :]
            _block(statement.orelse, reading, in_training=in_training)
            continue
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            _assigned(statement, reading, in_training)
        for part in _parts(statement):
            _expressions(part, reading, in_training)
        if isinstance(statement, ast.For | ast.AsyncFor) and _holds_data(statement.iter, reading):
            reading.data.update(n.id for n in nodes_below(statement.target) if isinstance(n, ast.Name))
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(statement, name, None)
            if isinstance(inner, list) and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                _block(inner, reading, in_training=in_training)
        for handler in getattr(statement, "handlers", []):
            _block(handler.body, reading, in_training=in_training)


def _parts(statement: ast.stmt) -> Iterator[ast.expr]:
    for child in children(statement):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.withitem):
            yield child.context_expr


def _is_training(test: ast.expr, own: str) -> bool:
    """`self.training`, alone or with other conditions."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_is_training(part, own) for part in test.values)
    return isinstance(test, ast.Attribute) and test.attr == "training" and _is_own(test, own)


def _switches(test: ast.expr, own: str) -> list[str]:
    """The attributes of the object that have to be true for a test to be."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return [name for part in test.values for name in _switches(part, own)]
    return [test.attr] if isinstance(test, ast.Attribute) and _is_own(test, own) else []


def _assigned(
    statement: ast.Assign | ast.AnnAssign | ast.AugAssign, reading: _Reading, in_training: bool
) -> None:
    value = statement.value
    if value is None:
        return
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    has_data = _holds_data(value, reading)
    for target in targets:
        names = [n for n in nodes_below(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        for name in names:
            if name.id in reading.local and has_data:
                reading.data.update({name.id} - reading.numbers)
            elif name.id not in reading.local and has_data:
                _note(reading, statement, target, in_training)
        if isinstance(target, ast.Name) and _is_state(value, reading) and not has_data:
            reading.state.add(target.id)
        for place in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
            if isinstance(place, ast.Attribute | ast.Subscript) and _is_state(place, reading):
                is_carried = isinstance(statement, ast.AugAssign) or not _is_own(place, reading.own)
                if isinstance(place, ast.Attribute) and _is_own(place, reading.own):
                    is_carried = is_carried or reading.read.get(place.attr, 10**9) <= statement.lineno
                if is_carried and (has_data or _chosen_by_data(place, reading)):
                    _note(reading, statement, place, in_training)


def _chosen_by_data(place: ast.expr, reading: _Reading) -> bool:
    return isinstance(place, ast.Subscript) and _holds_data(place.slice, reading)


def _expressions(root: ast.expr, reading: _Reading, in_training: bool) -> None:
    """Methods that write what they are called on."""
    for node in nodes_below(root):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name = node.func.attr
        writes = name in _KEEP or (name.endswith("_") and not name.startswith("_"))
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if writes and _is_state(node.func.value, reading) and any(_holds_data(one, reading) for one in given):
            _note(reading, node, node.func, in_training)


def _note(reading: _Reading, node: ast.AST, target: ast.expr, in_training: bool) -> None:
    line, what = getattr(node, "lineno", 0), ast.unparse(target)[:60]
    reading.found.append(ForwardWrite(line, what, in_training, tuple(reading.switches)))


def _is_state(node: ast.expr, reading: _Reading) -> bool:
    """Whether an expression is a part of the network or of something outside of the method."""
    for depth in range(12):
        if isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr not in _SAME and not node.func.attr.endswith("_"):
                return False
            node = node.func.value
        elif isinstance(node, ast.Name):
            if node.id in reading.state:
                return depth > 0 or node.id != reading.own
            return node.id not in reading.local and depth > 0
        else:
            return False
    return True


def _holds_data(node: ast.AST, reading: _Reading) -> bool:
    """Whether a value is made from the data that goes in, rather than from its size."""
    if isinstance(node, ast.Name):
        return node.id in reading.data
    if isinstance(node, ast.Attribute):
        return node.attr not in _SIZES and _holds_data(node.value, reading)
    if isinstance(node, ast.Compare) and all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
        return False
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _SIZE_CALLS:
            return False
        if name in _AS_TYPE and isinstance(node.func, ast.Attribute):
            return _holds_data(node.func.value, reading)
    return any(_holds_data(child, reading) for child in children(node))
