"""R1: the artifact is the same whatever the validation tokens are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.dynamic.probes.model_files import model_files
from harness.dynamic.probes.probe import ProbeResult, powerless
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.probe import ScoredRun

PROBE = "artifact-independence"
CONDITION = "no-val-in-artifact"
LEAST_SHARE = 0.9
"""Of the stream that must have been replaced for equal artifacts to mean something: calibration takes its
tokens from the front as likely as from anywhere."""


def artifact_independence(base: ScoredRun, changed: ScoredRun, *, replaced: int) -> ProbeResult:
    """Artifacts of `changed`, in which `replaced` validation tokens are others, against those of `base`."""
    missing = powerless(PROBE, CONDITION, base, changed)
    if missing is not None:
        return missing
    runs = (base.name, changed.name)
    before, after = model_files(base), model_files(changed)
    shared = sorted(before.keys() & after.keys())
    differ = [name for name in shared if before[name][1] != after[name][1]]
    numbers = {
        "artifacts": len(shared),
        "changed": len(differ),
        "replaced_tokens": replaced,
        "stream_tokens": base.stream_tokens,
    }

    def told(outcome: Outcome, sentence: str) -> ProbeResult:
        return ProbeResult(
            probe=PROBE, condition=CONDITION, outcome=outcome, numbers=numbers, sentence=sentence, runs=runs
        )

    if differ:
        name = differ[0]
        return told(
            Outcome.BREACH,
            f"{name} is another file ({before[name][1][:12]}, {before[name][0]:,} bytes; "
            f"{after[name][1][:12]}, {after[name][0]:,} bytes) when {replaced:,} of {base.stream_tokens:,} "
            "validation tokens are others: the artifact holds validation data",
        )
    if not shared:
        return told(
            Outcome.NO_POWER, "no artifact was seen to be written before the score: nothing to compare"
        )
    if replaced < LEAST_SHARE * (base.stream_tokens - 1):
        return told(
            Outcome.NO_POWER,
            f"{len(shared)} artifacts stay the same, but only {replaced:,} of {base.stream_tokens:,} "
            "validation tokens were others",
        )
    return told(
        Outcome.CLEAN,
        f"{', '.join(shared[:3])} stay the same, bit for bit, when {replaced:,} of {base.stream_tokens:,} "
        "validation tokens are others",
    )
