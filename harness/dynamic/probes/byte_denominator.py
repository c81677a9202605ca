"""R6: the bytes below the line are those of the counted tokens by our own table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.dynamic.probes.compared_scores import knows_positions, longest_row
from harness.dynamic.probes.probe import ProbeResult, powerless
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    import numpy as np

    from harness.dynamic.probes.probe import ScoredRun

PROBE = "byte-denominator"
CONDITION = "bytes"
_SAME = 1e-6


def byte_denominator(base: ScoredRun, *, byte_counts: np.ndarray) -> ProbeResult:
    """What the claimed bits per byte was divided by, against `byte_counts` (int, one per stream position).

    Where positions of the counted losses are known, their bytes are due, to the byte. Else the bytes of the
    whole stream are, and a tail of one row may be missing or counted again.
    """
    missing = powerless(PROBE, CONDITION, base)
    if missing is not None:
        return missing
    assert base.metric is not None
    metric, score = base.metric, base.score
    runs = (base.name,)
    used = metric.denominator
    if metric.metric.unit != "bpb" or not used or not metric.denominator_site:
        return ProbeResult(
            probe=PROBE,
            condition=CONDITION,
            outcome=Outcome.NO_POWER,
            numbers={"denominator": used},
            sentence="the claimed number was not seen to be divided by a count of bytes",
            runs=runs,
        )
    if knows_positions(base):
        due = float(byte_counts[score.positions].sum())
        slack = 0.0
    else:
        due = float(byte_counts[1:].sum())
        row = max(longest_row(base), 1)
        slack = float(max(byte_counts[-row:].sum(), byte_counts[1 : row + 1].sum()))
    off = used - due
    numbers = {"used": used, "due": due, "off": off, "slack": slack, "share": off / due if due else 0.0}
    at = metric.denominator_site
    if abs(off) <= slack + _SAME * due:
        if slack:
            return ProbeResult(
                probe=PROBE,
                condition=CONDITION,
                outcome=Outcome.CLEAN if abs(off) <= _SAME * due else Outcome.NO_POWER,
                numbers=numbers,
                sentence=f"{at} holds {used:,.0f} bytes; the whole stream has {due:,.0f}, and which tokens "
                "were counted is unknown",
                runs=runs,
            )
        return ProbeResult(
            probe=PROBE,
            condition=CONDITION,
            outcome=Outcome.CLEAN,
            numbers=numbers,
            sentence=f"{at} holds {used:,.0f} bytes, as our own table counts for the {score.values.size:,} "
            "scored tokens",
            runs=runs,
        )
    return ProbeResult(
        probe=PROBE,
        condition=CONDITION,
        outcome=Outcome.BREACH,
        numbers=numbers,
        sentence=f"{at} holds {used:,.0f} bytes where our own table counts {due:,.0f} ({off:+,.0f}, "
        f"{100 * off / due:+.2f} %): the score is that much too {'low' if off > 0 else 'high'}",
        runs=runs,
    )
