"""R5: other tokens at several places at once, none in the context of another; no score may know its own.

`normalisation` looks at one place. A network that sees its target only now and then (behind one kind of
token) is blind there by chance; one run more shows it at the first replaced target of every row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.events import LossEvent
from harness.dynamic.probes.compared_scores import longest_row
from harness.dynamic.probes.probe import ProbeResult, Teller, powerless
from harness.dynamic.probes.rows_apart import one_in_each, rows_of
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.dynamic.probes.probe import ScoredRun

PROBE = "scattered-targets"
CONDITION = "c1-causal"  # a softmax that knows its target sums to one all the same
LEAST_PLACES = 3
_SEED = 20_260_411


def scattered_places(base: ScoredRun) -> np.ndarray | None:
    """Positions to replace together, one in the part of each row that no later row has; None where that is no
    question.

    It is one for a run all of whose counted losses are those of a softmax, with `LEAST_PLACES` rows.
    """
    if base.metric is None or base.score.network_share != 1.0:
        return None
    length = longest_row(base)
    starts = np.unique([positions[0] for positions, _ in _rows(base) if positions[0] > 0])
    if not length or starts.size < LEAST_PLACES:
        return None
    places = one_in_each(starts, length, base.stream_tokens, np.random.default_rng(_SEED))
    return np.array(places) if len(places) >= LEAST_PLACES else None


def _rows(run: ScoredRun) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of the targets of each row whose losses count, int64 [L], and the log-sum-exps of its
    scores, [L].
    """
    length, counted = longest_row(run), set(run.score.scored_at.tolist())
    for loss in run.record.of(LossEvent):
        if loss.number in counted:
            yield from rows_of(loss, length)


def suspects(base: ScoredRun, changed: ScoredRun, places: Sequence[int]) -> tuple[list[int], int]:
    """Those of `places` where the log-sum-exp of the scores of all tokens differs, and how many were seen.

    In each row only the first of them is looked at: behind it the context is another.
    """
    differing, seen = set(), set()
    for (one, norms), (two, others) in zip(_rows(base), _rows(changed), strict=False):
        hits = np.isin(one, places)
        if not hits.any() or not np.array_equal(one, two):
            continue
        first = int(np.argmax(hits))
        seen.add(int(one[first]))
        if norms[first] != others[first] and not (np.isnan(norms[first]) and np.isnan(others[first])):
            differing.add(int(one[first]))
    return sorted(differing), len(seen)


def scattered_targets(
    base: ScoredRun, changed: ScoredRun, places: Sequence[int], alone: ScoredRun | None
) -> ProbeResult:
    """Whether the scores at `places` stay in `changed`, where all of them hold other tokens.

    `alone` is a run with only the first of `suspects` replaced: what was learned or remembered from earlier
    places is not in it, so a difference that stays comes from the token itself. None where it was not made.
    """
    missing = powerless(PROBE, CONDITION, base, changed)
    if missing is not None:
        return missing
    differing, seen = suspects(base, changed, places)
    tell = Teller(PROBE, CONDITION, (base.name, changed.name))
    numbers: dict[str, float] = {"places": len(places), "seen": seen, "differing": len(differing)}

    if seen < LEAST_PLACES:
        return tell(
            Outcome.NO_POWER, f"the scores of all tokens were seen at {seen} of {len(places)} places", numbers
        )
    if not differing:
        return tell(
            Outcome.CLEAN,
            f"the scores of all tokens at {seen} positions stay, bit for bit, when other tokens stand there",
            numbers,
        )
    first = differing[0]
    if alone is None or alone.metric is None:
        return tell(
            Outcome.NO_POWER,
            f"the scores at position {first:,} change, and no run with that token alone could confirm it",
            numbers,
        )
    if not suspects(base, alone, [first])[0]:
        return tell(
            Outcome.NO_POWER,
            f"the scores at position {first:,} change with what stood before it, so the places are not apart",
            numbers,
        )
    return tell(
        Outcome.BREACH,
        f"the scores of all tokens at position {first:,} change when only the token that stands there is "
        f"another ({len(differing)} of {seen} such positions are suspect): the network sees what it predicts",
        numbers,
        runs=(base.name, alone.name),
    )
