"""Finds every breach of the claimed score in the events of one profile and names its shape."""

from __future__ import annotations

import dataclasses
from itertools import islice
from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.audit.regions import Split
from harness.audit.score_order.breach import Breach, Shape
from harness.audit.score_order.relations import is_context, lies_in, loop_shape, no_common_loop
from harness.audit.score_order.repetition import find_revisions, repetitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.events import (
        Exported,
        ForwardPass,
        Reloaded,
        Score,
        Selected,
        Spot,
        Update,
    )
    from harness.audit.score_order.event_index import EventIndex
    from harness.audit.score_order.repetition import Revision

PAIR_LIMIT = 400_000  # pairs of a score and an update that are compared before the audit gives up
UPDATES_LOOKED_AT = 200  # of one score that is only a candidate for a first pass


def find_breaches(index: EventIndex) -> tuple[tuple[Breach, ...], bool]:
    """One breach per shape, proven ones first, and whether all pairs were compared."""
    chosen: dict[Shape, Breach] = {}
    compared = 0
    finder = _Finder(index)
    for score, update in islice(_pairs(index), PAIR_LIMIT + 1):
        compared += 1
        breach = finder.breach(score, update)
        if breach is not None:
            _keep(chosen, breach)
    for revision in finder.revisions:
        _keep(chosen, finder.lowest(revision))
    scored, context = chosen.get(Shape.SLOT_SCORED), chosen.get(Shape.SLOT_CONTEXT)
    if scored is not None and scored.is_proven and context is not None:
        _drop_same_update(chosen, scored, context)
    order = sorted(chosen.values(), key=lambda b: (not b.is_proven, b.score.id, b.update.id))
    return tuple(order), compared <= PAIR_LIMIT


def _drop_same_update(chosen: dict[Shape, Breach], proven: Breach, asked: Breach) -> None:
    """A question about other passes of an update that is a proven fault says nothing more."""
    if proven.update.at == asked.update.at:
        del chosen[asked.shape]


def _keep(chosen: dict[Shape, Breach], breach: Breach) -> None:
    """One breach per shape: the first proven one, with the number of others."""
    kept = chosen.get(breach.shape)
    if kept is None:
        chosen[breach.shape] = breach
    elif breach.is_proven and not kept.is_proven:
        chosen[breach.shape] = dataclasses.replace(breach, others=kept.others + 1)
    else:
        chosen[breach.shape] = dataclasses.replace(kept, others=kept.others + 1)


def _pairs(index: EventIndex) -> Iterator[tuple[Score, Update]]:
    for score in index.validation_scores():
        for update in index.learned_from_validation(score):
            yield score, update


