"""Two losses of the same token in one expression, and the ways of keeping one of them.

Adding, averaging and mixing two losses keeps both. A comparison that multiplies, indexes or selects keeps
one of them, and so do order statistics; of other functions of the two nobody can say what they keep.
"""

from __future__ import annotations

import ast
from itertools import combinations
from typing import TYPE_CHECKING, Final

from harness.audit.token_flow import contents
from harness.audit.token_flow.flow import COMPARED, PAIRED, SELECTION, SUM, Flow, mixed_of, replace
from harness.audit.token_flow.objects import Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.audit.token_flow.objects import Call
    from harness.audit.token_flow.walker import Walker

# How sure a choice is: one of two losses of a token is kept by comparing them; an order statistic of several
# is kept, or a function is given the comparison; a function is given several and may keep any of them.
LOSS: Final = "loss"
ORDER: Final = "order"
UNCLEAR: Final = "unclear"

PARTS_AT_MOST = 12
MIXTURES_DEEP = 3
# Of one value each: they keep the order of what is in it and make no choice.
_MONOTONE = frozenset({"exp", "exp_", "log", "log_", "log2", "log10", "log1p", "expm1", "neg", "round"})
_NOT_LINEAR: Final = (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)


def are_rivals(walker: Walker, left: Flow, right: Flow) -> bool:
    """Whether they hold different losses of the same tokens, of single ones or of sums over the same."""
    if not left.scores or not right.scores or left.scores == right.scores:
        return False
    ones, others = left.scores - right.scores, right.scores - left.scores
    if not ones or not others:
        ones, others = (left.scores, others) if others else (ones, right.scores)
    found = [_places(walker, each) for each in (ones, others)]
    return not found[0].isdisjoint(found[1])


def _places(walker: Walker, scores: frozenset[int], depth: int = 0) -> set[object]:
    places: set[object] = set()
    for one in scores:
        draft = walker.recorder.drafts.get(one)
        if draft is None:
            continue
        places |= {token.place for token in draft.tokens}
        if not draft.tokens and draft.scores and depth < MIXTURES_DEEP:
            places |= _places(walker, frozenset(draft.scores), depth + 1)
    return places


def are_side_by_side(walker: Walker, parts: Sequence[Flow]) -> bool:
    """Whether two of these parts are different losses of the same tokens."""
    scored = [part for part in parts[:PARTS_AT_MOST] if part.scores]
    return any(are_rivals(walker, one, other) for one, other in combinations(scored, 2))


def kept(walker: Walker, value: Flow, how: str) -> Flow:
    """The value with a new score in it: what is kept of the losses it holds."""
    ident = walker.recorder.selected(walker.here, value.scores)
    draft = walker.recorder.drafts.get(ident)
    if draft is not None:
        draft.how = _surer(draft.how, how)
    return replace(value, scores=value.scores | {ident})


def _surer(before: str, now: str) -> str:
    ranks = ("", UNCLEAR, ORDER, LOSS)
    return max(before, now, key=ranks.index)


def by_operator(walker: Walker, op: ast.operator, left: Flow, right: Flow, result: Flow) -> Flow:
    """`left op right`, where both may hold losses or a comparison of losses."""
    if not left.scores or not right.scores:
        return result
    for test, value in ((left, right), (right, left)):
        if COMPARED in test.kinds and COMPARED not in value.kinds:
            if isinstance(op, ast.Mult):
                return kept(walker, result, UNCLEAR if SUM in value.kinds else LOSS)
            return result.without(COMPARED)
    is_pair = PAIRED in left.kinds | right.kinds or are_rivals(walker, left, right)
    if not is_pair:
        return result
    if isinstance(op, _NOT_LINEAR) and not (SUM in left.kinds and SUM in right.kinds):
        return kept(walker, result, UNCLEAR)
    return result.with_kinds(PAIRED) if isinstance(op, ast.Add | ast.Sub) else result


def compared(walker: Walker, left: Flow, right: Flow) -> bool:
    """Whether a comparison is one of two losses of the same tokens that were summed over the same tokens."""
    return SUM in left.kinds and SUM in right.kinds and are_rivals(walker, left, right)


def by_index(walker: Walker, value: Flow, index: Sequence[Flow]) -> Flow:
    """`value[index]` of losses, where the index may be a comparison of losses."""
    if value.scores and any(COMPARED in flow.kinds for flow in index):
        return kept(walker, value, UNCLEAR if SUM in value.kinds else LOSS)
    return value


def in_order(call: Call, how: str = ORDER) -> Flow | None:
    """An order statistic of several losses of the same tokens; None of anything else."""
    values = [contents.whole(call.walker, each) for each in [*call.args, *call.kwargs.values()]]
    if not any(value.scores for value in values):
        return None
    if not is_of_several(call, values):
        return None
    whole = mixed_of([*values, *parts_of(call.walker, call.args[0])])
    kinds = frozenset().union(*(value.kinds for value in values)) - {SELECTION}
    if call.name.startswith("arg"):
        kinds |= {COMPARED, SELECTION}
        return replace(whole, kinds=kinds)
    return replace(kept(call.walker, whole, ORDER if how == LOSS and SUM in kinds else how), kinds=kinds)


def is_of_several(call: Call, values: Sequence[Flow]) -> bool:
    """Whether what a function is given holds several losses of the same tokens, side by side or in sums."""
    if any(PAIRED in value.kinds for value in values):
        return True
    if are_side_by_side(call.walker, values):
        return True
    return any(are_side_by_side(call.walker, parts_of(call.walker, each)) for each in call.args[:2])


def by_function(call: Call, result: Flow) -> Flow:
    """A function of which only the name is known, given losses."""
    if not result.scores or call.name in _MONOTONE:
        return result
    values = [contents.whole(call.walker, each) for each in [*call.args, *call.kwargs.values()]]
    if is_of_several(call, values):
        is_compared = any(COMPARED in value.kinds for value in values)
        return kept(call.walker, result, ORDER if is_compared else UNCLEAR)
    return result


def parts_of(walker: Walker, value: Flow) -> list[Flow]:
    """The items or parts of a list, tuple, dictionary or stack."""
    if value.items is not None:
        return [contents.whole(walker, each) for each in value.items[:PARTS_AT_MOST]]
    return [
        contents.whole(walker, part)
        for cell in value.objects
        if isinstance(cell, Cell) and (cell.is_list or cell.is_mapping)
        for part in list(cell.parts.values())[:PARTS_AT_MOST]
    ]
