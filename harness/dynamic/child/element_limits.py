"""Limits on the elements of a tensor, as written in a script, made small with the tensors.

`t.numel() <= 65536` keeps a small tensor as it is and quantises a large one (train_gpt.py of the challenge's
repository). With a network an eighth as wide every matrix would fall below, and nothing be quantised.
"""

from __future__ import annotations

import ast

LEAST = 1_024
"""Written numbers below are limits of something else: rows, steps, an empty tensor."""
_MOST = 1 << 22


def with_small_limits(tree: ast.Module, scale: float) -> ast.Module:
    """`tree`, changed in place: numbers that a `numel()` is compared with are multiplied by `scale`."""
    if scale < 1.0:
        _Limits(scale).visit(tree)
    return tree


class _Limits(ast.NodeTransformer):
    def __init__(self, scale: float) -> None:
        self._scale = scale

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        sides = [node.left, *node.comparators]
        if any(_is_element_count(side) for side in sides):
            node.left, *node.comparators = [self._small(side) for side in sides]
        return node

    def _small(self, side: ast.expr) -> ast.expr:
        value = side.value if isinstance(side, ast.Constant) else None
        if type(value) is not int or not LEAST <= value <= _MOST:
            return side
        return ast.copy_location(ast.Constant(value=max(1, round(value * self._scale))), side)


def _is_element_count(side: ast.expr) -> bool:
    return isinstance(side, ast.Call) and isinstance(side.func, ast.Attribute) and side.func.attr == "numel"
