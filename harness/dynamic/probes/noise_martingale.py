"""T12: a stream of tokens drawn by chance. Nothing can be gained on it by anybody who does not know it.

With r the chance a token was drawn with, and p fixed before it was seen and summing to one, the product of
p / r is a non-negative martingale of mean 1, whatever the scorer learns on the way. By Ville's inequality it
exceeds 1 / alpha with a chance of at most alpha: the sum of -ln r less the losses stays below ln(1 / alpha).

A network that was trained on text predicts noise badly, and what a leak gains is hidden in what that loses.
So bets are made as well, each a martingale of its own, and their mean is what is held against the bound:

- p mixed with r in several shares, which loses little;
- 1 + stake * (p / r - 1 - lean), where `lean` is `times` less `mean_times` of the network (`LossEvent`): zero
  in the mean, it takes out what the network alone would have given, so that sums a few percent above one
  show, as of the lower of two losses. Nothing is assumed of how p was made of the network: a legal mixture,
  bias or temperature gains no more than chance.

The stakes are fixed before the token and so small that no factor is negative. Tokens that cannot be drawn
count as if they had no probability: a scorer that gives them some only loses by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.events import MOST_TIMES_CHANCE, LossEvent
from harness.dynamic.loss_places import positions_of
from harness.dynamic.probes.compared_scores import knows_positions, seen_before
from harness.dynamic.probes.probe import ProbeResult, powerless
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.probe import ScoredRun

PROBE = "noise-martingale"
CONDITION = "c1-causal"
BOUND_NATS = math.log(1e9)
"""What a legal scorer gains on one stream in a thousand million."""
_DOUBT_NATS = math.log(1e6)
"""No proof, and no clean answer either."""
_SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)  # of p in its mixture with chance
_STAKES = (0.95, 0.5, 0.2)  # of the most that can be bet: 1 / (1 + the most that `lean` can be)
_LEAST_LEANS = 256  # tokens with a `lean`, for a sum to be told


def noise_martingale(run: ScoredRun, *, chances: np.ndarray) -> ProbeResult:
    """`run` scored tokens drawn by chance: `chances` [n] are -ln of each one's, 0 for those not drawn (BOS).

    Of a position that is counted more than once the first score is taken. Conditions 1 to 4 all imply the
    bound, so a breach says that one of them is broken and not which.
    """
    missing = powerless(PROBE, CONDITION, run)
    if missing is not None:
        return missing
    assert run.metric is not None
    score, runs = run.score, (run.name,)
    in_nats = run.metric.in_bits or run.metric.metric.unit == "loss"
    values = score.values * (1.0 if in_nats else math.log(2.0))
    values = values if float(values.sum()) >= 0.0 else -values  # sums of log-probabilities
    is_drawn = chances > 0.0
    leans, limits = np.zeros(values.size), np.ones(values.size)
    if knows_positions(run):
        _, first = np.unique(score.positions, return_index=True)
        kept = first[is_drawn[score.positions[first]]]
        (leans, limits), values = _leans(run, kept), values[kept]
        due = chances[score.positions[kept]]
        tokens = int(kept.size)
    else:
        # No more than were counted, the likeliest of all: a script may leave some out, and they gain nothing.
        counted = float(np.nan_to_num(score.tokens, nan=0.0).sum())
        tokens = min(int(is_drawn[1:].sum()), int(counted))
        due = np.sort(chances[1:][is_drawn[1:]])[:tokens]
        # Which is whose is unknown: of all pairs the one of likely tokens and low losses gains least.
        values = np.sort(values)
    nats = float(values.sum())
    gain = float(due.sum()) - nats
    is_fine = values.size == tokens and bool((values >= 0.0).all()) and math.isfinite(gain)
    bets = _bets(due - values, leans, limits) if is_fine else _Bets(gain=gain)
    numbers = {"tokens": tokens, "nats": nats, "gain": gain, "mixed_gain": bets.gain, "most": BOUND_NATS}
    told = ""
    if bets.leans >= _LEAST_LEANS:
        numbers.update(mean_sum=bets.mean_sum, three_sigma=bets.three_sigma, leans=bets.leans)
        told = (
            f"; beside the network's own, probabilities sum to {bets.mean_sum:.4f} in the mean (3 sigma "
            f"{bets.three_sigma:.2g})"
        )
    if not math.isfinite(gain):
        outcome, sentence = Outcome.NO_POWER, "the losses on tokens drawn by chance are not finite"
    elif bets.gain > BOUND_NATS:
        outcome = Outcome.BREACH
        hedged = "" if bets.gain <= gain + BOUND_NATS else " by bets on them"
        sentence = (
            f"{max(gain, bets.gain):,.1f} nats are gained{hedged} on {tokens:,} tokens drawn by chance; "
            f"probabilities fixed before the tokens gain at most {BOUND_NATS:.1f}, save once in a thousand "
            f"million streams{told}"
        )
    elif bets.gain > _DOUBT_NATS:
        outcome = Outcome.NO_POWER
        sentence = (
            f"{bets.gain:,.1f} nats are gained by bets on {tokens:,} tokens drawn by chance: less than the "
            f"{BOUND_NATS:.1f} that are a proof, and more than a legal score gains on one stream in a "
            f"million{told}"
        )
    elif not knows_positions(run) and score.tokens.sum() > tokens + 1:
        outcome = Outcome.NO_POWER
        sentence = (
            "tokens are counted more than once and which ones is unknown: what they cost may hide a gain"
        )
    else:
        outcome = Outcome.CLEAN
        sentence = (
            f"{tokens:,} tokens drawn by chance are scored with a gain of {gain:,.1f} nats; "
            f"{BOUND_NATS:.1f} may be gained by chance{told}"
        )
    return ProbeResult(
        probe=PROBE, condition=CONDITION, outcome=outcome, numbers=numbers, sentence=sentence, runs=runs
    )


def _leans(run: ScoredRun, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much more than in the mean the network gave the tokens of the counted values at the places `kept`,
    and the most that could have been: 0 and 1 where nothing was told of it.

    Of the last losses over a token before it was counted; of several rows of one batch the first, which has
    the longest context. Which one is taken never depends on the losses.
    """
    score = run.score
    positions, counted_at = score.positions[kept], score.counted_at[kept]
    leans, limits = np.zeros(kept.size), np.ones(kept.size)
    place = np.full(run.stream_tokens, -1)
    place[positions] = np.arange(kept.size)
    for loss in run.record.of(LossEvent):
        if loss.times is None or loss.mean_times is None or loss.grad:
            continue
        targets = positions_of(loss)
        targets[(targets < 0) | (targets >= run.stream_tokens)] = 0
        which, at = np.unique(place[targets], return_index=True)
        # A network that gives no finite number leaves nothing to take out of the bets.
        is_told = np.isfinite(loss.times[at]) & np.isfinite(loss.mean_times[at])
        is_due = (which >= 0) & (loss.number <= counted_at[which]) & is_told
        which, at = which[is_due], at[is_due]
        leans[which] = loss.times[at] - loss.mean_times[at]
        limits[which] = MOST_TIMES_CHANCE - loss.mean_times[at]
    return leans, limits


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bets:
    """Log of the mean of all bets, and what p sums to in the mean where `leans` tokens have one."""

    gain: float
    leans: int = 0
    mean_sum: float = math.nan
    three_sigma: float = math.nan


