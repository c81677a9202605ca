"""Arrays put side by side, of which a subscript takes one back out.

    contexts = np.stack([tokens[places - 2], tokens[places - 1]], axis=1)
    key = contexts[:, 0] * 31 + contexts[:, 1]

A number in the last place of a subscript names a column then, and no lane further on.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow.flow import Flow, replace

if TYPE_CHECKING:
    from harness.audit.token_flow.walker import Walker

COLUMNS_AT_MOST = 32


def side_by_side(walker: Walker, whole: Flow, parts: list[Flow]) -> Flow:
    """`whole` as an array that remembers its columns by the number it is."""
    number = walker.symbols.fresh()
    if number.symbol is not None and len(parts) <= COLUMNS_AT_MOST:
        walker.side_by_side[number.symbol] = tuple(parts)
    return replace(whole, number=number, items=None)


def taken(walker: Walker, base: Flow, key: ast.expr) -> Flow | None:
    """`contexts[:, k]` or `contexts[..., k]`: column k; None where it is no column, or not known which."""
    symbol = base.number.symbol if base.number is not None else None
    held = walker.side_by_side.get(symbol) if symbol is not None else None
    if held is None or not isinstance(key, ast.Tuple):
        return None
    *before, last = key.elts
    if not before or not all(_is_whole(each) for each in before):
        return None
    at = walker.evaluate(last).number
    if at is None or not at.is_constant or not -len(held) <= at.constant < len(held):
        return None
    return held[at.constant]


def _is_whole(part: ast.expr) -> bool:
    if isinstance(part, ast.Slice):
        return part.lower is None and part.upper is None and part.step is None
    return isinstance(part, ast.Constant) and part.value is ...
