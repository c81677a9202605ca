"""R2: tokens from a cut on are replaced; every score before the cut must stay, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.events import ForwardEvent, StepEvent
from harness.dynamic.probes.compared_scores import compared, knows_positions, seen_before
from harness.dynamic.probes.probe import ProbeResult, powerless
from harness.dynamic.probes.rank_order import scored_after, without_order
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.compared_scores import Compared
    from harness.dynamic.probes.probe import ScoredRun

PROBE = "prefix-invariance"
CONDITION = "c1-causal"
LEAST_PREFIX = 64
"""Counted tokens before the cut below which nothing is concluded."""
_LEAST_REACH = 0.5  # of the replaced tokens whose score must have changed: the change did arrive


def prefix_invariance(
    base: ScoredRun, changed: ScoredRun, *, cut: int, byte_counts: np.ndarray | None = None
) -> ProbeResult:
    """Scores of `changed`, whose tokens from position `cut` on are others, against those of `base`.

    `byte_counts` are the bytes of each token of the stream; only scorers that add up bytes need them.

    With the position of every counted loss the question is exact. Without, changed losses are counted: more
    than tokens were replaced (counted twice where the script does, and the coarsest value) is a breach.
    For scripts that score in the order of the stream; `processing_order` is for the others. Several ranks
    have an order of their own: a score that one makes when another has scored tokens behind the cut, and told
    what it learned from them, decides nothing.
    """
    missing = powerless(PROBE, CONDITION, base, changed) or without_order(PROBE, CONDITION, base, changed)
    if missing is not None:
        return missing
    pairs = compared(base, changed)
    if knows_positions(base) and knows_positions(changed):
        return _exact(base, changed, pairs, cut)
    if base.score.values.size > 1.5 * base.stream_tokens and byte_counts is not None:
        return _in_bytes(base, changed, pairs, cut, byte_counts)
    return _counted(base, changed, pairs, cut)


def telling_cut(base: ScoredRun) -> int | None:
    """Where to cut the stream of a run that learned tokens before it scored earlier ones; None for others.

    Learning a chunk before its last row is scored shows only where the cut lies in such a row. The cut has
    many such scores before it and many tokens they came after behind it. It is a place to look at and no
    finding: what was learned may have been taken back.
    """
    if base.metric is None or not knows_positions(base):
        return None
    learned, score = learned_at(base), base.score
    cuts = np.arange(LEAST_PREFIX + 1, base.stream_tokens - LEAST_PREFIX)
    weights = np.zeros(cuts.size)
    for at in np.unique(score.scored_at):
        known = np.flatnonzero(learned < at)
        places = np.sort(score.positions[score.scored_at == at])
        behind = known.size - np.searchsorted(known, cuts)
        weights += np.searchsorted(places, cuts) * behind
    return int(cuts[np.argmax(weights)]) if weights.any() else None


def learned_at(run: ScoredRun) -> np.ndarray:
    """For each position of the stream (int64 [n]) the event of the first optimizer step after a pass with
    gradient that had it as a target; behind all events where there was none.
    """
    never = np.iinfo(np.int64).max
    result = np.full(run.stream_tokens, never)
    steps = [event.number for event in run.record.of(StepEvent) if event.source == "val"]
    for event in run.record.of(ForwardEvent):
        if not event.grad or event.source != "val":
            continue
        followed = next((number for number in steps if number > event.number), never)
        for row in event.rows:
            if row.split == "val":
                places = slice(row.start + 1, row.start + row.length + 1)
                result[places] = np.minimum(result[places], followed)
    return result


def _exact(base: ScoredRun, changed: ScoredRun, pairs: Compared, cut: int) -> ProbeResult:
    before = pairs.positions < cut
    wrong = before & pairs.changed
    later = np.zeros_like(wrong)
    if base.record.ranks > 1:
        later = wrong & scored_after(base, pairs, np.arange(cut, base.stream_tokens))
        wrong &= ~later
    prefix, suffix = int(before.sum()), int((~before).sum())
    reached = int((pairs.changed & ~before).sum())
    numbers = {
        "cut": cut,
        "stream_tokens": base.stream_tokens,
        "prefix_scores": prefix,
        "prefix_changed": int(wrong.sum()),
        "suffix_scores": suffix,
        "suffix_changed": reached,
    }
    runs = (base.name, changed.name)
    if wrong.any():
        seen = seen_before(base, pairs.positions[wrong], pairs.scored_at[wrong])
        numbers.update(trained_before=seen.trained, scored_before=seen.scored)
        last = int(pairs.positions[wrong].min())
        return ProbeResult(
            probe=PROBE,
            condition=seen.condition,
            outcome=Outcome.BREACH,
            numbers=numbers,
            sentence=(
                f"{int(wrong.sum()):,} of {prefix:,} scores of tokens before position {cut:,} change (the "
                f"first at {last:,}) when only tokens from {cut:,} on are others{seen.told()}"
            ),
            runs=runs,
        )
    if later.any():
        numbers["prefix_changed_later"] = int(later.sum())
        return ProbeResult(
            probe=PROBE,
            condition=CONDITION,
            outcome=Outcome.NO_POWER,
            numbers=numbers,
            sentence=(
                f"{int(later.sum()):,} of {prefix:,} scores of tokens before position {cut:,} change, all "
                "made after tokens behind it had been scored: the ranks score in an order that is not the "
                "stream's"
            ),
            runs=runs,
        )
    if prefix < LEAST_PREFIX or reached < _LEAST_REACH * suffix or not reached:
        return ProbeResult(
            probe=PROBE,
            condition=CONDITION,
            outcome=Outcome.NO_POWER,
            numbers=numbers,
            sentence=(
                f"{prefix:,} scores before position {cut:,} stay, but {reached:,} of {suffix:,} after it "
                "changed: too little to conclude from"
            ),
            runs=runs,
        )
    return ProbeResult(
        probe=PROBE,
        condition=CONDITION,
        outcome=Outcome.CLEAN,
        numbers=numbers,
        sentence=(
            f"all {prefix:,} scores of tokens before position {cut:,} stay, bit for bit, and {reached:,} of "
            f"{suffix:,} from there on change, when tokens from {cut:,} on are others"
        ),
        runs=runs,
    )


def _counted(base: ScoredRun, changed: ScoredRun, pairs: Compared, cut: int) -> ProbeResult:
    tokens = pairs.tokens
    total = float(tokens.sum())
    different = float(tokens[pairs.changed].sum())
    twice = max(total - (base.stream_tokens - 1), 0.0)
    resolution = max(base.score.resolution, changed.score.resolution)
    replaced = base.stream_tokens - cut
    allowed = replaced + twice + resolution
    first = int(np.argmax(pairs.changed)) if pairs.changed.any() else pairs.changed.size
    numbers = {
        "cut": cut,
        "stream_tokens": base.stream_tokens,
        "values": base.score.values.size,
        "changed_tokens": different,
        "allowed_tokens": allowed,
        "counted_twice": twice,
        "resolution": resolution,
        "first_changed_value": first,
        "left_over": pairs.left_over,
    }
    runs = (base.name, changed.name)

    def told(outcome: Outcome, condition: str, sentence: str) -> ProbeResult:
        return ProbeResult(
            probe=PROBE, condition=condition, outcome=outcome, numbers=numbers, sentence=sentence, runs=runs
        )

    if resolution > cut / 3:
        return told(
            Outcome.NO_POWER,
            CONDITION,
            f"the counted sum cannot be taken apart finer than {resolution:,.0f} tokens of "
            f"{base.stream_tokens:,}",
        )
    if pairs.left_over:
        return told(
            Outcome.NO_POWER,
            CONDITION,
            f"the two runs count {pairs.left_over:,} values more and less, and where they belong is unknown",
        )
    if different > allowed and base.score.has_guessed_tokens and not pairs.changed.all():
        return told(
            Outcome.NO_POWER,
            CONDITION,
            f"{int(pairs.changed.sum()):,} of {pairs.changed.size:,} counted values change; how many tokens "
            "each of them stands for is unknown",
        )
    if different > allowed:
        seen = seen_before(base, pairs.positions[pairs.changed], pairs.scored_at[pairs.changed])
        numbers.update(trained_before=seen.trained, scored_before=seen.scored, steps_before=seen.steps)
        return told(
            Outcome.BREACH,
            seen.condition,
            f"the scores of {different:,.0f} tokens change, and at most {allowed:,.0f} may, when only the "
            f"{replaced:,} tokens from position {cut:,} on are others{seen.told()}",
        )
    if different < _LEAST_REACH * replaced:
        return told(
            Outcome.NO_POWER,
            CONDITION,
            f"the scores of only {different:,.0f} tokens change when {replaced:,} are others: the change "
            "did not arrive",
        )
    return told(
        Outcome.CLEAN,
        CONDITION,
        f"the scores of {different:,.0f} tokens change when the {replaced:,} tokens from position {cut:,} "
        f"on are others; {allowed:,.0f} may",
    )


def _in_bytes(
    base: ScoredRun, changed: ScoredRun, pairs: Compared, cut: int, byte_counts: np.ndarray
) -> ProbeResult:
    """Values finer than tokens, in the order of the stream: those of the bytes before the cut must stay.

    How far the script's own count of bytes is from ours is how far the border may be off.
    """
    total, before = int(byte_counts[1:].sum()), int(byte_counts[1:cut].sum())
    off = abs(base.score.values.size - total)
    prefix = min(before - off, pairs.changed.size)
    numbers = {
        "cut": cut,
        "stream_tokens": base.stream_tokens,
        "values": base.score.values.size,
        "stream_bytes": total,
        "prefix_scores": prefix,
        "prefix_changed": int(pairs.changed[: max(prefix, 0)].sum()),
        "suffix_changed": int(pairs.changed[max(prefix, 0) :].sum()),
    }
    runs = (base.name, changed.name)
    if prefix < LEAST_PREFIX or not numbers["suffix_changed"]:
        return ProbeResult(
            probe=PROBE,
            condition=CONDITION,
            outcome=Outcome.NO_POWER,
            numbers=numbers,
            sentence=f"{base.score.values.size:,} values were counted for {total:,} bytes: which of them "
            f"stand before position {cut:,} is unknown",
            runs=runs,
        )
    wrong = numbers["prefix_changed"]
    if wrong:
        seen = seen_before(base, pairs.positions, pairs.scored_at)
        return ProbeResult(
            probe=PROBE,
            condition=seen.condition,
            outcome=Outcome.BREACH,
            numbers=numbers,
            sentence=f"the scores of {wrong:,} of {prefix:,} bytes before position {cut:,} change when "
            f"only tokens from {cut:,} on are others{seen.told()}",
            runs=runs,
        )
    return ProbeResult(
        probe=PROBE,
        condition=CONDITION,
        outcome=Outcome.CLEAN,
        numbers=numbers,
        sentence=f"the scores of all {prefix:,} bytes before position {cut:,} stay, bit for bit, when "
        f"tokens from {cut:,} on are others",
        runs=runs,
    )
