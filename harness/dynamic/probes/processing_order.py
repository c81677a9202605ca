"""R3: tokens that are scored last are replaced; every score computed before theirs must stay.

For scripts that score in an order of their own (longest documents first): what counts is what a score came
after, not where its token stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.probes.compared_scores import compared, knows_positions, seen_before
from harness.dynamic.probes.probe import ProbeResult, Teller, powerless
from harness.dynamic.probes.rank_order import has_in_context, scored_after, without_order
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.compared_scores import Compared
    from harness.dynamic.probes.probe import ScoredRun

PROBE = "processing-order"
CONDITION = "c1-causal"
FIRST_SHARE = 0.12
"""Of the scores that lie before the replaced tokens, at least. Few on purpose: tokens that were read ahead
show only when they are among the replaced ones, and `prefix_invariance` cuts the stream near its end."""
_LARGEST_KEPT = 0.6
_LEAST_BEFORE = 0.1
_LATER_SHARES = (0.25, 0.5)  # kept where `FIRST_SHARE` leaves too few scores without a replaced token before


def scored_last(run: ScoredRun) -> np.ndarray | None:
    """Positions that are scored last, ascending: what to replace for this probe.

    Scores made at once are not torn from each other by the order alone, so the first ones that begin behind
    `FIRST_SHARE` are cut in their middle. Rows in an order of their own (shuffled windows) would nearly all
    have one of so many tokens in their context: of what is scored last only the second half of the stream is
    replaced then, which the rows of the first half do not hold. None where the positions are unknown.
    """
    if run.metric is None or not knows_positions(run):
        return None
    order = np.argsort(run.score.scored_at, kind="stable")
    positions = run.score.positions[order]
    _, first = np.unique(positions, return_index=True)
    first.sort()
    in_order, scored_at = positions[first], run.score.scored_at[order][first]
    starts = np.flatnonzero(np.diff(scored_at)) + 1
    starts = starts[starts >= FIRST_SHARE * in_order.size]
    kept = int(in_order.size * _LARGEST_KEPT)
    if starts.size:
        end = int(starts[1]) if starts.size > 1 else in_order.size
        kept = min(kept, (int(starts[0]) + end) // 2)
        kept = max(kept, int(starts[0]))
    last = np.sort(in_order[kept:])
    if run.record.ranks > 1 or _share_before(run, last) >= _LEAST_BEFORE:
        return last
    middle = int(np.median(in_order))
    for share in _LATER_SHARES:
        later = in_order[int(in_order.size * share) :]
        later = np.sort(later[later > middle])
        if _share_before(run, later) >= _LEAST_BEFORE:
            return later
    return last


def _share_before(run: ScoredRun, replaced: np.ndarray) -> float:
    """Of the scores, those made before any token at `replaced` was scored and without one before them."""
    pairs = compared(run, run)
    touched = np.isin(pairs.positions, replaced)
    if not touched.any():
        return 0.0
    return float(_before(run, pairs, replaced, touched).mean())


def _before(run: ScoredRun, pairs: Compared, replaced: np.ndarray, touched: np.ndarray) -> np.ndarray:
    """Which scores of one rank may not know the tokens at `replaced`, whose scores are `touched`."""
    made_before = pairs.scored_at < int(pairs.scored_at[touched].min())
    result: np.ndarray = made_before & ~has_in_context(run, pairs, replaced)
    return result


def processing_order(base: ScoredRun, changed: ScoredRun, *, replaced: np.ndarray) -> ProbeResult:
    """Scores of `changed`, whose tokens at the positions `replaced` are others, against those of `base`."""
    missing = powerless(PROBE, CONDITION, base, changed) or without_order(PROBE, CONDITION, base, changed)
    if missing is not None:
        return missing
    told = Teller(PROBE, CONDITION, (base.name, changed.name))
    if not (knows_positions(base) and knows_positions(changed)):
        return told(Outcome.NO_POWER, "where the counted scores belong in the stream is unknown")
    pairs = compared(base, changed)
    touched = np.isin(pairs.positions, replaced)
    if not touched.any():
        return told(Outcome.NO_POWER, "none of the replaced tokens is scored", {"scores": pairs.changed.size})
    if base.record.ranks > 1:
        # What ranks score side by side came neither before nor after, and its context may hold their tokens.
        before = ~touched & ~scored_after(base, pairs, replaced) & ~has_in_context(base, pairs, replaced)
    else:
        before = _before(base, pairs, replaced, touched)
    wrong = before & pairs.changed
    numbers: dict[str, float] = {
        "replaced_tokens": int(replaced.size),
        "scores": pairs.changed.size,
        "scores_before": int(before.sum()),
        "changed_before": int(wrong.sum()),
        "changed_after": int((pairs.changed & ~before).sum()),
    }
    if wrong.any():
        seen = seen_before(base, pairs.positions[wrong], pairs.scored_at[wrong])
        numbers.update(trained_before=seen.trained, scored_before=seen.scored)
        return told(
            Outcome.BREACH,
            f"{int(wrong.sum()):,} of {int(before.sum()):,} scores change that were computed before any of "
            f"the {int(replaced.size):,} replaced tokens was scored{seen.told()}",
            numbers,
            condition=seen.condition,
        )
    if before.sum() < _LEAST_BEFORE * pairs.changed.size:
        return told(
            Outcome.NO_POWER,
            f"only {int(before.sum()):,} of {pairs.changed.size:,} scores were computed before a replaced "
            "token was scored",
            numbers,
        )
    if not (pairs.changed & touched).any():
        return told(
            Outcome.NO_POWER, "no score of a replaced token changed: the change did not arrive", numbers
        )
    return told(
        Outcome.CLEAN,
        f"all {int(before.sum()):,} scores computed before any of the {int(replaced.size):,} replaced "
        f"tokens was scored stay, bit for bit; {int((pairs.changed & ~before).sum()):,} later ones change",
        numbers,
    )
