"""T12: a stream of tokens drawn by chance. Nothing can be gained on it by anybody who does not know it.

For probabilities that were fixed before the token was seen and sum to one, the product of V * p is a
non-negative martingale of mean 1, whatever the scorer learns on the way. By Ville's inequality it exceeds
1 / alpha with a chance of at most alpha: n ln V minus the summed losses stays below ln(1 / alpha).

A network that was trained on text predicts noise badly, and what a leak gains is hidden in what that loses.
So the product is also taken of p mixed with the even distribution, which loses little, in several shares:
each is such a martingale, and so is their mean, which is what is held against the bound.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.black_box.learning_probes import BOUND_NATS
from harness.dynamic.probes.compared_scores import knows_positions, seen_before
from harness.dynamic.probes.probe import ProbeResult, powerless
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from harness.dynamic.probes.probe import ScoredRun

PROBE = "noise-martingale"
CONDITION = "c1-causal"
_SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)  # of p in its mixture with the even distribution


def noise_martingale(run: ScoredRun, *, alphabet: int, fixed: np.ndarray) -> ProbeResult:
    """`run` scored tokens drawn evenly from `alphabet` ids, save those at the positions `fixed` (BOS).

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
    if knows_positions(run):
        _, first = np.unique(score.positions, return_index=True)
        kept = first[~np.isin(score.positions[first], fixed)]
        values = values[kept]
        tokens, nats = int(kept.size), float(values.sum())
    else:
        # No more than were counted: a script may leave some out, and they gain nothing.
        counted = float(np.nan_to_num(score.tokens, nan=0.0).sum())
        tokens = min(run.stream_tokens - 1 - int((fixed > 0).sum()), int(counted))
        nats = float(values.sum())
    gain = tokens * math.log(alphabet) - nats
    is_fine = values.size == tokens and bool((values >= 0.0).all())
    best = _mixed_gain(values, alphabet) if is_fine and math.isfinite(gain) else gain
    numbers = {"tokens": tokens, "nats": nats, "gain": gain, "mixed_gain": best, "most": BOUND_NATS}
    if not math.isfinite(gain):
        outcome, sentence = Outcome.NO_POWER, "the losses on tokens drawn by chance are not finite"
    elif best > BOUND_NATS:
        outcome = Outcome.BREACH
        hedged = "" if best <= gain + BOUND_NATS else ", by probabilities mixed with even ones"
        sentence = (
            f"{max(gain, best):,.1f} nats are gained on {tokens:,} tokens drawn by chance from "
            f"{alphabet:,}{hedged}; probabilities fixed before the tokens gain at most {BOUND_NATS:.1f}, "
            "save once in a thousand million streams"
        )
    elif not knows_positions(run) and score.tokens.sum() > tokens + 1:
        outcome = Outcome.NO_POWER
        sentence = (
            "tokens are counted more than once and which ones is unknown: what they cost may hide a gain"
        )
    else:
        outcome = Outcome.CLEAN
        sentence = (
            f"{tokens:,} tokens drawn by chance from {alphabet:,} are scored with a gain of {gain:,.1f} "
            f"nats; {BOUND_NATS:.1f} may be gained by chance"
        )
    return ProbeResult(
        probe=PROBE, condition=CONDITION, outcome=outcome, numbers=numbers, sentence=sentence, runs=runs
    )


def _mixed_gain(nats: np.ndarray, alphabet: int) -> float:
    """Log of the mean, over the shares, of the products of 1 - share + share * V * p."""
    times_even = np.exp(np.minimum(math.log(alphabet) - nats, 700.0))
    gains = []
    for share in _SHARES:
        with np.errstate(divide="ignore"):
            gains.append(float(np.log1p(share * (times_even - 1.0)).sum()))
    most = max(gains)
    if not math.isfinite(most):
        return most
    return most + math.log(sum(math.exp(gain - most) for gain in gains) / len(gains))


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
