"""Whether documents look at each other: batch mates, the order of documents, and ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.black_box.noise_floor import differences, largest_difference
from harness.black_box.probe_result import ProbeResult
from harness.black_box.scorer import commit_ranks, losses_of
from harness.black_box.streams import replaced
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.black_box.noise_floor import NoiseFloor
    from harness.black_box.scorer import Losses, Scorer, Tokens


def batch_mates(scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor, seed: int) -> ProbeResult:
    """Replace one document: losses of those committed before it must not change, batched with it or not."""
    starts = _starts(scorer, tokens)
    if starts.size < 4:
        return ProbeResult(
            "batch-mates", "c1-causal", Outcome.NOT_RUN, "no bos_id, or fewer than four documents"
        )
    ranks = commit_ranks(scorer, tokens)
    ends = np.append(starts[1:], tokens.size)
    worst, worst_document = 0.0, 0
    chosen = sorted({1, starts.size // 2, starts.size - 1})
    for document in chosen:
        inside = np.arange(starts[document] + 1, ends[document], dtype=np.int64)
        losses = losses_of(
            scorer.score, replaced(scorer, tokens, inside, seed + document), f"document {document} replaced"
        )
        gap = np.zeros(tokens.size)
        gap[1:] = differences(base, losses)
        gap[inside] = 0.0
        earlier = gap[ranks < ranks[inside].min()]
        if earlier.max(initial=0.0) > worst:
            worst, worst_document = float(earlier.max()), document
        if scorer.resets_at_documents:
            others = np.delete(gap, inside)
            if others.max(initial=0.0) > max(worst, floor.tolerance):
                return ProbeResult(
                    "batch-mates", "doc-boundary-isolation", Outcome.BREACH,
                    f"with document {document} replaced, losses of other documents change by up to "
                    f"{others.max():.3g} "
                    f"nats (allowed {floor.tolerance:.1g}), but the scorer says that documents are scored "
                    "alone",
                    {"largest_difference": float(others.max())},
                )  # fmt: skip
    numbers = {"largest_difference": worst, "tolerance": floor.tolerance}
    if worst > floor.tolerance:
        return ProbeResult(
            "batch-mates", "c1-causal", Outcome.BREACH,
            f"with document {worst_document} replaced, losses of documents committed before it change by "
            f"up to {worst:.3g} nats (allowed {floor.tolerance:.1g})",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        "batch-mates", "c1-causal", Outcome.CLEAN,
        f"replacing one of {starts.size} documents ({len(chosen)} tried) leaves those committed before it "
        "as they were",
        numbers,
    )  # fmt: skip


def permuted_documents(
    scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor, seed: int
) -> ProbeResult:
    """A scorer that resets at documents must give each the same losses in any order of documents."""
    probe, condition = "permuted-documents", "doc-boundary-isolation"
    starts = _starts(scorer, tokens)
    if not scorer.resets_at_documents or starts.size < 4 or starts[0] != 0:
        return ProbeResult(
            probe, condition, Outcome.NOT_RUN,
            "only for scorers that say they score each document alone (resets_at_documents), with four "
            "documents",
        )  # fmt: skip
    ends = np.append(starts[1:], tokens.size)
    order = np.random.default_rng(seed).permutation(starts.size)
    shuffled = np.concatenate([tokens[starts[document] : ends[document]] for document in order])
    losses = np.concatenate([[0.0], losses_of(scorer.score, shuffled, "documents in another order")])
    whole = np.concatenate([[0.0], base])
    place, worst = 0, 0.0
    for document in order:
        length = int(ends[document] - starts[document])
        # The begin of a document is predicted from the one before it, which is another one now.
        here = losses[place + 1 : place + length]
        there = whole[starts[document] + 1 : ends[document]]
        worst = max(worst, largest_difference(here, there))
        place += length
    numbers = {"largest_difference": worst, "tolerance": floor.tolerance}
    if worst > floor.tolerance:
        return ProbeResult(
            probe, condition, Outcome.BREACH,
            f"in another order documents get losses that differ by up to {worst:.3g} nats "
            f"(allowed {floor.tolerance:.1g}), but the scorer says that documents are scored alone",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        probe, condition, Outcome.CLEAN,
        f"{starts.size} documents in another order keep their losses (largest difference {worst:.1g} nats)",
        numbers,
    )  # fmt: skip


def two_ranks(scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor) -> ProbeResult:
    """Two ranks must count the same tokens, and to the same total."""
    probe, condition = "two-ranks", "c4-single-pass"
    if scorer.with_two_ranks is None:
        return ProbeResult(probe, condition, Outcome.NOT_RUN, "the scorer offers no with_two_ranks")
    losses = losses_of(scorer.with_two_ranks, tokens, "two ranks")
    counted, there = ~np.isnan(base), ~np.isnan(losses)
    total, other = float(base[counted].sum()), float(losses[there].sum())
    numbers = {"total": total, "total_of_two_ranks": other, "tokens": float(there.sum())}
    if np.any(counted != there) or abs(total - other) > floor.tolerance * max(1, int(counted.sum())):
        return ProbeResult(
            probe, condition, Outcome.BREACH,
            f"one rank counts {int(counted.sum()):,} tokens to {total:.6f} nats, two ranks "
            f"{int(there.sum()):,} to "
            f"{other:.6f}: a token is dropped or counted twice, or a rank learned what another scores later",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        probe, condition, Outcome.CLEAN,
        f"one rank and two count the same {int(counted.sum()):,} tokens to {total:.6f} and {other:.6f} nats",
        numbers,
    )  # fmt: skip


def _starts(scorer: Scorer, tokens: Tokens) -> Tokens:
    if scorer.bos_id is None:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(tokens == scorer.bos_id).astype(np.int64)
