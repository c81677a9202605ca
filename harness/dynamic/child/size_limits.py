"""Limits on the size of a tensor, as written in a script, made small with the tensors.

`t.numel() <= 65536` keeps a small tensor as it is and quantises a large one, `weight.shape[0] >= 64` gives a
matrix an orthogonal start (train_gpt.py of the challenge's repository and most that came from it). With a
network an eighth as wide every matrix would fall below: nothing be quantised, and a table whose projection
starts at zero never learn.
"""

from __future__ import annotations

import ast
import math

LEAST_ELEMENTS = 1_024
LEAST_SIDE = 16
"""Written numbers below are limits of something else: rows, steps, dimensions, an empty tensor."""
_MOST_ELEMENTS = 1 << 22
_MOST_SIDE = 1 << 11


def with_small_limits(tree: ast.Module, scale: float) -> ast.Module:
    """`tree`, changed in place: numbers that elements are compared with are multiplied by `scale` (of areas,
    0 to 1), those that a side of a weight is compared with by its root.
    """
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
            node.left, *node.comparators = [
                _small(side, self._scale, LEAST_ELEMENTS, _MOST_ELEMENTS) for side in sides
            ]
        elif any(_is_side_of_weight(side) for side in sides):
            node.left, *node.comparators = [
                _small(side, math.sqrt(self._scale), LEAST_SIDE, _MOST_SIDE) for side in sides
            ]
        return node


def _small(side: ast.expr, scale: float, least: int, most: int) -> ast.expr:
    value = side.value if isinstance(side, ast.Constant) else None
    if type(value) is not int or not least <= value <= most:
        return side
    return ast.copy_location(ast.Constant(value=max(1, round(value * scale))), side)


def _is_element_count(side: ast.expr) -> bool:
    return isinstance(side, ast.Call) and isinstance(side.func, ast.Attribute) and side.func.attr == "numel"


def _is_side_of_weight(side: ast.expr) -> bool:
    """`<...>.weight.shape[i]` or `weight.size(i)`; rows of data are measured so too, but not by this name."""
    if isinstance(side, ast.Subscript) and isinstance(side.value, ast.Attribute):
        measured, by = side.value.value, side.value.attr
    elif isinstance(side, ast.Call) and isinstance(side.func, ast.Attribute) and len(side.args) == 1:
        measured, by = side.func.value, side.func.attr
    else:
        return False
    name = measured.attr if isinstance(measured, ast.Attribute) else getattr(measured, "id", "")
    return by in {"shape", "size"} and name == "weight"
