"""What a score may depend on: what its row holds, and with several ranks, whose orders run side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.events import ForwardEvent
from harness.dynamic.probes.compared_scores import knows_positions
from harness.dynamic.probes.probe import ProbeResult
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.compared_scores import Compared
    from harness.dynamic.probes.probe import ScoredRun

_LOOK_BACK = 64  # passes before a score that may have made it


def scored_after(run: ScoredRun, pairs: Compared, replaced: np.ndarray) -> np.ndarray:
    """Which scores were made when one of the tokens at `replaced` was scored and could be known: bool [M].

    Could be known: scored on the same rank, or on another before an exchange that came before the score.
    """
    ranks, rounds = _ranks_and_rounds(run, pairs)
    touched = np.isin(pairs.positions, replaced)
    known = np.zeros(pairs.scored_at.size, dtype=np.bool_)
    for rank in range(run.record.ranks):
        own = touched & (ranks == rank)
        if own.any():
            known |= (ranks == rank) & (pairs.scored_at > pairs.scored_at[own].min())
            known |= (ranks != rank) & (rounds > rounds[own].min())
    return known


def has_in_context(run: ScoredRun, pairs: Compared, replaced: np.ndarray) -> np.ndarray:
    """Which scores have one of the tokens at `replaced` before them in the row that was scored: bool [M].

    Windows scored in an order of their own have tokens as context that are scored later. Where no such row
    was seen, all tokens before in the stream count as its context.
    """
    ranks = np.zeros(pairs.scored_at.size, dtype=np.int64)
    if run.record.ranks > 1:
        ranks, _ = _ranks_and_rounds(run, pairs)
    replaced = np.sort(replaced)
    passes: dict[int, list[ForwardEvent]] = {}
    for event in run.record.of(ForwardEvent):
        if event.source == "val":
            passes.setdefault(event.rank, []).append(event)
    numbers = {rank: np.array([event.number for event in made]) for rank, made in passes.items()}
    starts = np.zeros(pairs.positions.size, dtype=np.int64)
    for scored_at in np.unique(pairs.scored_at):
        at = np.flatnonzero(pairs.scored_at == scored_at)
        rank = int(ranks[at[0]])
        if rank not in passes:
            continue
        end = int(np.searchsorted(numbers[rank], scored_at))
        found = np.zeros(at.size, dtype=np.bool_)
        for event in reversed(passes[rank][max(end - _LOOK_BACK, 0) : end]):
            # The nearest pass that holds the token before it made the score, in which row is not known.
            context = _earliest_starts(event, pairs.positions[at])
            new = ~found & (context >= 0)
            starts[at[new]] = context[new]
            found |= new
            if found.all():
                break
    seen: np.ndarray = np.searchsorted(replaced, pairs.positions) > np.searchsorted(replaced, starts)
    return seen


def without_order(probe: str, condition: str, base: ScoredRun, changed: ScoredRun) -> ProbeResult | None:
    """The answer where the order in which several ranks made the scores is unknown, else None."""
    if base.record.ranks == 1:
        return None
    why_not = base.record.unordered or changed.record.unordered
    if not why_not and not (knows_positions(base) and knows_positions(changed)):
        why_not = "several ranks score, and where the counted scores belong in the stream is unknown"
    if not why_not:
        return None
    return ProbeResult(
        probe=probe,
        condition=condition,
        outcome=Outcome.NO_POWER,
        sentence=why_not,
        runs=(base.name, changed.name),
    )


def _earliest_starts(event: ForwardEvent, positions: np.ndarray) -> np.ndarray:
    """Where the earliest row of a pass begins that predicts the token at each position; -1 for none."""
    starts = np.full(positions.size, -1, dtype=np.int64)
    for row in event.rows:
        if row.split == "val":
            inside = (positions > row.start) & (positions <= row.start + row.length)
            starts[inside & ((starts < 0) | (starts > row.start))] = row.start
    return starts


def _ranks_and_rounds(run: ScoredRun, pairs: Compared) -> tuple[np.ndarray, np.ndarray]:
    record = run.record
    assert record.rounds is not None
    ranks = np.array([event.rank for event in record.events])
    return ranks[pairs.scored_at], record.rounds[pairs.scored_at]
