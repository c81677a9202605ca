from __future__ import annotations

import numpy as np

from harness.dynamic.event_record import EventRecord
from harness.dynamic.events import LossEvent, ReductionEvent
from harness.dynamic.score_taker import ScoreTaker

LOSSES = LossEvent(
    number=1, wall=0.0, virtual=0.0, function="cross_entropy", rows=(), size=2, grad=False, reduction="none",
    value=None, nll=np.array([1.0, 2.0]),
)  # fmt: skip


def test_a_sum_of_nothing_that_gives_a_score_has_no_losses() -> None:
    started = ReductionEvent(  # np.sum([], initial=2000.0)
        number=2, wall=0.0, virtual=0.0, site="a.py:1:0 np.sum", op="sum", value=2000.0, size=0,
        array=np.zeros(0),
    )  # fmt: skip
    score = ScoreTaker(EventRecord(events=(LOSSES, started)), []).of_source(started)
    assert (score.values.size, score.network_share) == (0, 0.0)
