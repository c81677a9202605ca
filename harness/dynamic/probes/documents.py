"""T8: one document is replaced. Documents scored before it, and those beside it in its batch, must stay.

A second question is no condition of the challenge but a claim of some submissions: that a document's scores
do not depend on the one before it in the stream.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.probes.compared_scores import compared, knows_positions
from harness.dynamic.probes.prefix_invariance import learned_at
from harness.dynamic.probes.probe import ProbeResult, Teller, powerless
from harness.dynamic.probes.rank_order import has_in_context, scored_after, without_order
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.dynamic.probes.probe import ScoredRun

MATES = "batch-mates"
BOUNDARY = "document-boundary"
ISOLATION = "doc-boundary-isolation"
_END_TOKENS = 4  # of the document before: what a mixing of neighbours or a short lookup reaches


def document_to_replace(base: ScoredRun, documents: Sequence[range]) -> range | None:
    """The document to replace in the other run: one that is scored beside another and not first of all.

    None where the positions of the scores are unknown or there is only one document.
    """
    if base.metric is None or not knows_positions(base) or len(documents) < 2:
        return None
    score = base.score
    best: tuple[tuple[int, int], range] | None = None
    for document in documents:
        own = (score.positions > document.start) & (score.positions < document.stop)
        if not own.any():
            continue
        begins = int(score.scored_at[own].min())
        beside = int((~own & (score.scored_at == begins)).sum())
        before = int((score.scored_at < begins).sum())
        rank = (min(beside, before), before)
        if best is None or rank > best[0]:
            best = (rank, document)
    return best[1] if best is not None else None


def batch_mates(base: ScoredRun, changed: ScoredRun, *, document: range) -> ProbeResult:
    """In `changed` the tokens of `document` (positions) are others, as many as before.

    Scores of other tokens that were computed before the first score of the document, or in the same batch as
    one of its scores, must be the same: nothing of it was known when they were made.
    """
    missing = powerless(MATES, "c1-causal", base, changed) or without_order(MATES, "c1-causal", base, changed)
    if missing is not None:
        return missing
    told = Teller(MATES, "c1-causal", (base.name, changed.name))
    if not (knows_positions(base) and knows_positions(changed)):
        return told(Outcome.NO_POWER, "where the counted scores belong in the stream is unknown")
    pairs = compared(base, changed)
    own = (pairs.positions >= document.start) & (pairs.positions < document.stop)
    if not own.any():
        return told(Outcome.NO_POWER, "no token of the replaced document is scored", {})
    begins = int(pairs.scored_at[own].min())
    # The document's end stands before the next one in the stream: its successor in one row may see it.
    after = pairs.positions >= document.stop
    replaced = np.arange(document.start, document.stop)
    free = ~has_in_context(base, pairs, replaced)
    earlier = ~own & (pairs.scored_at < begins) & free
    first_batch = pairs.scored_at == begins
    beside = ~own & first_batch & ~(after & _same_row(pairs.positions, first_batch, document))
    if base.record.ranks > 1:
        earlier, beside = ~own & free & ~scored_after(base, pairs, replaced), beside & free
    wrong_early, wrong_beside = earlier & pairs.changed, beside & pairs.changed
    numbers: dict[str, float] = {
        "document_tokens": len(document),
        "scores_before": int(earlier.sum()),
        "changed_before": int(wrong_early.sum()),
        "scores_beside": int(beside.sum()),
        "changed_beside": int(wrong_beside.sum()),
        "document_changed": int((own & pairs.changed).sum()),
    }
    if wrong_early.any() or wrong_beside.any():
        return told(
            Outcome.BREACH,
            f"{int(wrong_early.sum()):,} scores computed before the document at {document.start:,} and "
            f"{int(wrong_beside.sum()):,} computed beside it in one batch change when its tokens are others",
            numbers,
        )
    if not (own & pairs.changed).any() or not (earlier | beside).any():
        return told(Outcome.NO_POWER, "nothing was scored before or beside a document that changed", numbers)
    return told(
        Outcome.CLEAN,
        f"{int(earlier.sum()):,} scores computed before the document at {document.start:,} and "
        f"{int(beside.sum()):,} beside it in its batch stay, bit for bit, when its tokens are others",
        numbers,
    )


def _same_row(positions: np.ndarray, in_batch: np.ndarray, document: range) -> np.ndarray:
    """Tokens of the batch that follow the document without a gap: they may stand in its row."""
    inside = np.sort(positions[in_batch & (positions >= document.stop)])
    expected = np.arange(document.stop, document.stop + inside.size)
    joined = inside[inside == expected]
    result: np.ndarray = np.isin(positions, joined)
    return result


def boundary_to_replace(base: ScoredRun, documents: Sequence[range]) -> tuple[range, range] | None:
    """The end of a document to replace in the other run, and the document behind it.

    Of those whose own first tokens are scored the longest; None where the positions of the scores are
    unknown or there is none.
    """
    if base.metric is None or not knows_positions(base):
        return None
    fits = []
    for before, document in pairwise(documents):
        end = range(document.start - _END_TOKENS, document.start)
        # BOS itself is no target where documents are scored each for itself.
        scored = np.isin([*end, document.start + 1], base.score.positions)
        if len(before) > _END_TOKENS and scored.all():
            fits.append((end, document))
    return max(fits, key=lambda each: len(each[1]), default=None)


def document_boundary(
    base: ScoredRun, changed: ScoredRun, *, replaced: range, document: range
) -> ProbeResult:
    """In `changed` the tokens `replaced`, the end of the document before `document`, are others.

    A breach only of the claim that documents are scored each for itself.
    """
    missing = powerless(BOUNDARY, ISOLATION, base, changed)
    if missing is not None:
        return missing
    told = Teller(BOUNDARY, ISOLATION, (base.name, changed.name))
    pairs = compared(base, changed)
    # BOS itself is predicted by the document before it.
    own = (pairs.positions > document.start) & (pairs.positions < document.stop)
    arrived = pairs.changed & (pairs.positions >= replaced.start) & (pairs.positions < replaced.stop)
    # What was learned from the replaced tokens may be known: isolation is of states, not of weights.
    own &= pairs.scored_at < int(learned_at(base)[list(replaced)].min())
    wrong = own & pairs.changed
    numbers = {"scores": int(own.sum()), "changed": int(wrong.sum()), "replaced_tokens": len(replaced)}
    if not knows_positions(base) or not own.any() or not arrived.any():
        return told(
            Outcome.NO_POWER,
            "the change before the document was not scored, or no token of it before the change was learned",
            numbers,
        )
    if wrong.any():
        return told(
            Outcome.BREACH,
            f"{int(wrong.sum()):,} of {int(own.sum()):,} scores of the document at {document.start:,} "
            f"change with the last {len(replaced):,} tokens of the document before it, as they may unless "
            "documents are claimed to be scored each alone",
            numbers,
        )
    return told(
        Outcome.CLEAN,
        f"all {int(own.sum()):,} scores of the document at {document.start:,} stay whatever the document "
        "before it ends with",
        numbers,
    )
