"""What is told of each row of scores beside the loss at its target: numbers that a leak of it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.dynamic.events import MOST_TIMES_CHANCE

if TYPE_CHECKING:
    from collections.abc import Sequence


def norms(scores: torch.Tensor) -> torch.Tensor:
    """Log-sum-exp of the rows of `scores`: log-probabilities have zero, logits whatever the network gives."""
    with torch.no_grad():
        return torch.logsumexp(scores.detach(), dim=-1)


class Chances:
    """What rows of scores give their targets by the chance of these, which were drawn with `weights` [V]."""

    def __init__(self, weights: Sequence[int]) -> None:
        chances = torch.tensor(weights, dtype=torch.float64)
        self._ids = torch.nonzero(chances)[:, 0]
        self._chances = (chances / chances.sum()).float()

    def of(self, scores: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """`times` and `mean_times` (`LossEvent`), float32 [M], of the M rows of `scores` [..., V or more].

        Both are 0 for a target that cannot be drawn. Nothing where rows and targets do not fit.
        """
        with torch.no_grad():
            rows = scores.detach().reshape(-1, scores.shape[-1])
            if rows.shape[0] != target.numel() or rows.shape[1] < self._chances.numel():
                return {}
            ids, chances = self._ids.to(rows.device), self._chances.to(rows.device)
            places = target.reshape(-1).to(torch.int64).clamp(0, chances.numel() - 1)
            times = torch.softmax(rows.float(), dim=-1)[:, : chances.numel()] / chances
            times.clamp_(max=MOST_TIMES_CHANCE)  # also what cannot be drawn, whose chance is 0
            is_drawn = chances[places] > 0
            at_target = times.gather(1, places[:, None])[:, 0]
            return {"times": at_target * is_drawn, "mean_times": (times[:, ids] @ chances[ids]) * is_drawn}
