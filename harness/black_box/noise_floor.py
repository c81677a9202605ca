"""How much the same call differs from itself, and from there what counts as a difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.black_box.scorer import losses_of

if TYPE_CHECKING:
    from harness.black_box.scorer import Losses, Scorer, Tokens

# A difference is one that is ten times what repeating the call gives, and at least this many nats: float32
# sums in another order differ in the 6th digit, bfloat16 in the 3rd.
_TIMES_NOISE = 10.0
_LEAST_FLOAT32, _LEAST_BFLOAT16 = 1e-6, 2e-3
# Probabilities of a vocabulary must sum to one within this.
_SUM_FLOAT32, _SUM_BFLOAT16 = 1e-3, 2e-2
# Beyond this the losses of a repeated call have nothing in common.
_MOST_NOISE_NATS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """`noise` is the largest difference of two equal calls, `tolerance` what a probe lets pass; nats."""

    noise: float
    tolerance: float
    sum_tolerance: float
    """How far a sum of probabilities may be from one."""

    @property
    def is_reproducible(self) -> bool:
        """Whether differences between calls mean anything."""
        return self.noise <= _MOST_NOISE_NATS


def measured_noise(scorer: Scorer, tokens: Tokens) -> tuple[NoiseFloor, Losses]:
    """Score `tokens` twice: what differs, and the losses of the first call. Raises `ScorerError`."""
    first = losses_of(scorer.score, tokens, "the first call")
    second = losses_of(scorer.score, tokens, "the same call again")
    noise = largest_difference(first, second)
    least, sums = (_LEAST_BFLOAT16, _SUM_BFLOAT16) if scorer.is_bfloat16 else (_LEAST_FLOAT32, _SUM_FLOAT32)
    return NoiseFloor(noise=noise, tolerance=max(least, _TIMES_NOISE * noise), sum_tolerance=sums), first


def differences(one: Losses, other: Losses) -> Losses:
    """|one - other| of equal shapes; infinite where only one counts the token, 0 where neither does."""
    gap: Losses = np.abs(one - other)
    lone = np.isnan(one) != np.isnan(other)
    gap[np.isnan(gap)] = 0.0
    gap[lone] = np.inf
    return gap


def largest_difference(one: Losses, other: Losses) -> float:
    """The largest of `differences`; 0 for no losses."""
    return float(differences(one, other).max(initial=0.0))
