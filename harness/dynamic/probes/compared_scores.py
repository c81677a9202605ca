"""Lays the counted losses of two runs beside each other, and says what a changed one had seen before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.events import ForwardEvent, LossEvent, StepEvent
from harness.dynamic.loss_places import positions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.dynamic.probes.probe import ScoredRun


_FITTING_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """M counted losses that both runs have, in the order `base` counted them.

    `changed` is True where the two are not equal bit for bit. `positions` are those of `base`.
    """

    changed: np.ndarray  # bool [M]
    positions: np.ndarray  # int64 [M]
    tokens: np.ndarray  # float64 [M]
    scored_at: np.ndarray  # int64 [M]
    left_over: int
    """Values that only one of the runs has."""


def compared(base_run: ScoredRun, other_run: ScoredRun) -> Compared:
    """Pair the losses by position and turn where both know all positions, else by order."""
    base, other = base_run.score, other_run.score
    if knows_positions(base_run) and knows_positions(other_run):
        most = max(base.positions.size, other.positions.size) + 1
        one, two = _turns(base.positions, most), _turns(other.positions, most)
        _, at_one, at_two = np.intersect1d(one, two, assume_unique=True, return_indices=True)
        order = np.argsort(at_one, kind="stable")
        at_one, at_two = at_one[order], at_two[order]
    else:
        shared = min(base.values.size, other.values.size)
        at_one = at_two = np.arange(shared)
    first, second = base.values[at_one], other.values[at_two]
    return Compared(
        changed=~((first == second) | (np.isnan(first) & np.isnan(second))),
        positions=base.positions[at_one],
        tokens=base.tokens[at_one],
        scored_at=base.scored_at[at_one],
        left_over=max(base.values.size, other.values.size) - at_one.size,
    )


def _turns(positions: np.ndarray, most: int) -> np.ndarray:
    """A number per (position, how often it was counted before, which is less than `most`)."""
    order = np.argsort(positions, kind="stable")
    arranged = positions[order]
    starts = np.r_[0, np.flatnonzero(np.diff(arranged)) + 1]
    lengths = np.diff(np.r_[starts, arranged.size])
    turn = np.arange(arranged.size) - np.repeat(starts, lengths)
    result = np.empty(positions.size, dtype=np.int64)
    result[order] = arranged * most + turn
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBefore:
    """What had happened to tokens before the run computed the scores that count.

    `trained` of `tokens` had been targets of a loss whose gradient was followed by an optimizer step;
    `scored` of them had been scored before without gradient. `steps` are optimizer steps on validation tokens
    before the first of those scores.
    """

    tokens: int
    trained: int
    scored: int
    steps: int

    @property
    def condition(self) -> str:
        """The condition that this breaks, when the scores are known to depend on later tokens."""
        if self.trained > self.tokens // 2 or (self.trained == 0 and self.tokens == 0 and self.steps):
            return "c3-score-before-update"
        if self.scored > self.tokens // 2:
            return "c4-single-pass"
        return "c3-score-before-update" if self.trained else "c1-causal"

    def told(self) -> str:
        """A clause for a sentence, "" when nothing was seen."""
        if self.trained:
            return f"; {self.trained:,} of them had been trained on before they were scored"
        if self.scored:
            return f"; {self.scored:,} of them had been scored before and were scored again"
        if self.steps:
            return f"; {self.steps:,} optimizer steps on validation tokens came before"
        return ""


def seen_before(
    run: ScoredRun,
    positions: np.ndarray,
    scored_at: np.ndarray,
    *,
    after: int = 0,
    counts_passes: bool = False,
) -> SeenBefore:
    """What `run` had done with the tokens at `positions` before the events `scored_at`, from `after` on.

    `counts_passes` takes every pass that had a token to predict for a look at it, where no loss without
    gradient was seen: a script with a loss of its own shows no other.
    """
    known = positions >= 0
    at = positions[known]
    due = scored_at[known]
    first = int(scored_at.min(initial=0)) if not scored_at.size else int(scored_at.min())
    steps = [event.number for event in run.record.of(StepEvent) if event.source == "val"]
    trained_at = np.full(run.stream_tokens, np.iinfo(np.int64).max)
    looked_at = trained_at.copy()
    for number, targets, grad in _lessons_and_looks(run, counts_passes=counts_passes):
        if number <= after:
            continue
        places = targets[(targets >= 0) & (targets < run.stream_tokens)]
        if grad:
            followed = next((step for step in steps if step > number), None)
            if followed is not None:
                trained_at[places] = np.minimum(trained_at[places], followed)
        else:
            looked_at[places] = np.minimum(looked_at[places], number)
    inside = at < run.stream_tokens
    at, due = at[inside], due[inside]
    # A network's own loss just before it is mixed is part of the score, not a look before it.
    passes = np.array([event.number for event in run.record.of(ForwardEvent) if event.source == "val"])
    own_pass = passes[np.maximum(np.searchsorted(passes, due) - 1, 0)] if passes.size else due
    return SeenBefore(
        tokens=int(at.size),
        trained=int((trained_at[at] < due).sum()),
        scored=int((looked_at[at] < np.minimum(own_pass, due)).sum()),
        steps=sum(number < first for number in steps),
    )


def _lessons_and_looks(run: ScoredRun, *, counts_passes: bool) -> Iterator[tuple[int, np.ndarray, bool]]:
    """Number of an event, positions of the targets in it, and whether with gradient.

    Losses tell them. Where none was seen with gradient, as of a script with a loss of its own, the rows that
    went through the model with gradient do, and the others where `counts_passes`.
    """
    has_lessons = has_looks = False
    for loss in run.record.of(LossEvent):
        places = positions_of(loss)
        has_lessons = has_lessons or (loss.grad and bool((places >= 0).any()))
        has_looks = has_looks or (not loss.grad and bool((places >= 0).any()))
        yield loss.number, places, loss.grad
    for event in run.record.of(ForwardEvent):
        if event.source == "val" and (not has_lessons if event.grad else counts_passes and not has_looks):
            for row in event.rows:
                if row.split == "val":
                    yield event.number, np.arange(row.start + 1, row.start + row.length + 1), event.grad


def knows_positions(run: ScoredRun) -> bool:
    """Whether the position of every counted loss can be relied on.

    Those found by equal losses can. Likely ones can where they fit together: nearly all of the stream, and
    nothing twice but a last row; a wrong guess would leave holes and repeat others.
    """
    score = run.score
    if score.has_positions:
        return True
    if not score.values.size or not (score.placed > 0).all():
        return False
    different = int(np.unique(score.positions).size)
    return different >= _FITTING_SHARE * (
        run.stream_tokens - 1
    ) and score.positions.size - different <= longest_row(run)


def longest_row(run: ScoredRun) -> int:
    """Tokens in the longest row of validation tokens that went through a model."""
    return max(
        (event.shape[-1] for event in run.record.of(ForwardEvent) if event.source == "val" and event.shape),
        default=0,
    )
