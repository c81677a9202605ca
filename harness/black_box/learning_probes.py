"""Whether a scorer knows what it has not been told yet: noise, a canary, and the first unit.

A causal scorer's product of V p(x) over tokens drawn uniformly from V is a martingale of mean one whatever it
learns on the way, so by Ville's inequality it exceeds 1/alpha with probability alpha at most. With alpha 1e-9
that is an excess of 20.7 nats: nobody gains that on noise honestly, whatever the model and its training.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.black_box.noise_floor import differences
from harness.black_box.probe_result import ProbeResult
from harness.black_box.scorer import losses_of
from harness.black_box.streams import noise
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.black_box.noise_floor import NoiseFloor
    from harness.black_box.scorer import Losses, Scorer, Tokens

BOUND_NATS = math.log(1e9)
CANARY_TOKENS = 64


def noise_martingale(scorer: Scorer, count: int, seed: int) -> ProbeResult:
    """Score `count` tokens of noise, then the same again: only the second copy may be cheaper than chance."""
    drawn = noise(scorer, count, seed)
    first = 1 if scorer.bos_id is not None else 0
    losses = losses_of(
        scorer.score, np.concatenate([drawn, drawn[first:]]), "noise, and the same noise again"
    )
    chance = math.log(scorer.ordinary_ids.size)
    copy = losses[: count - 1]
    excess = _excess(copy, chance)
    gained = _excess(losses[count:], chance) > max(excess, 0.0) + BOUND_NATS
    learned = "the second copy was cheaper, so adaptation was on" if gained else "nothing was learned from it"
    headroom = max(0.0, -excess) / max(1, int(np.sum(~np.isnan(copy))))
    numbers = {"excess_nats": excess, "bound_nats": BOUND_NATS, "headroom_nats_per_token": headroom}
    if excess > BOUND_NATS:
        return ProbeResult(
            "noise-martingale", "c1-causal", Outcome.BREACH,
            f"{count - 1:,} tokens of pure noise were scored {excess:,.1f} nats better than chance (a "
            "causal, normalised "
            f"scorer gains {BOUND_NATS:.1f} with a probability below 1e-9): the score knows the tokens "
            "beforehand",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        "noise-martingale", "c1-causal", Outcome.CLEAN,
        f"{count - 1:,} tokens of noise cost {_than_chance(excess)} ({learned}); a leak below "
        f"{headroom:.2g} nats a token would hide behind that",
        numbers,
    )  # fmt: skip


def canary(scorer: Scorer, tokens: Tokens, seed: int) -> ProbeResult:
    """Plant drawn tokens inside text, and again much later: the first copy must cost what chance costs."""
    if tokens.size < 6 * CANARY_TOKENS:
        return ProbeResult(
            "canary", "c3-score-before-update", Outcome.NOT_RUN,
            f"{tokens.size} tokens are too few to plant {CANARY_TOKENS} twice",
        )  # fmt: skip
    ids = scorer.ordinary_ids
    planted = np.random.default_rng(seed).choice(ids, size=CANARY_TOKENS)
    begin, again = tokens.size // 3, tokens.size - tokens.size // 6
    stream = tokens.copy()
    for place in (begin, again):
        stream[place : place + CANARY_TOKENS] = planted
    losses = losses_of(scorer.score, stream, "text with a canary")
    chance = math.log(ids.size)
    excess = _excess(losses[begin - 1 : begin - 1 + CANARY_TOKENS], chance)
    second = _excess(losses[again - 1 : again - 1 + CANARY_TOKENS], chance)
    numbers = {"excess_nats": excess, "second_copy_excess_nats": second, "bound_nats": BOUND_NATS}
    if excess > BOUND_NATS:
        return ProbeResult(
            "canary", "c3-score-before-update", Outcome.BREACH,
            f"{CANARY_TOKENS} drawn tokens at {begin} cost {excess:.1f} nats less than chance where they "
            f"appear first (bound {BOUND_NATS:.1f}): something learned them before they were scored",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        "canary", "c3-score-before-update", Outcome.CLEAN,
        f"{CANARY_TOKENS} drawn tokens cost {_than_chance(excess)} where they appear first, "
        f"{_than_chance(second)} where they return",
        numbers,
    )  # fmt: skip


def first_unit(scorer: Scorer, tokens: Tokens, base: Losses, floor: NoiseFloor) -> ProbeResult:
    """Without adaptation the first unit must cost the same: nothing could have been learned before it."""
    probe, condition = "first-unit", "c3-score-before-update"
    if scorer.without_adaptation is None or scorer.first_unit is None:
        return ProbeResult(
            probe, condition, Outcome.NOT_RUN,
            "the scorer offers no without_adaptation and first_unit",
        )  # fmt: skip
    losses = losses_of(scorer.without_adaptation, tokens, "without adaptation")
    unit = min(scorer.first_unit, tokens.size) - 1
    gap = differences(base, losses)
    worst, later = float(gap[:unit].max(initial=0.0)), float(gap[unit:].max(initial=0.0))
    numbers = {"largest_difference": worst, "later_difference": later, "tolerance": floor.tolerance}
    if worst > floor.tolerance:
        return ProbeResult(
            probe, condition, Outcome.BREACH,
            f"with adaptation the first {unit + 1} tokens already have other losses than without, by up to "
            f"{worst:.3g} nats (allowed {floor.tolerance:.1g}): they were learned before they were scored",
            numbers,
        )  # fmt: skip
    if later <= floor.tolerance:
        return ProbeResult(
            probe, condition, Outcome.NO_POWER,
            "with and without adaptation all losses are the same: adaptation was not on",
            numbers,
        )  # fmt: skip
    return ProbeResult(
        probe, condition, Outcome.CLEAN,
        f"the first {unit + 1} tokens cost the same with and without adaptation (largest difference "
        f"{worst:.1g} nats); later ones differ by up to {later:.2g}",
        numbers,
    )  # fmt: skip


def _excess(losses: Losses, chance: float) -> float:
    """How many nats cheaper than chance, over the counted ones."""
    counted = losses[~np.isnan(losses)]
    return float(chance * counted.size - counted.sum())


def _than_chance(excess: float) -> str:
    """`3.2 nats more than chance` for an excess of -3.2."""
    return f"{abs(excess):,.1f} nats {'less' if excess > 0 else 'more'} than chance"
