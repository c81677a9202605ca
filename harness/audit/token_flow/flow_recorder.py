"""Turns what the walk saw into events: lookups, updates of tables, scores, mixtures, choices, sinks."""

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
from harness.audit.token_flow.flow import ENTROPY, SUM, Cell, Flow, Token

if TYPE_CHECKING:
    from harness.audit.token_flow.linear import Linear
    from harness.audit.token_flow.walker import Walker

DRAFTS_AT_MOST = 4_000

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

    def has_target(self) -> bool:
        """Whether the key of this lookup has the token that is scored."""
        return self.is_target


class FlowRecorder:
    """The drafts of one walk, in order of first sight; a line of a script has one of a kind."""

    def __init__(self) -> None:
        self.drafts: dict[int, Draft] = {}
        self.calls: list[Spot] = []
        # Places of tokens that are scored, with the loop passes they are scored in.
        self.targets: dict[tuple[int, Linear], tuple[tuple[int, int], ...]] = {}
        self.ratios: set[tuple[int, int]] = set()
        self.spreads: dict[int, Spot] = {}
        # Values times a test on tokens: the test, the value, where, whether the value knows the tokens too.
        self.products: list[tuple[Flow, Flow, Spot, bool]] = []
        self.open_points: dict[tuple[Spot, str], set[int]] = {}
        self.searches: dict[
            Spot, set[int]
        ] = {}  # where sorted keys are searched, with the arrays of the tokens
        self.read_whole: set[int] = set()  # rows looked up, then read entry by entry
        self._by_key: dict[object, Draft] = {}
        self._last = 0
        self.seen = 0  # grows with everything told

    def _draft(self, kind: str, key: object, at: Spot, walker: Walker | None = None) -> Draft:
        self.seen += 1
        draft = self._by_key.get((kind, key))
        if draft is None:
            self._last += 1
            draft = Draft(self._last, kind, at, tuple(self.calls[-24:]))
            if len(self.drafts) < DRAFTS_AT_MOST:
                self.drafts[draft.id] = draft
                self._by_key[kind, key] = draft
        if walker is not None:
            draft.loops = tuple(walker.loops)
        return draft

    def score(self, walker: Walker, tokens: frozenset[Token], chosen: Loops) -> int:
        """A loss or probability of tokens."""
        draft = self._draft("score", walker.here, walker.here, walker)
        draft.tokens |= tokens
        draft.chosen = chosen
        self.targets.update({token.place: tuple(walker.loops) for token in tokens})
        return draft.id

    def lookup(
        self, walker: Walker, cell: Cell, key: Flow, row: frozenset[int], *, by_row: bool, is_searched: bool
    ) -> int:
        """A table read under a key of tokens."""
        draft = self._draft("lookup", (walker.here, cell.site, tuple(walker.loops)[:1]), walker.here, walker)
        draft.state, draft.row, draft.by_row = cell.id, draft.row | row, draft.by_row or by_row
        draft.is_hashed = not (cell.is_mapping or is_searched)
        draft.tokens |= key.tokens
        draft.chosen = key.loops
        draft.key_at = key.joined_at or draft.key_at
        draft.is_target |= any(self._is_scored_here(token, walker) for token in key.tokens)
        roots = {token.root for token in key.tokens}
        for one in sorted(cell.updates):
            counted = self.drafts.get(one)
            if counted is not None and roots & {token.root for token in counted.tokens}:
                draft.updates.add(one)
                self._see_again(draft, counted, walker, key)
        return draft.id

    def _is_scored_here(self, token: Token, walker: Walker) -> bool:
        """Whether the token is scored in this pass of the loops; an earlier pass made it context."""
        passes = dict(self.targets.get(token.place, ((0, -1),)))
        return 0 not in passes and all(passes.get(loop, number) == number for loop, number in walker.loops)

    def _see_again(self, draft: Draft, counted: Draft, walker: Walker, key: Flow) -> None:
        """Whether the tokens looked up have been counted before."""
        passes, chosen = dict(counted.loops), _passes(counted.chosen)
        common = [loop for loop, _ in walker.loops if loop in passes]
        if any(passes[loop] != number for loop, number in walker.loops if loop in passes):
            return
        if any(not chosen[loop] & these for loop, these in _passes(key.loops).items() if loop in chosen):
            return
        if common and counted.loops == tuple(walker.loops):
            scored = {token.place for token in draft.tokens} & self.targets.keys()
            if not scored & {token.place for token in counted.tokens}:
                return  # one token at a time: it counts an earlier one
        draft.already.add(counted.id)
        draft.in_turn = bool(common)

    def update(self, walker: Walker, cell: Cell, key: Flow, how: str) -> None:
        """A table counts or stores under a key of tokens."""
        draft = self._draft("update", (walker.here, cell.site, tuple(walker.loops)), walker.here, walker)
        draft.state, draft.how, draft.chosen = cell.id, how, key.loops
        draft.tokens |= key.tokens
        cell.updates.add(draft.id)

    def mixed(
        self, walker: Walker, result: Flow, gates: list[Flow], entropy: bool = False, full: bool = False
    ) -> int:
        """A score and lookups combined into a new score."""
        draft = self._draft("mixed", walker.here, walker.here, walker)
        draft.scores |= result.scores - {draft.id}
        draft.lookups |= result.lookups
        draft.pseudo |= entropy
        draft.full |= full
        self._mark_targets(result)
        self._weigh(draft, gates, result)
        self._apply_products(draft, result)
        return draft.id

    def product(self, gate: Flow, value: Flow, at: Spot, *, is_whole: bool) -> None:
        """A value is multiplied by a test on tokens."""
        self.seen += 1
        if len(self.products) < DRAFTS_AT_MOST:
            self.products.append((gate, value, at, is_whole))

    def _apply_products(self, draft: Draft, result: Flow) -> None:
        scored = {token.place for token in result.about}
        for gate, value, at, is_whole in self.products:
            if not scored & {token.place for token in gate.tokens}:
                continue
            if not value.lookups & result.lookups and not value.scores & result.scores:
                continue
            if is_whole and value.lookups:
                draft.weight.add(KeyPart.TARGET)
                draft.gates.add(at)
            else:
                what = "a test on the scored token times a part of the score"
                self.unclear(at, what, frozenset({draft.id}))

    def unclear(self, at: Spot, what: str, scores: frozenset[int]) -> None:
        """Something that may let the scored token into these scores, or into any when none is named."""
        self.seen += 1
        if len(self.open_points) < DRAFTS_AT_MOST:
            self.open_points.setdefault((at, what), set()).update(scores)

    def searched(self, at: Spot, tokens: frozenset[Token]) -> None:
        """Tokens are searched for in sorted keys, or among them."""
        self.seen += 1
        if len(self.searches) < DRAFTS_AT_MOST:
            self.searches.setdefault(at, set()).update({token.root for token in tokens})

    def gate(self, walker: Walker, scores: frozenset[int], result: Flow, gates: list[Flow]) -> None:
        """A mixture is kept only where gates say so."""
        self.seen += 1
        for one in scores:
            draft = self.drafts.get(one)
            if draft is not None and draft.kind == "mixed":
                self._weigh(draft, gates, result)

    def _mark_targets(self, result: Flow) -> None:
        scored = {token.place for token in result.about}
        for key in result.keys:
            if key.token.place in scored and key.lookup in self.drafts:
                self.drafts[key.lookup].is_target = True

    def _weigh(self, draft: Draft, gates: list[Flow], result: Flow) -> None:
        for gate in gates:
            parts = {self._part(one) for one in gate.lookups if one in self.drafts}
            if gate.scores and SUM not in gate.kinds and ENTROPY not in gate.kinds:
                parts.add(KeyPart.TARGET)
            if {t.place for t in gate.tokens} & {t.place for t in result.about}:
                parts.add(KeyPart.TARGET)
            draft.weight |= parts
            if KeyPart.TARGET in parts and gate.joined_at is not None:
                draft.gates.add(gate.joined_at)

    def _part(self, lookup: int) -> KeyPart:
        return KeyPart.TARGET if self.drafts[lookup].has_target() else KeyPart.CONTEXT

    def fed_back(self, lookups: frozenset[int]) -> None:
        """What was looked up goes into the table again."""
        self.seen += len(lookups)
        for one in lookups:
            if one in self.drafts:
                self.drafts[one].feeds_table = True

    def ratio(self, left: frozenset[int], right: frozenset[int]) -> None:
        """A count divided by another of fewer tokens: what the first has more is the scored token."""
        self.seen += 1
        for one in sorted(left - right):
            for other in sorted(right):
                self.ratios.add((one, other))

    def spread(self, scores: frozenset[int], at: Spot) -> None:
        """A token's log-probability is divided by something of that token."""
        self.seen += 1
        for one in scores:
            self.spreads.setdefault(one, at)

    def selected(self, at: Spot, scores: frozenset[int]) -> int:
        """The lower of two losses of a token is kept."""
        draft = self._draft("selected", at, at)
        draft.scores |= scores - {draft.id}
        return draft.id

    def sink(self, at: Spot, label: str, scores: frozenset[int]) -> None:
        """A number in bits is printed."""
        draft = self._draft("sink", at, at)
        draft.label = label
        draft.scores |= scores

    def tokens(self) -> set[Token]:
        """The tokens that were scored, looked up, counted, or tested to weigh a score."""
        found = {token for draft in self.drafts.values() for token in draft.tokens}
        return found.union(*(gate.tokens for gate, *_ in self.products))

    def events(self) -> tuple[Event, ...]:
        """What was seen, as events."""
        used = {one for draft in self.drafts.values() if draft.kind != "lookup" for one in draft.lookups}
        scored = {root for root, _ in self.targets}
        used |= {
            draft.id
            for draft in self.drafts.values()
            if draft.kind == "lookup"
            and not draft.feeds_table
            and scored & {token.root for token in draft.tokens}
        }
        tables = {draft.state for draft in self.drafts.values() if draft.id in used}
        kept = [
            draft
            for draft in self.drafts.values()
            if (draft.kind != "lookup" or draft.id in used)
            and (
                draft.kind != "update"
                or draft.state in tables
                or (
                    draft.state not in self.read_whole
                    and bool(scored & {token.root for token in draft.tokens})
                )
            )
        ]
        return (*(self._event(draft) for draft in kept), *self._open_events())

    def _open_events(self) -> list[Event]:
        printed = {one for draft in self.drafts.values() if draft.kind == "sink" for one in draft.scores}
        scored = {root for root, _ in self.targets}
        found = [
            (at, what) for (at, what), scores in self.open_points.items() if not scores or scores & printed
        ]
        found += [
            (at, "which counts a search among keys of scored tokens finds")
            for at, roots in self.searches.items()
            if roots & scored
        ]
        return [
            Unresolved(id=self._last + 1 + number, at=at, reason=what, on_path=True)
            for number, (at, what) in enumerate(found)
        ]

    def _event(self, draft: Draft) -> Event:
        common: dict[str, Any] = {"id": draft.id, "at": draft.at, "calls": draft.calls, "loops": draft.loops}
        if draft.kind == "score":
            return Score(**common, region=_region(draft), forward=draft.at)
        if draft.kind == "lookup":
            return Lookup(
                **common,
                state=draft.state,
                name=draft.name,
                key=self._parts(draft),
                row_target=self._is_row(draft),
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
                ratio=any(one in draft.lookups and other in draft.lookups for one, other in self.ratios),
                spread=any(one in self.spreads for one in scores),
                pseudo=draft.pseudo,
                normalised=draft.full,
                spread_at=next((self.spreads[one] for one in sorted(scores) if one in self.spreads), None),
                gates=tuple(sorted(draft.gates, key=lambda spot: (spot.file, spot.line))),
            )
        if draft.kind == "selected":
            return Selected(
                **common, score=draft.id, scores=tuple(sorted(draft.scores)), by="loss", per_token=True
            )
        return Sink(**common, label=draft.label[:200], scores=tuple(sorted(draft.scores)))

    def _parts(self, draft: Draft) -> tuple[KeyPart, ...]:
        has_target = draft.has_target() or self._extra_in_ratio(draft)
        rest = {token for token in draft.tokens if token.place not in self.targets}
        is_only_target = has_target and not rest
        return tuple(
            part
            for part, there in ((KeyPart.TARGET, has_target), (KeyPart.CONTEXT, not is_only_target))
            if there
        )

    def _extra_in_ratio(self, draft: Draft) -> bool:
        for one, other in self.ratios:
            if one == draft.id and other in self.drafts:
                fewer = self.drafts[other].tokens
                if fewer and fewer < draft.tokens:
                    return not any(self._is_placed(token) for token in draft.tokens - fewer)
        return False

    def _is_placed(self, token: Token) -> bool:
        """Whether it is known how far the token lies from a scored one."""
        return any(root == token.root and first.terms == token.first.terms for root, first in self.targets)

    def _is_row(self, draft: Draft) -> bool:
        return draft.by_row or any(one in self.drafts and self.drafts[one].tokens for one in draft.row)


def _passes(chosen: Loops) -> dict[int, set[int]]:
    passes: dict[int, set[int]] = {}
    for loop, number in chosen:
        passes.setdefault(loop, set()).add(number)
    return passes


def _region(draft: Draft) -> Region:
    loops: dict[int, tuple[int, int]] = {}
    for loop, number in draft.chosen:
        first, last = loops.get(loop, (number, number))
        loops[loop] = (min(first, number), max(last, number))
    return Region(split=Split.UNKNOWN, loops=tuple(sorted(loops.items())))
