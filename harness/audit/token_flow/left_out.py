"""Losses of tokens that are left out of a sum because of the loss itself or because of the token.

Masks of positions, of padding by length and of the overlap of windows are of neither kind. Two losses that
are compared with each other are the matter of `choices`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from harness.audit.token_flow import gates
from harness.audit.token_flow.flow import COMPARED, SELECTION, SUM, Flow, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.audit.token_flow.walker import Walker

OWN_LOSS: Final = "own-loss"
TARGET: Final = "target-token"
RUNNING_SUM: Final = "running-sum"


def _why(walker: Walker, test: Flow, value: Flow) -> str | None:
    """What a test asks of the tokens whose losses it lets through; None when it asks for something else."""
    if SELECTION not in test.kinds or COMPARED in test.kinds or not value.scores:
        return None
    mine = value.about | value.summed
    places = {token.place for token in mine}
    if test.scores & value.scores:
        is_of_each = SUM not in test.kinds and not places.isdisjoint({token.place for token in test.about})
        if is_of_each or gates.is_of_the_same(walker, test, mine):
            return OWN_LOSS
    if test.scores or test.lookups or SUM in value.kinds:
        return None
    return TARGET if not places.isdisjoint({token.place for token in test.tokens}) else None


def _told(walker: Walker, value: Flow, why: str) -> Flow:
    return replace(value, scores=value.scores | {walker.recorder.left_out(walker.here, value.scores, why)})


def by_masks(walker: Walker, value: Flow, masks: Sequence[Flow]) -> Flow:
    """`value[mask]`, `value * mask`, `where(mask, value, 0)`."""
    for mask in masks:
        why = _why(walker, mask, value)
        if why is not None:
            return _told(walker, value, why)
    return value


def by_product(walker: Walker, left: Flow, right: Flow, result: Flow) -> Flow:
    """`left * right`, of which one may be a mask."""
    for mask, value in ((left, right), (right, left)):
        why = _why(walker, mask, value) if SELECTION not in value.kinds else None
        if why is not None:
            return _told(walker, result, why)
    return result


def by_overwriting(walker: Walker, old: Flow, new: Flow, masks: Sequence[Flow]) -> Flow:
    """`old[mask] = new`, where `new` is no loss."""
    if new.scores or not old.scores:
        return new
    for mask in masks:
        why = _why(walker, mask, old)
        if why is not None:
            return _told(walker, replace(new, scores=old.scores), why)
    return new


def under_tests(walker: Walker, added: Flow) -> Flow:
    """A loss that is added only if the tests around it, or those that skip the rest of a pass, let it."""
    if not added.scores:
        return added
    for test in (*walker.guards, *walker.skips):
        if _why(walker, test, added) == OWN_LOSS:
            return _told(walker, added, OWN_LOSS)
    return added


def is_counted_by_loss(walker: Walker) -> bool:
    """Whether a test on a single loss decides if what is added here is added at all."""
    return any(
        SELECTION in test.kinds
        and COMPARED not in test.kinds
        and bool(test.scores)
        and gates.is_of_the_same(walker, test, test.about | test.summed)
        for test in (*walker.guards, *walker.skips)
    )


def by_count(walker: Walker, quotient: Flow) -> Flow:
    """Losses divided by a count that leaves some of their tokens out, by the loss."""
    return _told(walker, quotient, OWN_LOSS)


def of_itself(walker: Walker, node: ast.AugAssign, added: Flow) -> Flow:
    """`total += total / count`: a mean of earlier losses stands for the losses of these tokens."""
    name = node.target.id if isinstance(node.target, ast.Name) else None
    if added.scores and name is not None:
        names = {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
        if name in names:
            return _told(walker, added, RUNNING_SUM)
    return added


def by_rank(walker: Walker, value: Flow) -> Flow:
    """Some of the losses of one array, by their order."""
    if value.scores and value.about and SUM not in value.kinds:
        return _told(walker, value, OWN_LOSS)
    return value
