"""Whether the claimed number adds up plain negative log-probabilities: facts of a scan on the claim's path.

The events say where the claimed scores are made and added up, the scan what is done to a loss on the way. A
function that makes another loss (training's, say) and has no part in the claim is left aside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.audit.events import Accumulated
from harness.audit.score_order.event_index import EventIndex
from harness.evidence.code_facts import scan_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.audit.events import Spot
    from harness.case import Case

_SAID = {
    "labels are smoothed": "computed with smoothed labels",
    "tokens are weighted": "weighted by the token",
    "tokens are left out": "made without some of the tokens",
}


def altered_losses(case: Case) -> list[Mapping[str, Any]]:
    """What leaves no log-probability in the very statements that make or add up the claimed scores."""
    facts, index = _of(case)
    if facts is None or index is None:
        return []
    summed = [each.at for each in _sums(index)]
    made = [score.at for score in index.claim_scores]
    found = [one for one in facts["changes"] if one["kind"] == "changed" and _covers(one, [*made, *summed])]
    smoothed = [one for one in facts["sources"] if one["why"] in _SAID and one["sure"] and _covers(one, made)]
    return [*found, *({**one, "what": _SAID[one["why"]]} for one in smoothed)]


def why_not_plain(case: Case) -> str | None:
    """What keeps the claimed number from being a sum of plain log-probabilities; None for nothing."""
    facts, index = _of(case)
    if facts is None or index is None:
        return "the code was not scanned for what is done to a loss"
    if facts["is_cut"]:
        return "more is done to losses in this script than is followed"
    plain = [one for one in facts["sources"] if one["plain"]]
    for score in index.claim_scores:
        if not _covers_any(plain, score.at):
            known = [one for one in facts["sources"] if _covers(one, [score.at])]
            why = known[0]["why"] if known else "no plain cross entropy and no entry of a log-softmax"
            return f"the loss at {score.at.file}:{score.at.line}: {why}"
    spots = [spot for score in index.claim_scores for spot in (score.at, score.forward, *score.calls)]
    spots += [spot for each in _sums(index) for spot in (each.at, *each.calls)]
    spots += [spot for sink in index.claim_sinks for spot in (sink.at, *sink.calls)]
    makes = {(one["file"], one["begin"], one["end"]) for one in facts["sources"]}
    for one in facts["changes"]:
        here = (one["file"], one["begin"], one["end"])
        if here not in makes or any(_is_within(spot, here) for spot in spots):
            return f"a loss at {one['file']}:{one['line']} is {one['what']}"
    return None


def _of(case: Case) -> tuple[dict[str, Any] | None, EventIndex | None]:
    facts = scan_facts(case, "loss_arithmetic")
    if facts is None or case.audit is None:
        return None, None
    return facts, EventIndex(case.audit.claim)


def _sums(index: EventIndex) -> list[Accumulated]:
    return [each for each in index.all_of(Accumulated) if index.claim_names.intersection(each.scores)]


def _covers(fact: Mapping[str, Any], spots: Iterable[Spot]) -> bool:
    return any(spot.file == fact["file"] and fact["line"] <= spot.line <= fact["last"] for spot in spots)


def _covers_any(facts: Iterable[Mapping[str, Any]], spot: Spot) -> bool:
    return any(_covers(fact, [spot]) for fact in facts)


def _is_within(spot: Spot, function: tuple[str, int, int]) -> bool:
    file, begin, end = function
    return spot.file == file and begin <= spot.line <= end


def is_scored_part(case: Case, part: Mapping[str, Any]) -> bool:
    """Whether a part of validation may be inside the claimed number.

    It is not where it takes nothing's place and no claimed score is made on the lines that use it, provided
    that the claim was followed to all its scores.
    """
    if case.audit is None:
        return True
    facts = scan_facts(case, "validation_parts") or []
    own = [one for one in facts if (one["file"], one["line"]) == (part["file"], part["line"])]
    index = EventIndex(case.audit.claim)
    is_open = not case.audit.claim.finished or any(each.on_path for each in index.unresolved)
    if not own or any(one["replaces"] for one in own) or is_open or not index.validation_scores():
        return True
    spots = [spot for score in index.claim_scores for spot in (score.at, score.forward, *score.calls)]
    spots += [spot for each in _sums(index) for spot in (each.at, *each.calls)]
    lines = {spot.line for spot in spots if spot.file == part["file"]}
    return any(begin <= line <= end for one in own for begin, end in one["uses"] for line in lines)
