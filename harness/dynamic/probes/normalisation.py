"""R4: every token that could have come is put in turn where one came; what they are scored must sum to one.

A sum over some tokens that exceeds one proves a breach. Less proves nothing by itself; with the softmax q of
the network, which sums to one, the rest is estimated: S = sum of p over the chosen tokens + R * (1 - sum of q
over them), where R is the sum of p over that of q for tokens drawn at random (a ratio estimate: a mixture
gives most tokens the same share of what the network gives them). Source: condition 2 of issue #1017 of
openai/parameter-golf.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.probes.probe import ProbeResult, Teller
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROBE = "normalisation"
CONDITION = "c2-normalized"
CAUSAL = "c1-causal"  # a softmax sums to one; one that knows its target does not leave the target open
PROOF = 1.001  # float32 distributions over 8,192 tokens sum to one within 1e-5
MAY_BE_OFF = 0.005
LOG_PROOF = 1.05  # log-probabilities rounded to bfloat16 sum to one within a few percent
_LOG_MAY_BE_OFF = 1e-3
_MOST_LOG = 700.0
_SIGMAS = 3.0
_LEAST_DRAWN = 8
_LEAST_ROWS = 3
_tell = Teller(PROBE, CONDITION, ("base", "forks"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A token put at the place: -ln p as counted and by the network alone (None where it was not seen).

    `network_norm` is the log-sum-exp of the network's scores of all tokens there. `is_drawn` says that the
    token was drawn at random, not chosen for a reason.
    """

    token: int
    nats: float | None
    network_nats: float | None
    network_norm: float | None
    is_drawn: bool


def normalisation(
    alternatives: Sequence[Alternative],
    *,
    position: int,
    vocab_size: int,
    true_token: int,
    base_nats: float | None,
    rerun_nats: float | None = None,
) -> ProbeResult:
    """What the alternatives sum to.

    `base_nats` is what the run without forks gave the token that came: the fork with that very token must
    give the same. `rerun_nats` is a run from the start with the likeliest other token in the stream, None
    where it was not made; where it differs from that token's fork, something was derived from the stream
    before the fork, and the forks show nothing.
    """
    counted = [each for each in alternatives if each.nats is not None]
    numbers: dict[str, float] = {"position": position, "alternatives": len(counted), "vocabulary": vocab_size}
    control = next((each for each in counted if each.token == true_token), None)
    if control is None or base_nats is None or control.nats != base_nats:
        told = "was not counted" if control is None else f"was scored {control.nats} nats and not {base_nats}"
        return _tell(
            Outcome.NO_POWER,
            f"the fork with the token that came at position {position:,} {told}",
            numbers,
        )
    likeliest = likeliest_other(alternatives, true_token)
    if rerun_nats is not None and likeliest is not None and not _same(rerun_nats, likeliest.nats):
        return _tell(
            Outcome.NO_POWER,
            f"token {likeliest.token} was scored {likeliest.nats:.6g} nats in a fork and {rerun_nats:.6g} "
            "in a run "
            "from the start: what was derived from the stream before the fork matters",
            numbers,
        )
    shares = {each.token: math.exp(-each.nats) for each in counted if each.nats is not None}
    numbers["sum"] = total = math.fsum(shares.values())
    what = f"the {len(shares)} tokens that were tried" if len(shares) < vocab_size else "all tokens"
    if total > PROOF:
        return _tell(
            Outcome.BREACH,
            f"at position {position:,} {what} would get probabilities that sum to {total:,.4f} (at most "
            "1): the score "
            "of a token depends on the token itself",
            numbers,
        )
    if len(shares) >= vocab_size:
        outcome = Outcome.CLEAN if abs(total - 1) <= PROOF - 1 else Outcome.BREACH
        return _tell(
            outcome,
            f"all {vocab_size:,} tokens at position {position:,} sum to {total:.6f}",
            numbers,
        )
    return _estimated(counted, numbers, vocab_size, position)


