"""The one value of a local name, where it has just one, and expressions with such names written out."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING

from harness.audit.scans.scanned_program import FunctionNode, own_nodes
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator

Scope = FunctionNode | ast.Module
_NODES_AT_MOST = 400


class LocalValues:
    """Values of names that are assigned exactly once in their scope."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, ast.expr | None]] = {}

    def of(self, scope: Scope) -> dict[str, ast.expr | None]:
        """Names a scope assigns: the value when there is one assignment, else None (parameters too)."""
        found = self._known.get(id(scope))
        if found is None:
            found = dict.fromkeys(_parameters(scope))
            stored: set[str] = set(found)
            for node in own_nodes(scope):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    found[node.id] = None if node.id in stored else _NO_EXPRESSION
                    stored.add(node.id)
            for target, value in assignments(scope):
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
            replacer = _Replacer(values)
            larger = replacer.visit(copy.deepcopy(node))
            if not replacer.replaced or sum(1 for _ in nodes_below(larger)) > _NODES_AT_MOST:
                break
            node = larger
        return node


_NO_EXPRESSION = ast.Constant(value=...)


class _Replacer(ast.NodeTransformer):
    def __init__(self, values: dict[str, ast.expr | None]) -> None:
        self._values = values
        self.replaced = False

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self._values.get(node.id)
        if value is None or not isinstance(node.ctx, ast.Load):
            return node
        if isinstance(value, ast.List | ast.Dict | ast.Set):  # a container that is filled later
            return node
        if any(isinstance(one, ast.Name) and one.id == node.id for one in nodes_below(value)):
            return node
        self.replaced = True
        return copy.deepcopy(value)


def _parameters(scope: Scope) -> Iterator[str]:
    if isinstance(scope, FunctionNode):
        every = scope.args
        for one in (*every.posonlyargs, *every.args, *every.kwonlyargs):
            yield one.arg


def assignments(scope: Scope) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets and values of a scope's plain assignments, tuples taken apart."""
    for node in own_nodes(scope):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
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


def module_constants(tree: ast.Module) -> dict[str, ast.Constant]:
    """Names that a module assigns once, to a constant."""
    found: dict[str, ast.Constant] = {}
    several: set[str] = set()
    for target, value in assignments(ast.Module(body=tree.body, type_ignores=[])):
        if isinstance(target, ast.Name):
            if target.id in found:
                several.add(target.id)
            if isinstance(value, ast.Constant):
                found[target.id] = value
    return {name: value for name, value in found.items() if name not in several}
