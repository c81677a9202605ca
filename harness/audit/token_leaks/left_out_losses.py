"""Tokens whose losses are left out of the claimed number, because of the loss or because of the token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.score_order.evidence_chain import at, placed
from harness.audit.token_flow.left_out import OWN_LOSS, RUNNING_SUM, TARGET
from harness.audit.token_leaks.leaks import TokenIndex

if TYPE_CHECKING:
    from harness.audit.events import Selected, Sink
    from harness.audit.score_order.evidence_chain import Step
    from harness.case import Case
    from harness.finding import Place

_BY = {
    OWN_LOSS: "only where a test on these losses says so",
    TARGET: "only for tokens that a test on the scored token picks",
    RUNNING_SUM: "beside means of earlier losses that stand for others",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Where some losses are left out, and the number that is printed without them."""

    event: Selected
    sink: Sink

    @property
    def message(self) -> str:
        """What happens, for the reader."""
        return (
            f"{at(self.event.at)} lets losses into the claimed number {_BY[self.event.by]}: whoever leaves "
            "the dear ones out reports a lower mean. Add up the loss of every token"
        )

    def places(self, case: Case) -> tuple[Place, ...]:
        """The test's line and the printed number."""
        if case.audit is None:
            return ()
        steps: list[Step] = [
            (self.event.at, "some losses are left out"),
            (self.sink.at, "printed without them"),
        ]
        return placed(case.audit, steps, self.event.at)


def losses_left_out(case: Case) -> LeftOut | None:
    """The first place where losses of single tokens are left out of the claimed number."""
    if case.audit is None or case.audit.failure is not None:
        return None
    index = TokenIndex(case.audit.claim)
    sink = index.witness()
    for event in index.selected.values():
        if sink is not None and event.by in _BY and event.score in sink.scores:
            return LeftOut(event=event, sink=sink)
    return None
