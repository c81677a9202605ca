"""What is counted or sorted over a whole array at once: counts of tokens need no table to be counted into.

    order = np.argsort(ids)
    starts = np.flatnonzero(np.diff(ids[order]))

Of which tokens such a number is made is lost on the way: mixed into a score it leaves a verdict open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.audit.token_flow import contents
from harness.audit.token_flow.flow import Flow, replace

if TYPE_CHECKING:
    from harness.audit.token_flow.objects import Call

WHOLE_COUNTS: Final = frozenset(
    [
        "argsort",
        "bincount",
        "diff",
        "histc",
        "histogram",
        "lexsort",
        "unique",
        "unique_consecutive",
    ]
)


def counted(call: Call, found: Flow) -> Flow:
    """The result of a call that counts or sorts, marked when it may be made of tokens."""
    value = contents.whole(call.walker, call.first)
    if not value.tokens and not call.walker.tokens_of(value):
        return found
    return replace(found, lookups=found.lookups | {call.walker.recorder.whole_count(call.walker.here)})
