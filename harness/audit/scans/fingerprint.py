"""Digests of functions and expressions that stay the same when only names, types and comments differ."""

from __future__ import annotations

import ast
import hashlib
from typing import TYPE_CHECKING

from harness.audit.scans.local_values import copied
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Mapping

_NODES_AT_MOST = 6_000
_DIGITS = 16


def fingerprint(node: ast.AST, constants: Mapping[str, ast.Constant] | None = None) -> str | None:
    """A short digest of the syntax. None when the node is too large to be what we look for.

    Local names become their order of appearance, so renaming them changes nothing; names in `constants` count
    as what they stand for, names from outside as themselves. Docstrings, annotations, decorators and defaults
    are left out. Attributes, strings and numbers count.
    """
    if sum(1 for _ in nodes_below(node)) > _NODES_AT_MOST:
        return None
    renamed = _Normaliser(constants or {}, _own_names(node)).visit(copied(node, {}))
    text = ast.dump(renamed, annotate_fields=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGITS]


def _own_names(node: ast.AST) -> set[str]:
    """Names that the syntax binds itself: parameters and what is assigned."""
    found: set[str] = set()
    for one in nodes_below(node):
        if isinstance(one, ast.arg):
            found.add(one.arg)
        elif isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            found.add(one.id)
    return found


class _Normaliser(ast.NodeTransformer):
    def __init__(self, constants: Mapping[str, ast.Constant], own: set[str]) -> None:
        self._names: dict[str, str] = {}
        self._constants = constants
        self._own = own

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"n{len(self._names)}") if name in self._own else name

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = "function"
        node.returns = None
        node.decorator_list = []
        node.args.defaults = []
        node.args.kw_defaults = [None for _ in node.args.kwonlyargs]
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = node.body[1:]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(arg=self._name(node.arg), annotation=None)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._constants and isinstance(node.ctx, ast.Load):
            return ast.Constant(value=self._constants[node.id].value)
        return ast.Name(id=self._name(node.id), ctx=node.ctx)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        assign = ast.Assign(targets=[node.target], value=node.value, type_comment=None)
        self.generic_visit(assign)
        return assign
