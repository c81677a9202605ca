"""Overrides constants of a script by name: class attributes, module constants, defaults of parameters."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = int | float | str | bool


def with_literals(tree: ast.Module, literals: Mapping[str, Value]) -> ast.Module:
    """`tree`, changed in place. A name is set where it is bound to a constant or to arithmetic of constants,
    in a module or class body, as the default of a parameter, or as the default that a call passes by keyword.

    Nothing else is touched: a local variable of that name, or one that is computed, keeps its meaning.
    """
    if literals:
        _Overrides(literals).visit(tree)
        ast.fix_missing_locations(tree)
    return tree


class _Overrides(ast.NodeTransformer):
    def __init__(self, literals: Mapping[str, Value]) -> None:
        self._literals = literals

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._body(node.body)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._body(node.body)
        return self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        named = [*node.posonlyargs, *node.args]
        first = len(named) - len(node.defaults)
        node.defaults = [
            self._value(argument.arg, default)
            for argument, default in zip(named[first:], node.defaults, strict=True)
        ]
        node.kw_defaults = [
            None if default is None else self._value(argument.arg, default)
            for argument, default in zip(node.kwonlyargs, node.kw_defaults, strict=True)
        ]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        for keyword in node.keywords:
            if keyword.arg is not None:
                keyword.value = self._value(keyword.arg, keyword.value)
        return self.generic_visit(node)

    def _body(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target: ast.expr = statement.targets[0]
            elif isinstance(statement, ast.AnnAssign):
                target = statement.target
            else:
                continue
            if isinstance(target, ast.Name) and statement.value is not None:
                statement.value = self._value(target.id, statement.value)

    def _value(self, name: str, value: ast.expr) -> ast.expr:
        if name not in self._literals or not _is_constant(value):
            return value
        return ast.copy_location(ast.Constant(value=self._literals[name]), value)


def _is_constant(value: ast.expr) -> bool:
    """A literal, or arithmetic of literals: `1 << 22`, `4 * 1024`, `-1`."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, (int, float, str)) and not isinstance(value.value, bytes)
    if isinstance(value, ast.UnaryOp):
        return _is_constant(value.operand)
    return isinstance(value, ast.BinOp) and _is_constant(value.left) and _is_constant(value.right)
