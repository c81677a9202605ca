"""Several losses of the same tokens inside the claimed number, of which one is kept or may be kept.

The token pass proves a choice between two losses of one token. What it does not see are choices between the
losses of whole chunks, in lists and dictionaries, and in the passes of a loop: the interpreter saw which of
its scores were compared, and which came together in one sum.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.events import Accumulated, Selected
from harness.audit.regions import Split
from harness.audit.score_order.evidence_chain import at, placed
from harness.audit.score_order.family import order_of
from harness.audit.token_flow.choices import UNCLEAR
from harness.audit.token_leaks.leaks import TokenIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.events import Event, Score
    from harness.audit.score_order.event_index import EventIndex
    from harness.audit.score_order.evidence_chain import Step
    from harness.case import Case
    from harness.finding import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLoss:
    """Losses `of` the same tokens inside the claimed number; `chosen_at` compares them, if that was seen.

    `is_part`: they are of a part of validation, a chunk or a window, not results over all of it.
    """

    of: tuple[Score, ...]
    joined_at: Event
    is_chosen: bool
    is_part: bool

    @property
    def message(self) -> str:
        """What happens, for the reader."""
        made = " and ".join(dict.fromkeys(at(score.at) for score in self.of[:2]))
        if self.is_chosen:
            return (
                f"{at(self.joined_at.at)} compares losses of the same tokens, made at {made}, and one of "
                "them is counted: the choice is made with the answer. Score each token once"
            )
        return (
            f"unresolved: {at(self.joined_at.at)} makes one of several losses of the same tokens, made at "
            f"{made} in the passes of a loop"
        )

    def places(self, case: Case) -> tuple[Place, ...]:
        """The losses, and where one of them is kept."""
        if case.audit is None:
            return ()
        made = dict.fromkeys(score.at for score in self.of)
        steps: list[Step] = [(spot, "a loss of these tokens") for spot in list(made)[:3]]
        steps.append((self.joined_at.at, "one of them is kept"))
        return placed(case.audit, steps, self.joined_at.at)


def kept_loss(case: Case) -> KeptLoss | None:
    """The first choice among losses of the same tokens inside the claimed number, seen ones first."""
    reading = order_of(case)
    if reading is None:
        return None
    stated = {breach.selected.id for breach in reading.breaches if breach.selected is not None}
    found = list(_chosen(reading.index, stated))
    return next((one for one in found if one.is_part), None) or next(
        iter([*found, *_of_loops(reading.index)]), None
    )


def open_choice(case: Case) -> str | None:
    """Why nobody can say that each token has one loss inside the claimed number; None when one can."""
    found = kept_loss(case)
    if found is not None:
        return "open until the question of selection-by-val is answered" if found.is_chosen else found.message
    if case.audit is None:
        return None
    index = TokenIndex(case.audit.claim)
    sink = index.witness()
    unclear = next(
        (
            event
            for event in index.selected.values()
            if sink is not None and event.by == UNCLEAR and event.score in sink.scores
        ),
        None,
    )
    if unclear is None:
        return None
    return f"unresolved: what {at(unclear.at)} keeps of several losses of the same tokens"


def _chosen(index: EventIndex, stated: set[int]) -> Iterator[KeptLoss]:
    """Comparisons of losses of which one is counted."""
    for event in index.all_of(Selected):
        if event.by != "loss" or event.id in stated:
            continue
        for same in _of_the_same_tokens(index, event.scores):
            yield KeptLoss(of=same, joined_at=event, is_chosen=True, is_part=bool(same[0].region.loops))


def _of_the_same_tokens(index: EventIndex, names: tuple[int, ...]) -> list[tuple[Score, ...]]:
    """The claimed scores of validation among these that are of exactly the same tokens as another."""
    by_tokens = defaultdict(list)
    for score in index.inside(names):
        claimed = score.id in index.claim_names and score.region.split is Split.VALIDATION
        if claimed and score.region.is_exact:
            by_tokens[score.region, score.loops[:1]].append(score)
    return [tuple(each) for each in by_tokens.values() if len(each) > 1]


def _of_loops(index: EventIndex) -> Iterator[KeptLoss]:
    """Losses that the passes of an inner loop made of the same tokens, and that were only counted together.

    Each pass adding its own loss is a plain sum. The same line in passes of a loop is no branch: all of these
    losses were computed.
    """
    together = [event for event in index.all_of(Accumulated) if len(event.scores) > 1]
    alone = {event.scores[0] for event in index.all_of(Accumulated) if len(event.scores) == 1}
    for event in together:
        for same in _of_the_same_tokens(index, event.scores):
            repeated = _repeated(same)
            if repeated and not alone & {score.id for score in repeated}:
                yield KeptLoss(
                    of=repeated, joined_at=event, is_chosen=False, is_part=bool(same[0].region.loops)
                )


def _repeated(scores: tuple[Score, ...]) -> tuple[Score, ...]:
    """Those of the same line and the same calls in different passes of one loop."""
    by_line = defaultdict(list)
    for score in scores:
        loops = tuple(loop for loop, _ in score.loops)
        by_line[score.at, score.calls, loops].append(score)
    return next((tuple(each) for each in by_line.values() if len({s.loops for s in each}) > 1), ())
