"""R5: every position of the stream is counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.probes.compared_scores import knows_positions, longest_row
from harness.dynamic.probes.probe import ProbeResult, Teller, powerless
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.probe import ScoredRun

PROBE = "coverage"
_ALL = "val-full"
_EDGES_SHARE = 0.25
_FEW = 8  # losses of exactly zero are not told from those that a mask left out


def coverage(base: ScoredRun, other: ScoredRun | None = None) -> ProbeResult:
    """How often each of the positions 1 to n-1 was counted.

    `other` is a run of a stream with other tokens and the same documents: the positions it counts must be
    those of `base`, or tokens are chosen by what they are.

    Accepted scripts cut less than one row off the stream's end, or count the last windows' tokens again:
    within one row (two at the start) both are told and no breach. Tokens left out elsewhere may be the work
    of the small settings, so they decide nothing. Ranks that all count everything count it once: their sums
    are divided by as many times the tokens.
    """
    missing = powerless(PROBE, "c4-single-pass", base)
    if missing is not None:
        return missing
    score = base.score
    due = base.stream_tokens - 1
    row = max(longest_row(base), 1)
    told = Teller(PROBE, "c4-single-pass", (base.name,))
    if not knows_positions(base):
        counted = float(score.tokens.sum())
        return told(
            Outcome.NO_POWER,
            f"{counted:,.0f} tokens were counted of {due:,}; which ones is unknown",
            {"counted": counted, "due": due},
        )
    times = np.bincount(score.positions, minlength=base.stream_tokens)
    ranks = base.record.ranks
    if ranks > 1 and not (times % ranks).any():
        times //= ranks
    again, left_out = np.flatnonzero(times > 1), np.flatnonzero(times[1:] == 0) + 1
    surplus = int((times[again] - 1).sum())
    inside = again[again < base.stream_tokens - row]
    gaps = left_out[(left_out >= 2 * row) & (left_out < base.stream_tokens - row)]
    numbers = {
        "counted": int(times.sum()),
        "due": due,
        "again": surplus,
        "again_inside": int(inside.size),
        "left_out": int(left_out.size),
        "left_out_inside": int(gaps.size),
        "row": row,
    }
    if inside.size:
        return told(
            Outcome.BREACH,
            f"{again.size:,} of {due:,} positions are counted more than once ({surplus:,} times too often), "
            f"{inside.size:,} of them before the last {row:,} tokens",
            numbers,
        )
    chosen = _chosen(base, other)
    if chosen is not None:
        return chosen
    if gaps.size:
        return told(
            Outcome.NO_POWER,
            f"{left_out.size:,} of {due:,} positions are not counted, {gaps.size:,} of them inside the "
            "stream; whether the claimed run leaves them out is a matter of its settings",
            numbers,
            condition=_ALL,
        )
    if surplus + left_out.size > _EDGES_SHARE * due:
        return told(
            Outcome.NO_POWER,
            f"{surplus:,} of {due:,} positions are counted again, {left_out.size:,} not at all: within one "
            f"row of {row:,}, but too many to be the edges of the stream",
            numbers,
        )
    edges = []
    if surplus:
        edges.append(f"{surplus:,} of the last {row:,} are counted again")
    if left_out.size:
        edges.append(f"{left_out.size:,} at the edges are not counted")
    ending = f"; {' and '.join(edges)}" if edges else ", each once"
    return told(
        Outcome.CLEAN, f"{int(times.sum()) - surplus:,} of {due:,} positions are counted{ending}", numbers
    )


def _chosen(base: ScoredRun, other: ScoredRun | None) -> ProbeResult | None:
    """The answer where the two runs count different positions."""
    if other is None or other.metric is None or other.why_not:
        return None
    if not (base.score.has_positions and other.score.has_positions):
        return None  # a guess may differ from run to run
    differing = np.setxor1d(base.score.positions, other.score.positions)
    if differing.size <= _FEW:
        return None
    numbers = {
        "counted": int(np.unique(base.score.positions).size),
        "counted_in_other": int(np.unique(other.score.positions).size),
        "differing": int(differing.size),
    }
    return Teller(PROBE, _ALL, (base.name, other.name))(
        Outcome.BREACH,
        f"{differing.size:,} positions are counted in only one of two runs that differ in their tokens (the "
        f"first at {int(differing[0]):,}): which tokens are counted depends on what they are",
        numbers,
    )
