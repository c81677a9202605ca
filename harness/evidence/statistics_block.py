"""The statistics block of a report: the counted scores against the record to beat, every reading of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.significance import NotTestable, Welch, compare, mean, sample_std
from harness.evidence.validation_bytes import measure

if TYPE_CHECKING:
    from harness.case import Case


def _p(test: Welch | NotTestable) -> float | None:
    return test.p if isinstance(test, Welch) else None


def statistics_of(case: Case) -> dict[str, float | int | str | None] | None:
    """Scores, gain in three units, and both p-values; None when no score is proven or no record is known.

    Keys: n, mean_val_bpb, sample_std_val_bpb; the same for the reference with its name and source; the gain
    in bpb, nats per token and nats per byte; the margin; p without and with margin, and against a single run.
    """
    scores = [score.value for score in case.evidence.counted_scores]
    if not scores or case.reference is None or not case.reference.scores:
        return None
    ratios = [found.bytes_per_token for seed in case.evidence.seeds if (found := measure(seed))]
    compared = compare(
        scores,
        case.reference.scores,
        margin_nats=case.limits.number("significance.margin_nats"),
        bytes_per_token=mean(ratios) if ratios else None,
    )
    no_margin = compared.no_margin
    return {
        "n": len(scores),
        "mean_val_bpb": mean(scores),
        "sample_std_val_bpb": sample_std(scores),
        "reference": case.reference.name,
        "reference_source": case.reference.source,
        "reference_n": len(case.reference.scores),
        "reference_mean_val_bpb": mean(case.reference.scores),
        "gain_bpb": compared.gain.bpb,
        "gain_nats_per_token": compared.gain.nats_per_token,
        "gain_nats_per_byte": compared.gain.nats_per_byte,
        "bytes_per_token": compared.gain.bytes_per_token,
        "margin_nats": compared.margin_nats,
        "margin_bpb": compared.margin_bpb,
        "p_no_margin": _p(no_margin),
        "p_with_margin": _p(compared.with_margin),
        "p_one_sample_with_margin": _p(compared.one_sample),
        "not_testable": no_margin.reason if isinstance(no_margin, NotTestable) else None,
    }
