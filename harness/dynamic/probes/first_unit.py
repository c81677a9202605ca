"""T5: what is scored before the first update must not depend on whether updates follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.events import StepEvent
from harness.dynamic.probes.compared_scores import compared, seen_before
from harness.dynamic.probes.probe import ProbeResult, Teller, powerless
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.probe import ScoredRun

PROBE = "first-unit"
CONDITION = "c3-score-before-update"


def first_unit(base: ScoredRun, unadapted: ScoredRun) -> ProbeResult:
    """`unadapted` is the same run with adaptation off (a rate of zero): its first scores must be the same.

    The first unit is what `base` counts first; adapt-then-score changes it, score-first cannot.
    """
    missing = powerless(PROBE, CONDITION, base, unadapted)
    if missing is not None:
        return missing
    tell = Teller(PROBE, CONDITION, (base.name, unadapted.name))
    pairs = compared(base, unadapted)
    order = np.argsort(pairs.scored_at, kind="stable")
    changed = pairs.changed[order]
    steps = [event.number for event in base.record.of(StepEvent) if event.source == "val"]
    first_score = int(pairs.scored_at.min(initial=np.iinfo(np.int64).max))
    early = sum(number < first_score for number in steps)
    numbers = {
        "steps": len(steps),
        "steps_before_first_score": early,
        "scores": int(changed.size),
        "first_changed": int(np.argmax(changed)) if changed.any() else int(changed.size),
    }

    def told(outcome: Outcome, sentence: str) -> ProbeResult:
        return tell(outcome, sentence, numbers)

    if not steps:
        return told(Outcome.NOT_RUN, "no optimizer steps on validation tokens were seen: nothing adapts")
    if not changed.any():
        return told(
            Outcome.NO_POWER, "adaptation on or off, all scores are the same: the switch had no effect"
        )
    if changed[0] and early:
        seen = seen_before(base, pairs.positions[order][:1], pairs.scored_at[order][:1])
        return told(
            Outcome.BREACH,
            f"the first score that is counted changes when adaptation is off: {early:,} optimizer steps on "
            f"validation tokens came before it{' and it was trained on' if seen.trained else ''}",
        )
    if changed[0]:
        return told(
            Outcome.NO_POWER,
            "the first score changes when adaptation is off, and no step was seen before it: the switch does "
            "more than that",
        )
    return told(
        Outcome.CLEAN,
        f"the first {numbers['first_changed']:,} of {changed.size:,} scores stay when adaptation is off, the "
        "later ones change",
    )
