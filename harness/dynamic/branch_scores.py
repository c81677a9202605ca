"""What a forked run gave the token at one position, in nats, and what its network alone gave it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.accumulators import chains_of
from harness.dynamic.event_record import EventRecord
from harness.dynamic.events import CutEvent, ForkEvent, LossEvent, PrintEvent, ReductionEvent
from harness.dynamic.loss_places import positions_of
from harness.dynamic.probes.compared_scores import knows_positions
from harness.dynamic.score_taker import ScoreTaker

if TYPE_CHECKING:
    from harness.dynamic.counted_scores import CountedScore
    from harness.dynamic.events import Event
    from harness.dynamic.probes.probe import ScoredRun

LN2 = math.log(2.0)
_MARGIN_EVENTS = 256  # forks may tell a little more or less than the run they come from
_DRIFT = 64
_BEHIND_LAST = 1 << 40
CHANGED = "changed_loss"
"""The function of a `LossEvent` whose losses were weighed or smoothed."""
_PICKED = frozenset({"gather", "index"})  # what was taken out of a row, not a loss


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkPoint:
    """Where the run `base` can be forked for the token at `position`.

    `first` to `end` are the places of its score among the counted values; `most_events` how many events a
    fork writes until the last of them was counted. It is forked behind printed line number `after_line`,
    whose event in `base` is `after_event`: other runs may tell a few events more or less, but no other lines.
    """

    position: int
    first: int
    end: int
    after_line: int
    after_event: int
    most_events: int
    scored_at: int
    """The event that gave the score: a token may be the target of other losses before and behind it."""

    def events_until(self, number: int) -> int:
        """How many events a fork writes until it has told event `number` of the run."""
        return number - self.after_event + _MARGIN_EVENTS


def fork_point(base: ScoredRun, position: int, byte_counts: np.ndarray) -> ForkPoint | None:
    """The point before the first counted loss; None when the score of `position` is not a value of its own.

    `byte_counts` (n,) are the bytes of each token of the stream: scorers of bytes count several values.
    """
    score = base.score
    span = _places_of(base, position, byte_counts)
    if span is None or score.tokens[span[0] : span[1]].max(initial=1.0) > 1.0:
        return None
    began = int(min(score.scored_at.min(), score.counted_at.min()))
    before = [
        event.number for event in base.record.of(PrintEvent) if event.number < began and event.to == "stdout"
    ]
    if not before:
        return None
    after = before[-1]
    last = int(score.counted_at[span[0] : span[1]].max())
    return ForkPoint(
        position=position,
        first=span[0],
        end=span[1],
        after_line=len(before),
        after_event=after,
        most_events=last - after + _MARGIN_EVENTS,
        scored_at=int(score.scored_at[span[0]]),
    )


def joined_record(trunk: EventRecord, after_event: int, branch: EventRecord) -> EventRecord:
    """The record of a fork with what its run had told before it: numbered as one run.

    A fork's record opens with its start and the fork itself, which the run does not have.
    """
    events = tuple(event for event in trunk.events if event.number <= after_event)
    moved: list[Event] = []
    for event in branch.events:
        if isinstance(event, ForkEvent):
            continue
        later = replace(event, number=event.number + after_event - 1)
        if isinstance(later, CutEvent):
            later = replace(later, loss=later.loss + after_event - 1)
        moved.append(later)
    return EventRecord(
        events=(*events, *moved),
        rank=trunk.rank,
        problems=trunk.problems + branch.problems,
        dropped={**trunk.dropped, **branch.dropped},
        sealed=trunk.sealed and branch.sealed,
    )


def branch_nats(base: ScoredRun, point: ForkPoint, record: EventRecord, value_count: int) -> float | None:
    """-ln p of the token at the point by the joined `record` of a fork; None when it was not counted there.

    `value_count` is how many values its score has: one, or one for each of its bytes.
    """
    metric = base.metric
    assert metric is not None
    score = _same_sum(base, record)
    if score is None or score.values.size < point.first + value_count:
        return None
    values = score.values[point.first : point.first + value_count]
    tokens = score.tokens[point.first : point.first + value_count]
    if not np.isfinite(values).all() or (tokens[np.isfinite(tokens)] > 1.0).any():
        return None
    # The script's own unit: what becomes bits only below the line is nats above it.
    unit = 1.0 if metric.in_bits or metric.metric.unit == "loss" else LN2
    return abs(float(values.sum())) * unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The loss over the token at `position` behind its score, in a run or in one of its forks.

    It is the one nearest to event `number`, the last one by default, and behind event `after`: in the joined
    record of a fork, what the run before it had seen of the position says nothing of the fork. `with_grad`
    says that it was computed with gradient, as scripts do that learn from the pass that scores.
    """

    position: int
    number: int = _BEHIND_LAST
    after: int = -1
    with_grad: bool = False


