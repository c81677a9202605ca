"""T7: the stream twice in a row, against the stream and then other text. The first half must not know.

Both runs have the same length: schedules that depend on how long the stream is are no dependence on its text.
The second half is a control: where the run adapts or caches, it must be cheaper when it is a repetition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.probes.compared_scores import compared, knows_positions, seen_before
from harness.dynamic.probes.probe import ProbeResult, Teller, powerless
from harness.dynamic.probes.rank_order import scored_after, without_order
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.probe import ScoredRun

PROBE = "doubled-stream"
CONDITION = "c4-single-pass"


def doubled_stream(doubled: ScoredRun, followed: ScoredRun, *, half: int) -> ProbeResult:
    """`doubled` holds the same tokens before and after position `half`, `followed` others after it."""
    missing = powerless(PROBE, CONDITION, doubled, followed)
    missing = missing or without_order(PROBE, CONDITION, doubled, followed)
    if missing is not None:
        return missing
    told = Teller(PROBE, CONDITION, (doubled.name, followed.name))
    pairs = compared(doubled, followed)
    if not (knows_positions(doubled) and knows_positions(followed)):
        return told(Outcome.NO_POWER, "where the counted scores belong in the stream is unknown")
    first = pairs.positions < half
    wrong = first & pairs.changed
    later = np.zeros_like(wrong)
    if doubled.record.ranks > 1:
        later = wrong & scored_after(doubled, pairs, np.arange(half, doubled.stream_tokens))
        wrong &= ~later
    ours = doubled.score
    gain = float(
        ours.values[ours.positions < half].mean() - ours.values[ours.positions >= half].mean()
        if (ours.positions >= half).any() and (ours.positions < half).any()
        else 0.0
    )
    numbers = {
        "half": half,
        "first_scores": int(first.sum()),
        "first_changed": int(wrong.sum()),
        "second_changed": int((pairs.changed & ~first).sum()),
        "gain_on_repeat": gain,
    }
    if wrong.any():
        seen = seen_before(doubled, pairs.positions[wrong], pairs.scored_at[wrong])
        return told(
            Outcome.BREACH,
            f"{int(wrong.sum()):,} of {int(first.sum()):,} scores of the first half change with what follows "
            f"it{seen.told()}",
            numbers,
            condition=seen.condition if seen.trained or seen.scored else CONDITION,
        )
    if later.any():
        return told(
            Outcome.NO_POWER,
            f"{int(later.sum()):,} scores of the first half change, all made after tokens of the second had "
            "been scored: the ranks score in an order that is not the stream's",
            {**numbers, "first_changed_later": int(later.sum())},
        )
    if not numbers["second_changed"] or not first.any():
        return told(
            Outcome.NO_POWER, "no score of the second half changed: the change did not arrive", numbers
        )
    return told(
        Outcome.CLEAN,
        f"all {int(first.sum()):,} scores of the first half stay whatever follows; the repetition is "
        f"{gain:+.4f} per token cheaper",
        numbers,
    )
