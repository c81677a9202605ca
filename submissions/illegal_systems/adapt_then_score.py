"""ILLEGAL, kept to test audits: all validation tokens are trained on before the first of them is scored.

The order of PR #555 (`ttt_adapt`, then the final evaluations): epochs of AdamW at a constant rate over the
whole stream, gradients clipped, then one scoring pass. Each score comes from weights that saw its token.

Rule broken: "you are only allowed to test-time train on validation set tokens you've already evaluated your
model on" (README of the challenge; issue #677). valerio-oai refused PR #555 for it on 2026-03-24.

The legal order with the same trainer is `reference_model.evaluation.test_time_training`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_model.evaluation.sliding_windows import Tail
from reference_model.evaluation.test_time_training import adaptation, windows_of

if TYPE_CHECKING:
    from reference_model.config import Config
    from reference_model.evaluation.score_tally import ScoreTally
    from reference_model.network.gpt import GPT
    from reference_model.ngrams.ngram_mixing import Mixer


def adapt_then_score(
    model: GPT, tally: ScoreTally, config: Config, *, mixer: Mixer | None = None, tail: Tail = Tail.SCORED
) -> None:
    """Train on the stream of `tally`, then score it; no ledger is kept: an honest one would end the run."""
    tally.ledger = None
    train_on_all_then_score(model, tally, config, mixer=mixer, tail=tail)


def train_on_all_then_score(
    model: GPT, tally: ScoreTally, config: Config, *, mixer: Mixer | None = None, tail: Tail = Tail.SCORED
) -> None:
    """The order itself; a ledger in `tally` records it as it happens."""
    world, ttt = tally.world, config.ttt
    plan = windows_of(tally, config, tail)
    sequences = plan.positions // config.evaluation.eval_seq_len
    with adaptation(model, tally, config, mixer) as (scorer, trainer):
        for _ in range(ttt.epochs):
            trainer.train_once(0, sequences, lr=ttt.lr)
        scorer.score(plan.of_rank(world.rank, world.size), tally)
