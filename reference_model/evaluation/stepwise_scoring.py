"""Scoring windows on all ranks, in steps where an evaluator hands out the tokens.

Without an evaluator a rank scores its share of the windows in one go. With one, windows are taken in steps
that predict at most as many tokens as come at once: the tokens are asked for, all ranks score, the scores are
sealed, and only then the next step begins. Windows score without gaps, so the scores are the same ones.

V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from reference_model.config import ConfigError
from reference_model.evaluation.window_scoring import window_tokens
from reference_model.network.gpt import autocast

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from reference_model.evaluation.score_tally import ScoreTally
    from reference_model.evaluation.sliding_windows import WindowPlan
    from reference_model.evaluation.window_scoring import WindowScorer


def score_windows(scorer: WindowScorer, plan: WindowPlan, tally: ScoreTally, *, chunk: int = 0) -> None:
    """Score the windows of `plan` on all ranks together with the present weights.

    Raises ConfigError for windows that predict more tokens than the evaluator hands out at once.
    """
    world, stream = tally.world, tally.stream
    if stream is None:
        scorer.score(plan.of_rank(world.rank, world.size), tally, chunk=chunk)
        return
    for part in _steps(plan, stream.released, stream.longest_step):
        stream.require(int(part.starts[-1]) + part.length + 1, _BlindAnswer(scorer=scorer, plan=part))
        scorer.score(part.of_rank(world.rank, world.size), tally, chunk=chunk)
        stream.seal()


def _steps(plan: WindowPlan, released: int, longest_step: int) -> Iterator[WindowPlan]:
    """Consecutive windows whose new tokens come at once, as many as possible at a time."""
    ends = plan.starts + plan.length + 1  # tokens that each window needs
    first = 0
    while first < len(plan):
        end = int(np.searchsorted(ends, released + longest_step, side="right"))
        if end == first:
            raise ConfigError(
                f"one window predicts {int(ends[first]) - released:,} tokens, but the evaluator hands out "
                f"{longest_step:,} at once; set evaluation.eval_seq_len or stride lower"
            )
        yield plan.part(first, end)
        first, released = end, int(ends[end - 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _BlindAnswer:
    """The distribution of a token that is not known yet, as the window that will score it computes it.

    The window has its usual length, so that nothing but the tokens from the asked one on differs; attention
    is causal and does not see them, and so far they are 0.
    """

    scorer: WindowScorer
    plan: WindowPlan

    def __call__(self, position: int) -> npt.NDArray[np.float64]:
        """Log-probabilities (V) of the token at `position`, the first that is not known."""
        scorer = self.scorer
        window = int(np.searchsorted(self.plan.starts + self.plan.length, position))
        start = self.plan.starts[window : window + 1]
        x_1T, _ = window_tokens(scorer.tokens, start, self.plan.length, scorer.device)
        column = position - 1 - int(start[0])
        scorer.model.eval()
        with torch.no_grad(), autocast(scorer.device, scorer.config.run.compute):
            logits_V = scorer.model.logits(x_1T, last=self.plan.length - column)[0, 0]
        if scorer.mixer is None:
            log_p_V = torch.log_softmax(logits_V.double(), dim=-1).cpu().numpy()
        else:
            with np.errstate(divide="ignore"):
                log_p_V = np.log(scorer.mixer.distribution(position, logits_V.float()))
        answer_V: npt.NDArray[np.float64] = log_p_V
        return answer_V
