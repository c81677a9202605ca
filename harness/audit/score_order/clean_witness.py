"""What a clean verdict needs: the number was reached, everything on its path was seen, adaptation was seen.

Nothing seen is never clean. Either the witnesses are all there, or the reason says what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.audit.regions import Split
from harness.wording import listed

if TYPE_CHECKING:
    from harness.audit.events import Score, Sink, Update
    from harness.audit.score_order.event_index import EventIndex

_LEARNERS = {StateKind.WEIGHTS, StateKind.ADAPTER, StateKind.DELTA, StateKind.TABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A score of the claimed number, an update on its tokens after it, and the number itself.

    `later` is a score that uses the update, for other tokens. Without adaptation `update` is None.
    """

    score: Score
    sink: Sink
    update: Update | None = None
    later: Score | None = None


def why_open(index: EventIndex, *, log_adapts: bool = False) -> str | None:
    """Why the claimed number cannot be called clean; None when nothing is missing."""
    return _unreached(index) or _unseen(index) or _missing_adaptation(index, log_adapts=log_adapts)


def _unreached(index: EventIndex) -> str | None:
    audit = index.audit
    if not index.claim_sinks:
        if audit.finished and not index.scores and not index.unresolved:
            return "unresolved: the script at hand ends without computing a loss"
        reason = next((u for u in index.unresolved if u.on_path), None) or next(iter(index.unresolved), None)
        why = f" ({reason.reason}{': ' + reason.detail if reason.detail else ''})" if reason else ""
        return f"unresolved: the printed score was not reached{why}"
    if not index.validation_scores():
        return "unresolved: no score of validation tokens was followed into the printed number"
    if not audit.finished:
        return "unresolved: the walk through the script ended at its budget"
    return None


def _unseen(index: EventIndex) -> str | None:
    hidden = [each for each in index.unresolved if each.on_path]
    if hidden:
        spots = [f"{each.reason} at {each.at.file}:{each.at.line}" for each in hidden]
        return f"unresolved on the path of the score: {listed(list(dict.fromkeys(spots)), 3)}"
    vague = next((s for s in index.claim_scores if s.region.split is Split.UNKNOWN), None)
    if vague is not None:
        return (
            f"unresolved: which tokens are scored at {vague.forward.file}:{vague.forward.line} is not known"
        )
    held = (index.updates[n] for s in index.claim_scores for n in s.updates if n in index.updates)
    blind = next((u for u in held if u.region.split is Split.UNKNOWN), None)
    if blind is not None:
        return f"unresolved: what the update at {blind.at.file}:{blind.at.line} learns from is not known"
    return None


def _missing_adaptation(index: EventIndex, *, log_adapts: bool) -> str | None:
    adapting = index.validation_updates()
    if log_adapts and not adapting:
        return "the log shows test-time training, but no update on validation tokens was seen in the code"
    if index.audit.configured and not adapting:
        names = listed(list(index.audit.configured), 3)
        return f"unresolved: {names} was reached, but no update on validation tokens was seen in it"
    unused = _unused_gradient(index)
    if unused is not None:
        return f"unresolved: no update was seen to follow the gradient of validation tokens at {unused}"
    held = {name for score in index.claim_scores for name in score.updates}
    if any(update.id in held for update in adapting):
        return None
    forgotten = {name for reset in index.resets for name in reset.forgets}
    scores = index.validation_scores()
    turns = {loop for score in scores for loop, _ in score.loops}
    lost = next(
        (
            update
            for update in adapting
            if update.id not in forgotten
            and update.id < scores[-1].id
            and turns & {loop for loop, _ in update.loops}
        ),
        None,
    )
    if lost is not None and lost.kind in _LEARNERS:
        return f"unresolved: no later score was seen to use the update at {lost.at.file}:{lost.at.line}"
    return None


def _unused_gradient(index: EventIndex) -> str | None:
    """Where a loss of validation tokens keeps its gradient and nothing beside it was seen to learn.

    Plain evaluation takes no gradient, so this is adaptation that the walk lost.
    """
    learning = {loop for update in index.validation_updates() for loop, _ in update.loops}
    some = bool(index.validation_updates())
    for score in index.scores.values():
        if not score.has_gradient or score.region.split is not Split.VALIDATION:
            continue
        around = {loop for loop, _ in score.loops}
        if not (around & learning if around else some):
            return f"{score.forward.file}:{score.forward.line}"
    return None


def find_witness(index: EventIndex) -> Witness | None:
    """The lines that show why the claimed number is clean, the most telling ones first."""
    scores = index.validation_scores()
    plain: Witness | None = None
    for score in scores:
        sink = index.sink_of(score)
        if sink is None:
            continue
        plain = plain or Witness(score=score, sink=sink)
        after = next(
            (
                update
                for update in index.validation_updates()
                if update.id > score.id and update.region.overlaps(score.region) and update.kind in _LEARNERS
            ),
            None,
        )
        if after is not None:
            later = next((s for s in scores if s.id > after.id and after.id in s.updates), None)
            return Witness(score=score, sink=sink, update=after, later=later)
    return plain
