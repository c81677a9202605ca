"""Whether what is counted is a probability: its sum over all tokens that could have come, and `dist`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.black_box.probe_result import ProbeResult
from harness.black_box.scorer import distribution_of, losses_of
from harness.black_box.streams import passage_places, replaced
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.black_box.noise_floor import NoiseFloor
    from harness.black_box.scorer import Losses, Scorer, Tokens

# Calls for one position: a vocabulary up to this size is summed whole.
MOST_ALTERNATIVES = 1024
_SAMPLED = 96
_POSITIONS = 3
_DIST_POSITIONS = 8
_CONSECUTIVE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sum:
    position: int
    total: float
    is_whole: bool
    asked: int


def alternative_sum(
    scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor, seed: int, *, is_prefix_enough: bool
) -> ProbeResult:
    """Put every token of the vocabulary at one place in turn: the probabilities counted must sum to one.

    With a vocabulary beyond `MOST_ALTERNATIVES` a sample is summed: more than one proves a breach, less
    proves nothing. `is_prefix_enough`: tokens after the place were seen not to matter, so they are left out.
    """
    sums = []
    for position in _positions(tokens.size, seed):
        if np.isnan(base[position - 1]) or tokens[position] in scorer.ordinary_ids_excluded:
            continue
        sums.append(_summed(scorer, tokens, position, seed, is_prefix_enough=is_prefix_enough))
        if sums[-1].total > 1 + floor.sum_tolerance:
            break
    if not sums:
        return ProbeResult(
            "alternative-sum", "c2-normalized", Outcome.NOT_RUN, "no place that was tried is counted"
        )
    worst = max(sums, key=lambda each: abs(each.total - 1) if each.is_whole else each.total - 1)
    numbers = {"sum": worst.total, "position": float(worst.position), "alternatives": float(worst.asked)}
    places = ", ".join(f"{each.total:.6g} at token {each.position}" for each in sums)
    if worst.total > 1 + floor.sum_tolerance or (
        worst.is_whole and abs(worst.total - 1) > floor.sum_tolerance
    ):
        what = "the vocabulary" if worst.is_whole else f"{worst.asked} of {scorer.vocab_size:,} tokens"
        return ProbeResult("alternative-sum", "c2-normalized", Outcome.BREACH,
            f"the probabilities that {what} would get at token {worst.position} sum to {worst.total:.6g} "
            f"(must be 1 within {floor.sum_tolerance:g}): the score depends on the token it scores",
            numbers,
        )  # fmt: skip
    if not worst.is_whole:
        return ProbeResult("alternative-sum", "c2-normalized", Outcome.NO_POWER,
            f"only {worst.asked} of {scorer.vocab_size:,} tokens were tried ({places}): a sum below one "
            "proves nothing; offer dist, or audit a smaller vocabulary",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        "alternative-sum",
        "c2-normalized",
        Outcome.CLEAN,
        f"sums over the whole vocabulary: {places}",
        numbers,
    )


def distribution(scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor, seed: int) -> ProbeResult:
    """`dist` must be a distribution that does not change with the token it predicts, and what is counted."""
    if scorer.dist is None:
        return ProbeResult(
            "distribution", "c2-normalized", Outcome.NOT_RUN, "the scorer offers no dist(tokens, t)"
        )
    draw = np.random.default_rng(seed)
    begin = int(draw.integers(tokens.size // 4, max(tokens.size // 4 + 1, tokens.size - _CONSECUTIVE - 1)))
    positions = [*_positions(tokens.size, seed), *range(begin, min(begin + _CONSECUTIVE, tokens.size))]
    positions += [int(place) for place in draw.integers(1, tokens.size, size=_DIST_POSITIONS)]
    worst_gap = 0.0
    asked = 0
    for position in sorted(set(positions)):
        given = distribution_of(scorer, tokens, position, f"dist of token {position}")
        if given.min() < 0 or abs(given.sum() - 1) > floor.sum_tolerance:
            return ProbeResult("distribution", "c2-normalized", Outcome.BREACH,
                f"dist of token {position} has a sum of {given.sum():.6g} and a least value of "
                f"{given.min():.3g}; a distribution has none below zero and sums to one",
                {"sum": float(given.sum()), "position": float(position)},
            )  # fmt: skip
        later = np.arange(position, tokens.size, dtype=np.int64)
        blind = distribution_of(
            scorer,
            replaced(scorer, tokens, later, seed + position),
            position,
            f"dist of token {position}, blind",
        )
        moved = float(np.abs(given - blind).max())
        if moved > max(floor.tolerance, 1e-6):
            return ProbeResult("distribution", "c2-normalized", Outcome.BREACH,
                f"dist of token {position} changes by up to {moved:.3g} when that token and those after it "
                "are replaced: it looks at what it predicts",
                {"change": moved, "position": float(position)},
            )  # fmt: skip
        if np.isnan(base[position - 1]):
            continue
        asked += 1
        counted = float(np.exp(-base[position - 1]))
        gap = abs(counted - float(given[tokens[position]]))
        worst_gap = max(worst_gap, gap)
        if gap > max(10 * floor.tolerance, 1e-5):
            return ProbeResult("distribution", "c2-normalized", Outcome.BREACH,
                f"token {position} is counted with probability {counted:.6g}, but its distribution gives it "
                f"{given[tokens[position]]:.6g}",
                {"counted": counted, "given": float(given[tokens[position]]), "position": float(position)},
            )  # fmt: skip
    if not asked:
        return ProbeResult(
            "distribution", "c2-normalized", Outcome.NO_POWER, "no token that was asked for is counted"
        )
    return ProbeResult("distribution", "c2-normalized", Outcome.CLEAN,
        f"{asked} distributions, {_CONSECUTIVE} of them in a row, sum to one, do not look at their token, "
        f"and give it what is counted (largest difference {worst_gap:.1g})",
        {"positions": float(asked), "largest_difference": worst_gap},
    )  # fmt: skip


def _positions(count: int, seed: int) -> list[int]:
    """Places to ask about: inside a passage that came before, at random, and near the end."""
    passages = passage_places(count)
    places = [passages[len(passages) // 2] + 12, passages[-1] + 6] if len(passages) > 1 else []
    draw = np.random.default_rng(seed)
    places.append(int(draw.integers(count // 2, count - 1)))
    return [place for place in places if 0 < place < count][:_POSITIONS]


def _summed(scorer: Scorer, tokens: Tokens, position: int, seed: int, *, is_prefix_enough: bool) -> _Sum:
    ids = np.arange(scorer.vocab_size, dtype=np.int64)
    is_whole = scorer.vocab_size <= MOST_ALTERNATIVES
    if not is_whole:
        # The token itself, those the stream holds most (a cache knows them), and others at random.
        common = np.argsort(-np.bincount(tokens, minlength=scorer.vocab_size))[: _SAMPLED // 2]
        others = np.random.default_rng(seed).choice(ids, size=_SAMPLED // 2, replace=False)
        ids = np.unique(np.concatenate([[tokens[position]], common, others]))
    stream = tokens[: position + 1].copy() if is_prefix_enough else tokens.copy()
    total = 0.0
    for token in ids:
        stream[position] = token
        losses = losses_of(scorer.score, stream, f"token {position} replaced by {token}")
        loss = losses[position - 1]
        total += 0.0 if np.isnan(loss) else float(np.exp(-loss))
    return _Sum(position=position, total=total, is_whole=is_whole, asked=int(ids.size))
