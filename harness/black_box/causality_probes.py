"""Whether a loss depends on tokens that are scored later: suffix swap, prefix, doubled stream.

At the border of a chunk adapt-then-score looks clean, so cuts are drawn anywhere, and every offset of the
first unit is tried when its length is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.black_box.noise_floor import differences
from harness.black_box.probe_result import ProbeResult
from harness.black_box.scorer import commit_ranks, losses_of
from harness.black_box.streams import replaced
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.black_box.noise_floor import NoiseFloor
    from harness.black_box.scorer import Losses, Scorer, Tokens

_CUTS = 6
_MOST_OFFSETS = 64


def suffix_swap(scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor, seed: int) -> ProbeResult:
    """Replace all tokens from a cut on; the losses of those scored before it must not change.

    `base` holds the losses of `tokens`. Later means later in the scorer's own order of commits.
    """
    ranks = commit_ranks(scorer, tokens)
    order = np.argsort(ranks, kind="stable")
    worst, changed_before, cut_of_worst, moved_after = 0.0, 0, 0, 0.0
    cuts = _cuts(tokens.size, scorer.first_unit, seed)
    for cut in cuts:
        late = order[cut:]
        swapped = replaced(scorer, tokens, late, seed + cut)
        losses = losses_of(scorer.score, swapped, f"suffix swapped at {cut}")
        if scorer.commit_order is not None and np.any(
            np.argsort(commit_ranks(scorer, swapped), kind="stable")[:cut] != order[:cut]
        ):
            return ProbeResult(
                "suffix-swap", "c1-causal", Outcome.BREACH,
                f"with the tokens from commit {cut} on replaced, others are committed first: the order of "
                "commits depends on tokens that are not scored yet",
            )  # fmt: skip
        gap = np.zeros(tokens.size)
        gap[1:] = differences(base, losses)
        early = gap[order[:cut]]
        moved_after = max(moved_after, float(gap[late].max(initial=0.0)))
        if early.max(initial=0.0) > worst:
            worst, cut_of_worst = float(early.max()), cut
            changed_before = int(np.sum(early > floor.tolerance))
    numbers = {"largest_difference": worst, "tolerance": floor.tolerance, "cuts": float(len(cuts))}
    if worst > floor.tolerance:
        return ProbeResult(
            "suffix-swap", "c1-causal", Outcome.BREACH,
            f"with the tokens from {cut_of_worst} on replaced, {changed_before:,} losses before it "
            "changed, by up to "
            f"{worst:.3g} nats (allowed {floor.tolerance:.1g}): they depend on tokens scored later",
            numbers,
        )  # fmt: skip
    if moved_after <= floor.tolerance:
        return ProbeResult(
            "suffix-swap", "c1-causal", Outcome.NO_POWER,
            "no loss changed at all when tokens were replaced, not even theirs: the scorer does not read "
            "them",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        "suffix-swap", "c1-causal", Outcome.CLEAN,
        f"at {len(cuts)} cuts no loss before the cut changed by more than {worst:.1g} nats "
        f"(allowed {floor.tolerance:.1g})",
        numbers,
    )  # fmt: skip


def prefix_consistency(
    scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor, seed: int, *, is_content_free: bool
) -> ProbeResult:
    """Score a prefix alone: its losses must be those it has in the whole stream.

    `is_content_free`: the suffix swap was clean, so a difference comes from the length alone. A schedule over
    the length of the stream (the cosine of PR #461) is no knowledge of its tokens.
    """
    if scorer.commit_order is not None:
        return ProbeResult(
            "prefix", "c4-single-pass", Outcome.NOT_RUN,
            "tokens are not committed in stream order, so a prefix of the stream is none of the commits",
        )  # fmt: skip
    worst, cut_of_worst = 0.0, 0
    cuts = _cuts(tokens.size, None, seed)
    for cut in cuts:
        losses = losses_of(scorer.score, tokens[:cut], f"the first {cut} tokens alone")
        gap = float(differences(base[: cut - 1], losses).max(initial=0.0))
        if gap > worst:
            worst, cut_of_worst = gap, cut
    numbers = {"largest_difference": worst, "tolerance": floor.tolerance, "cuts": float(len(cuts))}
    if worst > floor.tolerance and is_content_free:
        return _of_length("prefix", f"the first {cut_of_worst} tokens alone", worst, numbers)
    if worst > floor.tolerance:
        return ProbeResult(
            "prefix", "c4-single-pass", Outcome.BREACH,
            f"the first {cut_of_worst} tokens alone get losses that differ by up to {worst:.3g} nats from "
            f"those in the whole stream (allowed {floor.tolerance:.1g}): what comes later decides about them",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        "prefix", "c4-single-pass", Outcome.CLEAN,
        f"{len(cuts)} prefixes alone have the losses they have in the whole stream "
        f"(largest difference {worst:.1g} nats)",
        numbers,
    )  # fmt: skip


def doubled_stream(
    scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor, *, is_content_free: bool
) -> ProbeResult:
    """Score the stream twice in a row: the first half must not know that the second repeats it.

    `is_content_free` as in `prefix_consistency`.
    """
    if scorer.commit_order is not None:
        return ProbeResult(
            "doubled-stream", "c4-single-pass", Outcome.NOT_RUN,
            "tokens are not committed in stream order, so the first half is not what is committed first",
        )  # fmt: skip
    losses = losses_of(scorer.score, np.concatenate([tokens, tokens]), "the stream twice in a row")
    worst = float(differences(base, losses[: tokens.size - 1]).max(initial=0.0))
    numbers = {"largest_difference": worst, "tolerance": floor.tolerance}
    if worst > floor.tolerance and is_content_free:
        return _of_length("doubled-stream", "followed by themselves the tokens", worst, numbers)
    if worst > floor.tolerance:
        return ProbeResult(
            "doubled-stream", "c4-single-pass", Outcome.BREACH,
            f"followed by itself the stream gets losses that differ by up to {worst:.3g} nats "
            f"(allowed {floor.tolerance:.1g}): it was fitted as a whole before it was scored",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        "doubled-stream", "c4-single-pass", Outcome.CLEAN,
        f"followed by itself the stream keeps its losses (largest difference {worst:.1g} nats)",
        numbers,
    )  # fmt: skip


def coverage(base: Losses) -> ProbeResult:
    """Every token but the first must be counted."""
    missing = int(np.sum(np.isnan(base)))
    numbers = {"not_counted": float(missing), "tokens": float(base.size)}
    if missing:
        return ProbeResult(
            "coverage", "val-full", Outcome.BREACH,
            f"{missing:,} of {base.size:,} tokens have no loss, the first of them token "
            f"{int(np.flatnonzero(np.isnan(base))[0]) + 1:,}",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        "coverage", "val-full", Outcome.CLEAN, f"each of {base.size:,} tokens has one loss", numbers
    )


def _cuts(count: int, first_unit: int | None, seed: int) -> list[int]:
    """Where to cut: drawn between an eighth and seven eighths, and the offsets of the first unit."""
    draw = np.random.default_rng(seed)
    low, high = max(2, count // 8), max(3, count - count // 8)
    cuts = {int(cut) for cut in draw.integers(low, high, size=_CUTS)}
    if first_unit is not None and first_unit > 2:
        step = -(-first_unit // _MOST_OFFSETS)
        cuts.update(range(2, min(first_unit, count - 1), step))
    return sorted(cuts)


def _of_length(probe: str, what: str, worst: float, numbers: dict[str, float]) -> ProbeResult:
    return ProbeResult(
        probe, "c4-single-pass", Outcome.NO_POWER,
        f"{what} get losses that differ by up to {worst:.3g} nats, but other tokens of the same number "
        "change nothing: a schedule over the length of the stream, which hides anything else from this probe",
        numbers,
    )  # fmt: skip
