"""Cross entropies written out by hand: the logarithm of a sum of exponentials less the logit of the target.

    picked = logits.gather(1, targets[:, None])
    loss = torch.logsumexp(logits, 1, keepdim=True) - picked

Neither half says that it is part of a loss; their difference is one, with whatever was done to the logits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow import array_calls, contents, mixing
from harness.audit.token_flow.flow import (
    EXPONENTIALS,
    LOG_SUM,
    NOTHING,
    PER_TOKEN,
    PICKED,
    SUM_OF_EXPONENTIALS,
    Flow,
    replace,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.token_flow.objects import Call
    from harness.audit.token_flow.walker import Walker


def of_difference(walker: Walker, left: Flow, right: Flow) -> Flow | None:
    """The loss that `left - right` is; None when it is none."""
    for total, picked in ((left, right), (right, left)):
        if LOG_SUM in total.kinds and PICKED in picked.kinds:
            return mixing.scored(walker, Flow(tokens=picked.tokens, loops=picked.loops), NOTHING)
    return None


def shifted(left: Flow, right: Flow, result: Flow) -> Flow:
    """`logit of the target -/+ something` is still that; a sum or difference keeps what one side is."""
    for value, other in ((left, right), (right, left)):
        if PICKED in value.kinds and not (other.scores or other.lookups):
            return replace(result.with_kinds(PICKED), tokens=value.tokens)
    return result


def _gather(call: Call) -> Flow:
    found = array_calls.ARRAY_CALLS["gather"](call)
    if PER_TOKEN not in found.kinds or found.scores or found.lookups or found.objects:
        return found
    index = contents.whole(call.walker, call.kwargs.get("index", call.args[-1]))
    return replace(found, tokens=index.tokens).with_kinds(PICKED)


def _exponential(call: Call) -> Flow:
    found = array_calls.elementwise(call)
    return found if found.scores or found.lookups else found.with_kinds(EXPONENTIALS)


def _sum(call: Call) -> Flow:
    found = array_calls.summed(call)
    return (
        found.without(EXPONENTIALS).with_kinds(SUM_OF_EXPONENTIALS) if EXPONENTIALS in found.kinds else found
    )


def _logarithm(call: Call) -> Flow:
    found = array_calls.elementwise(call)
    if SUM_OF_EXPONENTIALS not in found.kinds:
        return found
    return found.without(SUM_OF_EXPONENTIALS).with_kinds(LOG_SUM)


def _log_of_sum(call: Call) -> Flow:
    found = replace(call.first, text=None)
    return found if found.scores or found.lookups else found.with_kinds(LOG_SUM)


WRITTEN_LOSS: dict[str, Callable[[Call], Flow]] = {
    "gather": _gather,
    "take_along_axis": _gather,
    "take_along_dim": _gather,
    "exp": _exponential,
    "exp_": _exponential,
    "sum": _sum,
    "log": _logarithm,
    "log_": _logarithm,
    "logsumexp": _log_of_sum,
}
