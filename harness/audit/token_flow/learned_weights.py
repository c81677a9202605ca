"""Mixing weights that were learned from the scores of earlier passes, and know nothing of this one.

    w = softmax(log_w)
    loss = -log((w[0] * p + w[1] * cache)[targets])
    log_w += rate * gain(p, cache, targets)

The sum that the second pass weighs by is made of scores, as a gate on the scored token would be. What tells
them apart is that each of those tokens had been scored in an earlier pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.audit.token_flow.flow import Flow
    from harness.audit.token_flow.linear import Linear
    from harness.audit.token_flow.walker import Walker

    Places = frozenset[tuple[int, Linear]]


def are_of_earlier_passes(walker: Walker, gate: Flow, scored: Places, at_first: Places) -> bool:
    """Whether the scores inside a weight are all of tokens that the first pass scored with it.

    `scored` are the places that this pass scores with it, `at_first` those of the first pass. Where both are
    the same, as the walk does not tell the elements of a list apart, what this pass makes of its own scores
    has been made, and seen, in the first one too; the rest came over from there.
    """
    known = frozenset(token.place for token in gate.about | gate.summed)
    if not known or not known <= at_first or not any(number for _, number in walker.loops):
        return False
    return scored == at_first or known.isdisjoint(scored)