def look_of(base: ScoredRun, position: int, scored_at: int, after: int = -1) -> Look:
    """How to find elsewhere the last loss that `base` has of `position` when it is scored at `scored_at`."""
    found: LossEvent | None = None
    for loss in base.record.of(LossEvent):
        if loss.number > scored_at:
            break
        if loss.nll is not None and loss.function != CHANGED and (positions_of(loss) == position).any():
            found = loss
    if found is None:
        return Look(position=position, number=scored_at, after=after)
    return Look(position=position, number=found.number, after=after, with_grad=found.grad)


def network_nats(record: EventRecord, look: Look) -> float | None:
    """-ln p of the token by the softmax of `look`; None when it was not seen."""
    found = _found(record, look)
    if found is None or found[0].nll is None:
        return None
    loss, place = found
    told = float(found[0].nll[place])
    if loss.function in _PICKED and loss.norm is not None:
        return float(loss.norm[place]) - told  # log-probabilities, whose norm is 0, or scores as they are
    return abs(told)


def network_norm(record: EventRecord, look: Look) -> float | None:
    """Log-sum-exp of the scores of all tokens, by the loss of `look`; None when it was not seen."""
    found = _found(record, look)
    if found is None or found[0].norm is None:
        return None
    return float(found[0].norm[found[1]])


def takes_log_probabilities(record: EventRecord, look: Look) -> bool:
    """Whether the loss of `look` was given log-probabilities, whose log-sum-exp is 0."""
    found = _found(record, look)
    return found is not None and found[0].function == "nll_loss"


def _found(record: EventRecord, look: Look) -> tuple[LossEvent, int] | None:
    """The loss of `look` and the place of its token in it.

    Windows show a token again as context of later ones, when it may have been learned.
    """
    found: tuple[LossEvent, int] | None = None
    for loss in record.of(LossEvent):
        if loss.nll is None or loss.grad != look.with_grad or loss.number <= look.after:
            continue
        if loss.function == CHANGED:  # says nothing of what the network gave
            continue
        if found is not None and abs(loss.number - look.number) > abs(found[0].number - look.number):
            continue
        places = np.flatnonzero(positions_of(loss) == look.position)
        if places.size:
            found = loss, int(places[-1])
    return found


def _places_of(base: ScoredRun, position: int, byte_counts: np.ndarray) -> tuple[int, int] | None:
    """First and end of the values that are the score of `position`, by likely places too."""
    score, stream_tokens = base.score, base.stream_tokens
    if knows_positions(base):
        found = np.flatnonzero(score.positions == position)
        return (int(found[0]), int(found[0]) + 1) if found.size else None
    if score.values.size == stream_tokens - 1:
        return position - 1, position
    total = int(byte_counts[1:].sum())
    if score.values.size == total:
        first = int(byte_counts[1:position].sum())
        return first, first + int(byte_counts[position])
    return None


def counts_bytes(base: ScoredRun, byte_counts: np.ndarray) -> bool:
    """Whether the counted values are those of bytes, not of tokens."""
    size = base.score.values.size
    return not base.score.has_positions and size == int(byte_counts[1:].sum()) != base.stream_tokens - 1


def _same_sum(base: ScoredRun, record: EventRecord) -> CountedScore | None:
    """The sum of `base`'s claimed number in `record`, which ends before the number is printed."""
    metric, score = base.metric, base.score
    assert metric is not None
    chains = chains_of(record)
    taker = ScoreTaker(record, chains)
    began = int(score.counted_at[0])
    # Arrays that were told before the fork are told again in it, so numbers may be a few off.
    near = [each for each in chains if each.site == metric.numerator and abs(each.first - began) <= _DRIFT]
    if near:
        return taker.counted(min(near, key=lambda each: abs(each.first - began)), _BEHIND_LAST)
    for event in record.of(ReductionEvent):
        if event.site == metric.numerator and event.number >= began - _DRIFT and event.array is not None:
            return taker.of_source(event)
    for loss in record.of(LossEvent):
        if loss.function == metric.numerator and abs(loss.number - began) <= _DRIFT:
            return taker.of_source(loss)
    return None
