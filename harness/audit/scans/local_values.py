"""The one value of a local name, where it has just one, and expressions with such names written out."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeVar

from harness.audit.scans.scope_nodes import FunctionNode, Scope
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.audit.scans.scanned_program import ProgramIndex

_NODES_AT_MOST = 400
_Node = TypeVar("_Node", bound=ast.AST)


class LocalValues:
    """Values of names that are assigned exactly once in their scope."""

    def __init__(self, index: ProgramIndex) -> None:
        self._index = index
        self._known: dict[int, dict[str, ast.expr | None]] = {}

    def of(self, scope: Scope) -> dict[str, ast.expr | None]:
        """Names a scope assigns: the value when there is one assignment, else None (parameters too)."""
        found = self._known.get(id(scope))
        if found is None:
            found = dict.fromkeys(_parameters(scope))
            stored: set[str] = set(found)
            for node in self._index.own.of(scope, ast.Name):
                if isinstance(node.ctx, ast.Store):
                    found[node.id] = None if node.id in stored else _NO_EXPRESSION
                    stored.add(node.id)
            for target, value in assignments(scope, self._index):
                if isinstance(target, ast.Name) and found.get(target.id) is _NO_EXPRESSION:
                    found[target.id] = value
            for name in [name for name, value in found.items() if value is _NO_EXPRESSION]:
                found[name] = None
            self._known[id(scope)] = found
        return found

    def written_out(self, node: ast.expr, scope: Scope, rounds: int = 4) -> ast.expr:
        """The expression with names of one value replaced by it, as long as it stays small."""
        values = self.of(scope)
        for _ in range(rounds):
            if not any(_is_replaced(one, values) for one in self._index.order.below(node)):
                break
            larger = copied(node, values)
            if sum(1 for _ in nodes_below(larger)) > _NODES_AT_MOST:
                break
            node = larger
        return node


_NO_EXPRESSION = ast.Constant(value=...)


def copied(node: _Node, values: Mapping[str, ast.expr | None]) -> _Node:
    """A copy with the names in `values` replaced by copies of their values.

    It is made field by field: contexts and operators are one object in the whole process, so what another
    library hangs on them (a parent, say) would be found on the nodes of every tree.
    """
    if isinstance(node, ast.Name) and _is_replaced(node, values):
        return copied(values[node.id], {})  # type: ignore[return-value,type-var]
    copy = node.__class__()
    for name in (*node._fields, *node._attributes):
        part = getattr(node, name, None)
        if isinstance(part, list):
            setattr(copy, name, [copied(one, values) if isinstance(one, ast.AST) else one for one in part])
        else:
            setattr(copy, name, copied(part, values) if isinstance(part, ast.AST) else part)
    return copy


def _is_replaced(node: ast.AST, values: Mapping[str, ast.expr | None]) -> bool:
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return False
    value = values.get(node.id)
    # A container is filled later: what it was made as is not what it holds.
    if value is None or isinstance(value, ast.List | ast.Dict | ast.Set):
        return False
    return not any(isinstance(one, ast.Name) and one.id == node.id for one in nodes_below(value))


def local_values(index: ProgramIndex) -> LocalValues:
    """The local values of a program, found once for all scans."""
    return index.once("local_values", lambda: LocalValues(index))


def _parameters(scope: Scope) -> Iterator[str]:
    if isinstance(scope, FunctionNode):
        every = scope.args
        for one in (*every.posonlyargs, *every.args, *every.kwonlyargs):
            yield one.arg


def assignments(scope: Scope, index: ProgramIndex) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets and values of a scope's plain assignments, tuples taken apart."""
    for node in index.own.of(scope, ast.Assign, ast.AnnAssign):
        if isinstance(node, ast.Assign):
            if len(node.targets) != 1:
                continue
            target, value = node.targets[0], node.value
            if (
                isinstance(target, ast.Tuple)
                and isinstance(value, ast.Tuple)
                and len(target.elts) == len(value.elts)
            ):
                yield from zip(target.elts, value.elts, strict=True)
            else:
                yield target, value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node.target, node.value


def module_constants(path: str, index: ProgramIndex) -> dict[str, ast.Constant]:
    """Names that a module assigns once, to a constant."""
    found: dict[str, ast.Constant] = {}
    several: set[str] = set()
    for target, value in assignments(index.trees[path], index):
        if isinstance(target, ast.Name):
            if target.id in found:
                several.add(target.id)
            if isinstance(value, ast.Constant):
                found[target.id] = value
    return {name: value for name, value in found.items() if name not in several}
