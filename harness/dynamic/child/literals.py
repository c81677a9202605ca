"""Overrides constants of a script by name: in classes, modules and functions, and defaults of parameters."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.dynamic.local_constants import local_constants

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = int | float | str | bool


def with_literals(
    tree: ast.Module, literals: Mapping[str, Value], in_functions: Mapping[str, Value] | None = None
) -> ast.Module:
    """`tree`, changed in place. A name is set where it is bound to a constant or to arithmetic of constants,
    in a module or class body, as the default of a parameter, or as what a call passes by keyword; those of
    `in_functions` where a function binds them once, and to nothing else. All others keep their meaning.
    """
    if literals or in_functions:
        _Overrides(literals, in_functions or {}).visit(tree)
        ast.fix_missing_locations(tree)
    return tree


class _Overrides(ast.NodeTransformer):
    def __init__(self, literals: Mapping[str, Value], in_functions: Mapping[str, Value]) -> None:
        self._literals = literals
        self._in_functions = in_functions

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._body(node.body)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._body(node.body)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        for name, statement in list(local_constants(node)):
            if name in self._in_functions:
                new = ast.Constant(value=self._in_functions[name])
                statement.value = ast.copy_location(new, statement.value)
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