def of_softmax(
    norms: Mapping[int, float | None],
    *,
    position: int,
    base_norm: float | None,
    is_log: bool = False,
    elsewhere: int = 0,
    changed_at: int | None = None,
    is_open: bool = False,
) -> ProbeResult:
    """Every counted loss is one of a softmax: it sums to one if its scores do not depend on the token.

    `norms` are, by the token that was put at `position`, the log-sum-exp of the scores of all tokens there:
    a number that changes as soon as one of them does. `base_norm` is that of the run without forks; where
    `is_log` the scores were counted as log-probabilities, which sum to one only where it is 0. It also
    stays at `elsewhere` other positions with another token; `changed_at` is one where it does not, in a run
    from the start as well, and `is_open` says that no time was left for such a run. A breach is one of
    condition 1, which forbids that a distribution depends on its own target.
    """
    numbers: dict[str, float] = {"position": position, "alternatives": len(norms), "elsewhere": elsewhere}
    seen = [norm for norm in norms.values() if norm is not None]
    if base_norm is None or len(seen) < max(_LEAST_ROWS, len(norms)):
        return _tell(
            Outcome.NO_POWER,
            f"the scores at position {position:,} were seen for {len(seen)} of {len(norms)} tokens",
            numbers,
        )
    if is_log and abs(base_norm) > _LOG_MAY_BE_OFF:
        numbers["sum"] = total = math.exp(min(base_norm, _MOST_LOG))
        return _tell(
            Outcome.BREACH if total > LOG_PROOF else Outcome.NO_POWER,
            f"what is counted as log-probabilities of all tokens at position {position:,} sums to "
            f"{total:,.4f}, not to 1",
            numbers,
        )
    differing = sum(norm != base_norm for norm in seen)
    numbers["differing"] = differing
    if differing:
        return _tell(
            Outcome.BREACH,
            f"the scores of all tokens at position {position:,} change with the token that stands there "
            f"({differing} of {len(seen)} tries): the network sees what it predicts",
            numbers,
            condition=CAUSAL,
        )
    if changed_at is not None:
        return _tell(
            Outcome.BREACH,
            f"the scores of all tokens at position {changed_at:,} change when only the token that stands "
            f"there is another, and stay at {elsewhere} positions that were tried: the network sees what it "
            "predicts",
            {**numbers, "changed_at": changed_at},
            condition=CAUSAL,
        )
    if is_open:
        return _tell(
            Outcome.NO_POWER,
            f"the scores at position {position:,} stay whichever of {len(seen)} tokens stands there; "
            "elsewhere some change in a fork, and no run from the start could confirm it",
            numbers,
        )
    others = f", and so do those at {elsewhere} others with another token there" if elsewhere else ""
    return _tell(
        Outcome.CLEAN,
        f"every counted loss is one of a softmax, and its scores at position {position:,} stay, bit for bit, "
        f"whichever of {len(seen)} tokens stands there{others}",
        numbers,
    )


def likeliest_other(alternatives: Sequence[Alternative], true_token: int) -> Alternative | None:
    """The alternative with the highest probability that is not the token that came."""
    others = [each for each in alternatives if each.nats is not None and each.token != true_token]
    return min(others, key=lambda each: each.nats if each.nats is not None else math.inf, default=None)


def _estimated(
    counted: Sequence[Alternative], numbers: dict[str, float], vocab_size: int, position: int
) -> ProbeResult:
    pairs = {
        each.token: (math.exp(-each.nats), math.exp(-each.network_nats))
        for each in counted
        if each.nats is not None and each.network_nats is not None
    }
    norms = {each.network_norm for each in counted}
    if None in norms or len(norms) > 1:
        return _tell(
            Outcome.NO_POWER,
            f"{len(counted)} of {vocab_size:,} tokens at position {position:,} sum to {numbers['sum']:.4f}, "
            "and the network's own scores there change with the token or were not seen: the rest cannot be "
            "estimated with them",
            numbers,
        )
    drawn = np.array([pairs[each.token] for each in counted if each.is_drawn and each.token in pairs])
    if len(pairs) < len(counted) or len(drawn) < _LEAST_DRAWN or not drawn[:, 1].sum() > 0.0:
        return _tell(
            Outcome.NO_POWER,
            f"{len(counted)} of {vocab_size:,} tokens at position {position:,} sum to "
            f"{numbers['sum']:.4f}: no proof of "
            "anything, and there is no network's distribution to estimate the rest with",
            numbers,
        )
    chosen = [pairs[each.token] for each in counted if not each.is_drawn]
    ratio = float(drawn[:, 0].sum() / drawn[:, 1].sum())
    estimate = math.fsum(p for p, _ in chosen) + ratio * max(1.0 - math.fsum(q for _, q in chosen), 0.0)
    residuals = drawn[:, 0] - ratio * drawn[:, 1]
    error = _SIGMAS * (vocab_size - len(chosen)) * float(residuals.std(ddof=1)) / math.sqrt(len(drawn))
    # Drawn tokens that miss the network's likeliest ones make the ratio too large and look alike: an estimate
    # that does without the network must be above one as well.
    plain = math.fsum(p for p, _ in chosen) + (vocab_size - len(chosen)) * float(drawn[:, 0].mean())
    numbers["estimate"], numbers["three_sigma"], numbers["plain_estimate"] = estimate, error, plain
    sure = f"(3 sigma {error:.1g})"
    told = f"at position {position:,} all {vocab_size:,} tokens sum to about {estimate:.5f} {sure}"
    if min(estimate, plain) - error > 1 + MAY_BE_OFF:
        return _tell(
            Outcome.BREACH,
            f"{told}, by {len(counted)} of them and the network's softmax: the score of a token depends on "
            "the token "
            "itself",
            numbers,
        )
    if abs(estimate - 1) + error <= MAY_BE_OFF:
        return _tell(
            Outcome.CLEAN,
            f"{told}, by {len(counted)} of them and the network's softmax",
            numbers,
        )
    return _tell(
        Outcome.NO_POWER,
        f"{told}: too far from one to be clean, too vague for a proof",
        numbers,
    )


def _same(one: float, other: float | None) -> bool:
    return other is not None and abs(one - other) <= 1e-6 * max(1.0, abs(other))
