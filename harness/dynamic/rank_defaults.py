"""Defaults of settings that the number of ranks decides: `"1" if world_size > 1 else "0"`.

One rank runs here and eight in the challenge: what those would have by default is what was claimed.
"""

from __future__ import annotations

import ast
import operator
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OFFICIAL_RANKS = 8
"""8xH100 (README of the challenge)."""
_RANKS = re.compile(r"(?i)_*(?:world_?size|n_?gpus|num_?gpus|n_?ranks|num_?ranks)")
_IS_SHARED = re.compile(r"(?i)_*(?:is_)?(?:distributed|ddp)")
_COMPARED: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


def official_choice(value: ast.expr | None) -> ast.expr | None:
    """What a conditional expression gives on `OFFICIAL_RANKS` ranks; None where ranks do not decide it."""
    if not isinstance(value, ast.IfExp):
        return None
    with_one, with_all = _holds(value.test, 1), _holds(value.test, OFFICIAL_RANKS)
    if with_one is None or with_all is None or with_one == with_all:
        return None
    return value.body if with_all else value.orelse


def _holds(test: ast.expr, ranks: int) -> bool | None:
    """Whether a question about the number of ranks is answered with yes; None for other questions."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _holds(test.operand, ranks)
        return None if inner is None else not inner
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _COMPARED:
        sides = [_number(side, ranks) for side in (test.left, test.comparators[0])]
        if sides[0] is not None and sides[1] is not None:
            return _COMPARED[type(test.ops[0])](sides[0], sides[1])
        return None
    return ranks > 1 if _IS_SHARED.fullmatch(_last_name(test)) else None


def _number(side: ast.expr, ranks: int) -> int | None:
    if isinstance(side, ast.Constant):
        return side.value if type(side.value) is int else None
    return ranks if _RANKS.fullmatch(_last_name(side)) else None


def _last_name(value: ast.expr) -> str:
    if isinstance(value, ast.Call):
        value = value.func
        name = value.attr if isinstance(value, ast.Attribute) else ""
        return "world_size" if name == "get_world_size" else ""
    return value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
