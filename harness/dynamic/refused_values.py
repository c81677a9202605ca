"""The smallest values of settings that a script says it takes: it raises, or asserts, below them.

`if buckets < 1024: raise ValueError("NGRAM_EVAL_BUCKETS must be >=1024")` says it of `buckets`, and of the
one setting that its error names in capitals, for a function may ask about a parameter.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.code.syntax_nodes import SyntaxNodes

_LARGEST = 1 << 40
_SETTING = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
# What a comparison that must not hold, or must, says of a name on its left: the least value is the number
# plus this.
_REFUSED_IF: dict[type[ast.cmpop], int] = {ast.Lt: 0, ast.LtE: 1}
_ASKED_FOR: dict[type[ast.cmpop], int] = {ast.GtE: 0, ast.Gt: 1}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE,
}  # fmt: skip


def least_values(nodes: SyntaxNodes) -> dict[str, int]:
    """By name in lower case (the last of a dotted one), the largest of the least values."""
    found: dict[str, int] = {}
    for name, value in _bounds(nodes):
        found[name] = max(value, found.get(name, value))
    return found


def _bounds(nodes: SyntaxNodes) -> Iterator[tuple[str, int]]:
    for branch in nodes.of(ast.If):
        if isinstance(branch.body[-1], ast.Raise):
            refused = list(_in(branch.test, _REFUSED_IF))
            yield from refused
            named = _settings_in(branch.body[-1])
            if len(refused) == len(named) == 1:
                yield named.pop(), refused[0][1]
    for claim in nodes.of(ast.Assert):
        yield from _in(claim.test, _ASKED_FOR)


def _settings_in(error: ast.Raise) -> set[str]:
    texts = [node.value for node in ast.walk(error) if isinstance(node, ast.Constant)]
    return {name.lower() for text in texts if isinstance(text, str) for name in _SETTING.findall(text)}


def _in(test: ast.expr, kinds: dict[type[ast.cmpop], int]) -> Iterator[tuple[str, int]]:
    """Of a comparison or of several that are joined; under a `not` they would say the opposite."""
    if isinstance(test, ast.BoolOp):
        for part in test.values:
            yield from _in(part, kinds)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1:
        kind, left, right = type(test.ops[0]), test.left, test.comparators[0]
        if isinstance(left, ast.Constant):
            kind, left, right = _MIRRORED.get(kind, kind), right, left
        name = left.attr if isinstance(left, ast.Attribute) else getattr(left, "id", None)
        value = right.value if isinstance(right, ast.Constant) else None
        if kind in kinds and name and type(value) is int and 1 < value < _LARGEST:
            yield name.lower(), value + kinds[kind]
