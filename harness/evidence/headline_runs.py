"""Which runs the headline rests on: a fault in a run that nobody counts is a remark, not a breach."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence


def carries_headline(case: Case, seed: SeedEvidence) -> bool:
    """True unless the headline provably comes from other runs.

    The headline of submission.json is either the mean of all counted scores or, in early submissions, one
    run's score. Only in the second case are the other runs supporting evidence. Without a headline, or when
    it is neither, every run counts.
    """
    headline = case.submission.json.headline
    scores = [score.value for score in case.evidence.counted_scores]
    if headline is None or seed.counted is None or len(scores) < 2:
        return True
    if abs(fmean(scores) - headline.value) <= case.limits.number("score.claim_tolerance_bpb"):
        return True
    tolerance = case.limits.number("score.headline_tolerance_bpb")
    if abs(seed.counted.val_bpb.value - headline.value) <= tolerance:
        return True
    return not any(abs(score - headline.value) <= tolerance for score in scores)