def _bets(gains_of_each: np.ndarray, leans: np.ndarray, limits: np.ndarray) -> _Bets:
    """All bets on tokens whose p / r has the logs `gains_of_each` [M]; `leans` are at most `limits`."""
    times_chance = np.exp(np.minimum(gains_of_each, 700.0))
    over = times_chance - 1.0 - leans
    with np.errstate(divide="ignore"):
        shared = [float(np.log1p(share * (times_chance - 1.0)).sum()) for share in _SHARES]
        staked = [float(np.log1p(stake * over / (1.0 + limits)).sum()) for stake in _STAKES]
    # Half of the stake to either kind.
    gains = [*(gain - math.log(2 * len(shared)) for gain in shared)]
    gains += [gain - math.log(2 * len(staked)) for gain in staked]
    most = max(gains)
    if math.isfinite(most):
        most += math.log(sum(math.exp(gain - most) for gain in gains))
    told = over[leans != 0.0]
    if told.size < _LEAST_LEANS:
        return _Bets(gain=most)
    error = 3.0 * float(told.std(ddof=1)) / math.sqrt(told.size)
    return _Bets(gain=most, leans=int(told.size), mean_sum=1.0 + float(told.mean()), three_sigma=error)


def attributed(result: ProbeResult, run: ScoredRun | None, *, is_blind_to_later: bool) -> ProbeResult:
    """A breach under the condition that the other probes leave for it.

    Where the tokens had been trained on before they were scored, condition 3. Where the other probes found
    that no score depends on later tokens (`is_blind_to_later`), a score can only have gained by its own
    token: condition 2. Else condition 1, on which all others rest.
    """
    if result.outcome is not Outcome.BREACH or run is None or run.metric is None:
        return result
    seen = seen_before(run, run.score.positions, run.score.scored_at)
    if seen.trained > seen.tokens // 2:
        told = f"; {seen.trained:,} of them had been trained on before they were scored"
        return replace(result, condition="c3-score-before-update", sentence=result.sentence + told)
    if is_blind_to_later:
        told = "; no score depends on later tokens, so each gains by its own"
        return replace(result, condition="c2-normalized", sentence=result.sentence + told)
    return result