class _Finder:
    """Looks at one pair at a time; what needs all events is computed once."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self.revisions = tuple(find_revisions(index))
        self._lowest = {name: revision for revision in self.revisions for name in revision.members}
        self._first: dict[int, Score | None] = {}
        self._late_forwards: frozenset[Spot] | None = None
        self._scored_lines: frozenset[Spot] | None = None

    def breach(self, score: Score, update: Update) -> Breach | None:
        """What is wrong with this score having this update, None when nothing is."""
        if not update.region.overlaps(score.region):
            if update.kind is StateKind.DELTA:
                return self._made(Shape.SLOT_CONTEXT, score, update)
            return None
        if update.kind is StateKind.STATISTICS:
            return self._made(Shape.VAL_CALIBRATION, score, update)
        if update.kind is StateKind.TABLE:
            return self._made(Shape.TABLE_FIRST, score, update)
        if update.kind is StateKind.LOGITS:
            return self._made(Shape.TARGET_INSIDE, score, update)
        if update.kind is StateKind.DELTA:
            exact = update.region.is_exact and score.region.is_exact
            exact = exact and not update.region.ends_before(score.region)
            return self._made(Shape.SLOT_SCORED if exact else Shape.SLOT_CONTEXT, score, update)
        revision = self._lowest.get(score.id)
        if revision is not None and update.id > revision.members[0]:
            return None  # stated once, for the choice itself
        return self._learned(score, update)

    def lowest(self, revision: Revision) -> Breach:
        """The choice of the lower of two losses with an update between them."""
        return self._made(
            Shape.LOWEST_OF_PASSES, revision.later, revision.update, selected=revision.selection
        )

    def _learned(self, score: Score, update: Update) -> Breach:
        """Weights or an adapter that learned from the tokens of the score."""
        shape, loop = loop_shape(score, update)
        if shape is Shape.EPOCHS:
            return self._made(shape, score, update, repeats=self._trips(loop))
        if shape is not None:
            return self._made(shape, score, update)
        if is_main_training(self._index, update):
            return self._made(Shape.VAL_TRAINING, score, update)
        first = self._first_score(update)
        if first is not None:
            kept = first.id in self._index.reported
            return self._made(Shape.RESCORE if kept else Shape.DISCARDED_SCORE, score, update, first=first)
        unused = self._unused_pass(update)
        if unused is not None:
            return self._made(Shape.DISCARDED_SCORE, score, update, unused=unused)
        export, reload = self._through_file(score, update)
        if export is not None and reload is not None:
            return self._made(Shape.PREQUANT, score, update, export=export, reload=reload)
        return self._made(Shape.ADAPT_THEN_SCORE, score, update)

    def _made(
        self,
        shape: Shape,
        score: Score,
        update: Update,
        *,
        first: Score | None = None,
        unused: ForwardPass | None = None,
        export: Exported | None = None,
        reload: Reloaded | None = None,
        selected: Selected | None = None,
        repeats: int | None = None,
    ) -> Breach:
        doubts = tuple(self._doubts(shape, score, update, repeats))
        return Breach(
            shape=shape,
            score=score,
            update=update,
            sink=self._index.sink_of(score),
            doubts=doubts,
            first=first,
            unused=unused,
            export=export,
            reload=reload,
            selected=selected,
            repeats=repeats if shape is Shape.EPOCHS else repetitions(self._index, update),
        )

    def _doubts(self, shape: Shape, score: Score, update: Update, repeats: int | None) -> Iterator[str]:
        if shape is Shape.SLOT_CONTEXT:
            yield "which positions the shift is optimised on is decided by masks or batches"
            return
        if not (update.region.is_exact and (score.region.is_exact or no_common_loop(score, update))):
            yield "which validation tokens the update takes could not be followed exactly"
        if update.region.is_cut_from(score.region):
            yield "whether the border that both slices have keeps learned and scored tokens apart"
        if shape is Shape.AHEAD and is_context(score, update):
            yield "whether the older tokens in a scored window, which the update takes, are counted again"
        if shape is Shape.EPOCHS and repeats is None:
            yield "how often the loop repeats is not known"
        silent = next((one for one in self._index.silent if lies_in(update, one)), None)
        if silent is not None:
            missing = f"{silent.missing.file}:{silent.missing.line} prints beside it ({silent.label!r})"
            yield f"what {missing} is not in {silent.log}, which has lines from before and after"
        between = next(
            (each for each in self._index.unresolved if each.on_path and update.id < each.id < score.id), None
        )
        if between is not None:
            yield f"{between.at.file}:{between.at.line} could not be followed ({between.reason})"

    def _trips(self, loop: int | None) -> int | None:
        entered = self._index.loops.get(loop) if loop is not None else None
        return entered.trips if entered is not None else None

    def _first_score(self, update: Update) -> Score | None:
        """A score of the update's tokens, taken before it beside it, that is not in the claim."""
        if self._late_forwards is None:
            scores = self._index.scores.values()
            self._late_forwards = frozenset(s.forward for s in scores if _is_late(self._index, s))
        if update.id not in self._first:
            self._first[update.id] = _first_score(self._index, update, self._late_forwards)
        return self._first[update.id]

    def _unused_pass(self, update: Update) -> ForwardPass | None:
        """A pass over the update's tokens, before it beside it, that no loss was taken from."""
        if self._scored_lines is None:
            self._scored_lines = frozenset(s.forward for s in self._index.scores.values())
        near = set(update.loops)
        for one in self._index.forwards:
            if one.id >= update.id:
                return None
            beside = one.calls == update.calls or near & set(one.loops)
            if beside and one.at not in self._scored_lines and one.region.overlaps(update.region):
                return one
        return None

    def _through_file(self, score: Score, update: Update) -> tuple[Exported | None, Reloaded | None]:
        for export in self._index.exports:
            if update.id < export.id < score.id and update.id in export.updates:
                after = [
                    reload
                    for reload in self._index.reloads
                    if export.id < reload.id < score.id and update.id in reload.updates
                ]
                # The network that is scored may not be the first that took the file.
                scored = [reload for reload in after if reload.state in score.states]
                if after:
                    return export, (scored or after)[-1]
        return None, None


def _first_score(index: EventIndex, update: Update, late: frozenset[Spot]) -> Score | None:
    near = set(update.loops)
    for score in index.scores.values():
        if score.id >= update.id:
            return None
        beside = score.calls == update.calls or near & set(score.loops)
        unclaimed = score.id not in index.claim_names and not score.has_gradient
        if beside and unclaimed and score.forward not in late and score.region.overlaps(update.region):
            return score
    return None


def _is_late(index: EventIndex, score: Score) -> bool:
    """True when the state had learned from the score's own tokens."""
    held = islice(index.learned_from_validation(score), UPDATES_LOOKED_AT)
    return any(update.region.overlaps(score.region) for update in held)


def is_main_training(index: EventIndex, update: Update) -> bool:
    """True when the update belongs to training itself rather than to a phase after it."""
    start = min((mark.id for mark in index.marks if mark.phase == "train-start"), default=None)
    stop = max((mark.id for mark in index.marks if mark.phase == "train-stop"), default=None)
    if start is not None and stop is not None and start < update.id < stop:
        return True
    earlier = [
        each
        for each in index.updates.values()
        if each.id < update.id
        and each.kind is StateKind.WEIGHTS
        and each.region.split is not Split.VALIDATION
    ]
    if any(set(each.loops) & set(update.loops) for each in earlier):
        return True
    exported = any(update.id in export.updates for export in index.exports)
    return not earlier and exported and update.kind is StateKind.WEIGHTS
