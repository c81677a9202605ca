"""Events in the making, and what becomes of them at the end of a walk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.audit.events import (
    Event,
    KeyPart,
    Lookup,
    Mixed,
    Score,
    Selected,
    Sink,
    Spot,
    StateKind,
    Unresolved,
    Update,
)
from harness.audit.regions import Region, Split

if TYPE_CHECKING:
    from harness.audit.token_flow.flow import Token
    from harness.audit.token_flow.flow_recorder import FlowRecorder

Loops = frozenset[tuple[int, int]]


@dataclass(slots=True)
class Draft:
    """An event in the making. `tokens` are those of its key, or those a score is about."""

    id: int
    kind: str
    at: Spot
    calls: tuple[Spot, ...] = ()
    loops: tuple[tuple[int, int], ...] = ()
    name: str = ""
    state: int = 0
    tokens: set[Token] = field(default_factory=set)
    row: frozenset[int] = frozenset()
    by_row: bool = False
    key_at: Spot | None = None
    already: set[int] = field(default_factory=set)
    in_turn: bool = False
    feeds_table: bool = False  # what was read is counted on and stored back
    gates: set[Spot] = field(default_factory=set)
    is_target: bool = False
    is_hashed: bool = False
    chosen: Loops = frozenset()
    scores: set[int] = field(default_factory=set)
    lookups: set[int] = field(default_factory=set)
    updates: set[int] = field(default_factory=set)
    weight: set[KeyPart] = field(default_factory=set)
    pseudo: bool = False
    full: bool = False
    how: str = ""
    label: str = ""


def events_of(recorder: FlowRecorder) -> tuple[Event, ...]:
    """What was seen, as events."""
    used = {one for draft in recorder.drafts.values() if draft.kind != "lookup" for one in draft.lookups}
    scored = {root for root, _ in recorder.targets}
    used |= {
        draft.id
        for draft in recorder.drafts.values()
        if draft.kind == "lookup"
        and not draft.feeds_table
        and scored & {token.root for token in draft.tokens}
    }
    tables = {draft.state for draft in recorder.drafts.values() if draft.id in used}
    counts = recorder.whole_counts
    before = {one for each in used if each in recorder.drafts for one in recorder.drafts[each].already}
    kept = [
        draft
        for draft in recorder.drafts.values()
        if (draft.kind != "lookup" or draft.id in used)
        and draft.id not in counts
        and not (draft.full and draft.lookups <= counts)  # such as where documents start, in the network
        and (
            draft.kind != "update"
            or draft.state in tables
            or draft.id in before
            or (
                draft.state not in recorder.read_whole
                and bool(scored & {token.root for token in draft.tokens})
            )
        )
    ]
    return (*(_event(recorder, draft) for draft in kept), *_open_events(recorder))


def _open_events(recorder: FlowRecorder) -> list[Event]:
    printed = {one for draft in recorder.drafts.values() if draft.kind == "sink" for one in draft.scores}
    scored = {root for root, _ in recorder.targets}
    found = [
        (at, what) for (at, what), scores in recorder.open_points.items() if not scores or scores & printed
    ]
    found += [
        (at, "which counts a search among keys of scored tokens finds")
        for at, roots in recorder.searches.items()
        if roots & scored
    ]
    found += [(at, "what tokens are counted into") for at in _out_of_sight(recorder, scored)]
    counts = recorder.whole_counts
    found += [
        (draft.at, "of which tokens the counts mixed into the score are made")
        for draft in recorder.drafts.values()
        if draft.kind == "mixed" and not draft.full and draft.lookups & counts and draft.id in printed
    ]
    return [
        Unresolved(id=recorder.last + 1 + number, at=at, reason=what, on_path=True)
        for number, (at, what) in enumerate(found)
    ]


def _out_of_sight(recorder: FlowRecorder, scored: set[int]) -> list[Spot]:
    """Where scored tokens, or what was made of the same data, are counted into nobody knows what.

    Names of tensors and numbers of layers are keys of the same kind and no tokens.
    """
    symbols = recorder.symbols
    if symbols is None:
        return []
    behind_scores = {each for each in symbols.behind(scored) if each > 0}
    return [at for at, roots in recorder.out_of_sight.items() if symbols.behind(roots) & behind_scores]


def _event(recorder: FlowRecorder, draft: Draft) -> Event:
    common: dict[str, Any] = {"id": draft.id, "at": draft.at, "calls": draft.calls, "loops": draft.loops}
    if draft.kind == "score":
        return Score(**common, region=_region(draft), forward=draft.at)
    if draft.kind == "lookup":
        return Lookup(
            **common,
            state=draft.state,
            name=draft.name,
            key=_parts(recorder, draft),
            row_target=_is_row(recorder, draft),
            updates=tuple(sorted(draft.updates)),
            is_hashed=draft.is_hashed,
            region=_region(draft),
            key_at=draft.key_at,
            already=tuple(sorted(draft.already)),
            in_turn=draft.in_turn,
        )
    if draft.kind == "update":
        return Update(
            **common,
            state=draft.state,
            kind=StateKind.TABLE,
            name=draft.name,
            region=_region(draft),
            how=draft.how,
            is_target_key=True,
        )
    if draft.kind == "mixed":
        scores = draft.scores
        return Mixed(
            **common,
            score=draft.id,
            scores=tuple(sorted(scores)),
            lookups=tuple(sorted(draft.lookups)),
            weight_parts=tuple(sorted(draft.weight)),
            ratio=any(one in draft.lookups and other in draft.lookups for one, other in recorder.ratios),
            spread=any(one in recorder.spreads for one in scores),
            pseudo=draft.pseudo,
            normalised=draft.full,
            spread_at=next(
                (recorder.spreads[one] for one in sorted(scores) if one in recorder.spreads), None
            ),
            gates=tuple(sorted(draft.gates, key=lambda spot: (spot.file, spot.line))),
        )
    if draft.kind == "selected":
        return Selected(
            **common,
            score=draft.id,
            scores=tuple(sorted(draft.scores)),
            by=draft.how or "loss",
            per_token=True,
        )
    return Sink(**common, label=draft.label[:200], scores=tuple(sorted(draft.scores)))


def _parts(recorder: FlowRecorder, draft: Draft) -> tuple[KeyPart, ...]:
    has_target = draft.is_target or _extra_in_ratio(recorder, draft)
    rest = {token for token in draft.tokens if token.place not in recorder.targets}
    is_only_target = has_target and not rest
    return tuple(
        part for part, there in ((KeyPart.TARGET, has_target), (KeyPart.CONTEXT, not is_only_target)) if there
    )


def _extra_in_ratio(recorder: FlowRecorder, draft: Draft) -> bool:
    for one, other in recorder.ratios | recorder.likely_ratios:
        if one == draft.id and other in recorder.drafts:
            fewer = recorder.drafts[other].tokens
            if fewer and fewer < draft.tokens:
                return not any(_is_placed(recorder, token) for token in draft.tokens - fewer)
    return False


def _is_placed(recorder: FlowRecorder, token: Token) -> bool:
    """Whether it is known how far the token lies from a scored one."""
    return any(root == token.root and first.terms == token.first.terms for root, first in recorder.targets)


def _is_row(recorder: FlowRecorder, draft: Draft) -> bool:
    return draft.by_row or any(one in recorder.drafts and recorder.drafts[one].tokens for one in draft.row)


def _region(draft: Draft) -> Region:
    loops: dict[int, tuple[int, int]] = {}
    for loop, number in draft.chosen:
        first, last = loops.get(loop, (number, number))
        loops[loop] = (min(first, number), max(last, number))
    return Region(split=Split.UNKNOWN, loops=tuple(sorted(loops.items())))
