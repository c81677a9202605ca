"""How a score and an update lie to each other: in the loops around both, and in branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.breach import Shape

if TYPE_CHECKING:
    from harness.audit.events import BranchSilent, Score, Update


def lies_in(update: Update, branch: BranchSilent) -> bool:
    """Whether the branch's lines hold the update or a call that leads to it."""
    return any(
        spot.file == branch.at.file and branch.first <= spot.line <= branch.last
        for spot in (update.at, *update.calls)
    )


def no_common_loop(score: Score, update: Update) -> bool:
    """No loop chooses the tokens of both: all passes of the scored loop take whatever the update took."""
    around = {loop for loop, _ in update.loops}.union(loop for loop, _ in update.region.loops)
    return not any(loop in around for loop, _ in (*score.loops, *score.region.loops))


def loop_shape(score: Score, update: Update) -> tuple[Shape | None, int | None]:
    """What the loops around both say; None when no loop relates them."""
    mine, theirs = dict(update.region.loops), dict(score.region.loops)
    learned = dict(update.loops)
    shared = [(loop, learned[loop], turn) for loop, turn in score.loops if loop in learned]
    for loop, then, now in shared:
        if then != now:
            chosen_by_loop = loop in mine or loop in theirs
            return (Shape.AHEAD if chosen_by_loop else Shape.EPOCHS), loop
    if any(loop in theirs for loop, _, _ in shared):
        return Shape.SWAPPED, None
    return None, None


def is_context(score: Score, update: Update) -> bool:
    """Whether the update takes only tokens of earlier passes, which the scored window reaches back to."""
    mine, theirs = dict(update.region.loops), dict(score.region.loops)
    learned = dict(update.loops)
    for loop, now in score.loops:
        if loop not in learned or learned[loop] == now:
            continue
        last = mine.get(loop, (None, None))[1]
        first, own = theirs.get(loop, (None, None))
        return last is not None and own is not None and last < now <= own and (first is None or first <= last)
    return False
