"""What a walk tells: lookups, updates of tables, scores, mixtures, choices, printed numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.events import (
    Event,
    KeyPart,
    Spot,
)
from harness.audit.token_flow import counted_before, learned_weights
from harness.audit.token_flow.drafts import Draft, Loops, events_of
from harness.audit.token_flow.flow import ENTROPY, SET_AT_MOST, SUM, Flow, Token
from harness.audit.token_flow.positions import Place, place_beside

if TYPE_CHECKING:
    from harness.audit.token_flow.linear import Linear, Symbols
    from harness.audit.token_flow.objects import Cell
    from harness.audit.token_flow.walker import Walker

DRAFTS_AT_MOST = 4_000
UNPLACED = "which tokens the key of the table holds is not known"
CALLS_APART = 4  # innermost calls that tell losses of one line apart


class FlowRecorder:
    """The drafts of one walk, in order of first sight; a line of a script has one of a kind."""

    def __init__(self) -> None:
        self.drafts: dict[int, Draft] = {}
        self.calls: list[Spot] = []
        # Places of tokens that are scored, with the loop passes they are scored in.
        self.targets: dict[tuple[int, Linear], tuple[tuple[int, int], ...]] = {}
        self.first_scored: dict[tuple[int, Linear], tuple[tuple[int, int], ...]] = {}
        self.ratios: set[tuple[int, int]] = set()
        self.likely_ratios: set[tuple[int, int]] = set()
        self.spreads: dict[int, Spot] = {}
        # Values times a test on tokens: the test, the value, where, whether the value knows the tokens too.
        self.products: list[tuple[Flow, Flow, Spot, bool]] = []
        self.open_points: dict[tuple[Spot, str], set[int]] = {}
        self.searches: dict[
            Spot, set[int]
        ] = {}  # where sorted keys are searched, with the arrays of the tokens
        self.out_of_sight: dict[Spot, set[int]] = {}  # where tokens are counted into nobody knows what
        self.symbols: Symbols | None = None  # of the walk, where something is counted out of sight
        self.read_whole: set[int] = set()  # rows looked up, then read entry by entry
        self.whole_counts: set[int] = set()  # marks of what was counted or sorted over a whole array
        self._by_key: dict[object, Draft] = {}
        self._places: dict[tuple[Token, frozenset[Token]], Place] = {}
        self._first_mixed: dict[int, frozenset[tuple[int, Linear]]] = {}  # places a mixture scored first
        self.last = 0
        self.seen = 0  # grows with everything told

    def _draft(self, kind: str, key: object, at: Spot, walker: Walker | None = None) -> Draft:
        self.seen += 1
        draft = self._by_key.get((kind, key))
        if draft is None:
            self.last += 1
            draft = Draft(self.last, kind, at, tuple(self.calls[-24:]))
            if len(self.drafts) < DRAFTS_AT_MOST:
                self.drafts[draft.id] = draft
                self._by_key[kind, key] = draft
        if walker is not None:
            draft.loops = tuple(walker.loops)
        return draft

    def score(self, walker: Walker, tokens: frozenset[Token], chosen: Loops) -> int:
        """A loss or probability of tokens."""
        # A function that is called from two places makes two losses, of which one may be kept.
        place = (walker.here, *walker.columns[-CALLS_APART:], *self.calls[-CALLS_APART:])
        draft = self._draft("score", place, walker.here, walker)
        draft.tokens |= tokens
        draft.chosen = chosen
        self.targets.update({token.place: tuple(walker.loops) for token in tokens})
        for token in tokens:
            self.first_scored.setdefault(token.place, tuple(walker.loops))
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
                counted_before.see_again(self, draft, counted, walker, key)
        return draft.id

    def whole_count(self, at: Spot) -> int:
        """Numbers counted over a whole array at once, or sorted."""
        ident = self._draft("whole count", at, at).id
        self.whole_counts.add(ident)
        return ident

    def _is_scored_here(self, token: Token, walker: Walker) -> bool:
        """Whether the token is scored in this pass of the loops; an earlier pass made it context."""
        passes = dict(self.targets.get(token.place, ((0, -1),)))
        return 0 not in passes and all(passes.get(loop, number) == number for loop, number in walker.loops)

    def _was_scored(self, token: Token, walker: Walker) -> bool:
        """Whether the token was scored in an earlier pass of a loop: since then it is known."""
        passes = dict(self.targets.get(token.place, ()))
        return any(passes.get(loop, number) < number for loop, number in walker.loops)

    def _is_of_this_pass(self, draft: Draft, walker: Walker) -> bool:
        """Whether it was seen in the pass of the loops that is walked."""
        passes = dict(walker.loops)
        return all(passes.get(loop, number) == number for loop, number in draft.loops)

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
        self._mark_targets(walker, draft, result)
        counted_before.mark_counted_ahead(self, walker, result)
        self._first_mixed.setdefault(draft.id, frozenset(token.place for token in result.about))
        self._weigh(walker, draft, gates, result)
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

    def counted_out_of_sight(self, walker: Walker, tokens: frozenset[Token]) -> None:
        """Something is stored under a key of tokens in what may be a table."""
        self.seen += 1
        self.symbols = walker.symbols
        if len(self.out_of_sight) < DRAFTS_AT_MOST:
            self.out_of_sight.setdefault(walker.here, set()).update({token.root for token in tokens})

    def gate(self, walker: Walker, scores: frozenset[int], result: Flow, gates: list[Flow]) -> None:
        """A mixture is kept only where gates say so."""
        self.seen += 1
        for one in scores:
            draft = self.drafts.get(one)
            if draft is not None and draft.kind == "mixed":
                self._weigh(walker, draft, gates, result)

    def _mark_targets(self, walker: Walker, mixture: Draft, result: Flow) -> None:
        """Which keys of a mixture hold the token it scores, and of which that is not known."""
        scored = {token.place for token in result.about}
        tokens: dict[int, set[Token]] = {one: set() for one in result.lookups if one in self.drafts}
        if len(result.keys) < SET_AT_MOST:
            for key in result.keys:
                if key.lookup in tokens:
                    tokens[key.lookup].add(key.token)
        for one in sorted(tokens):
            lookup = self.drafts[one]
            held = tokens[one]
            if not held and self._is_of_this_pass(lookup, walker):  # which lanes met is lost
                held = lookup.tokens
            for token in held:
                if self._was_scored(token, walker) and token.place not in scored:
                    continue
                place = self._place(walker, token, result.about, held | lookup.tokens)
                lookup.is_target |= place is Place.HELD
                if place is Place.UNKNOWN:
                    self.unclear(lookup.at, UNPLACED, frozenset({mixture.id}))

    def _place(self, walker: Walker, token: Token, scored: frozenset[Token], beside: set[Token]) -> Place:
        asked = token, scored
        found = self._places.get(asked)
        if found is not Place.BEFORE and found is not Place.HELD:  # what lies beside it may have grown
            found = self._places[asked] = place_beside(walker.symbols, token, scored, beside)
        return found

    def _weigh(self, walker: Walker, draft: Draft, gates: list[Flow], result: Flow) -> None:
        scored = frozenset(token.place for token in result.about)
        for gate in gates:
            parts = {self._part(one) for one in gate.lookups if one in self.drafts}
            at_first = self._first_mixed.get(draft.id, frozenset())
            is_gate = gate.scores and SUM not in gate.kinds and ENTROPY not in gate.kinds
            if is_gate and not learned_weights.are_of_earlier_passes(walker, gate, scored, at_first):
                parts.add(KeyPart.TARGET)
            if {token.place for token in gate.tokens} & scored:
                parts.add(KeyPart.TARGET)
            draft.weight |= parts
            if KeyPart.TARGET in parts and gate.joined_at is not None:
                draft.gates.add(gate.joined_at)

    def _part(self, lookup: int) -> KeyPart:
        return KeyPart.TARGET if self.drafts[lookup].is_target else KeyPart.CONTEXT

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
        if left <= right:  # masks of both counts on either side: the longer key tells which is divided
            self.likely_ratios |= {(one, other) for one in left for other in right if one != other}

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

    def left_out(self, at: Spot, scores: frozenset[int], why: str) -> int:
        """Of these losses those of some tokens are left out of what goes on."""
        draft = self._draft("selected", (why, at), at)
        draft.how = why
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
        return events_of(self)
