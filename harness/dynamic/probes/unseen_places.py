"""Batches of a run whose tokens it had not come to before they were scored: where forks can change them.

For `normalisation` of a softmax: the scores of all tokens at such a place may not depend on which one stands
there, also where the run learns from what it has scored, for nothing was learned from these yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.events import ForwardEvent, LossEvent
from harness.dynamic.loss_places import positions_of
from harness.dynamic.probes.compared_scores import longest_row
from harness.dynamic.probes.rows_apart import one_in_each, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.dynamic.probes.probe import ScoredRun

MOST_BATCHES = 4
_SEED = 20_261_121


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenPlaces:
    """`positions`, at most one in each row that is scored by the loss event number `scored_at`."""

    scored_at: int
    positions: tuple[int, ...]


def unseen_places(base: ScoredRun, *, after: int, besides: int) -> tuple[UnseenPlaces, ...]:
    """Up to `MOST_BATCHES` batches that gave counted losses, spread over the evaluation.

    What went through a model up to event `after`, before the fork, does not count as seen; the position
    `besides` is left out.
    """
    found = list(_batches(base, after, besides))
    count = min(len(found), MOST_BATCHES)
    return tuple(found[len(found) * turn // count] for turn in range(count))


def _batches(base: ScoredRun, after: int, besides: int) -> Iterator[UnseenPlaces]:
    counted, length = set(base.score.scored_at.tolist()), longest_row(base)
    draw = np.random.default_rng(_SEED)
    # What one pass shows, as context or as target, is seen when the next begins.
    seen, shown = (np.zeros(base.stream_tokens + 1, dtype=np.bool_) for _ in range(2))
    for event in base.record.events:
        if event.number <= after:
            continue
        if isinstance(event, ForwardEvent) and event.source == "val":
            seen |= shown
            for row in event.rows:
                if row.split == "val":
                    shown[row.start : row.start + row.length] = True
        elif isinstance(event, LossEvent):
            if event.number in counted:
                rows = [positions for positions, _ in rows_of(event, length)]
                free = _free(rows, seen, length, draw)
                if free and free != (besides,):
                    free = tuple(place for place in free if place != besides)
                    yield UnseenPlaces(scored_at=event.number, positions=free)
            targets = positions_of(event)
            shown[targets[(targets >= 0) & (targets < base.stream_tokens)]] = True


def _free(
    rows: list[np.ndarray], seen: np.ndarray, length: int, draw: np.random.Generator
) -> tuple[int, ...]:
    """One unseen position in each row; one in all where rows begin with what was seen, as windows do."""
    starts = np.unique([positions[0] for positions in rows if positions[0] > 0]).astype(np.int64)
    places = one_in_each(starts, length, seen.size - 1, draw)
    free = tuple(place for place in places if not seen[place])
    if free or not rows:
        return free
    targets = np.unique(np.concatenate(rows))
    targets = targets[(targets > 0) & (targets < seen.size - 1)]
    targets = targets[~seen[targets]]
    return (int(draw.choice(targets)),) if targets.size else ()
