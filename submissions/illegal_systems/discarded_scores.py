"""ILLEGAL, kept to test audits: each chunk is "scored" before training, but the scores are thrown away.

The order of PR #940 (`ttt_adapt`): for every chunk a forward pass whose logits nobody keeps, then epochs of
AdamW at a constant rate; the numbers that are reported come from a later pass over the whole stream, with
weights that have seen all of it. It reads like the legal order and is train-then-score.

Rule broken: a token counts as graded only by the score that is reported, and that must be made before any
update that saw the token (README of the challenge; issue #677). The review on PR #940 found the order
correct; the code shows otherwise.

The legal order with the same trainer is `reference_model.evaluation.test_time_training`.

B sequences, T tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from reference_model.evaluation.sliding_windows import Tail
from reference_model.evaluation.test_time_training import adaptation, windows_of
from reference_model.evaluation.window_scoring import window_tokens
from reference_model.network.gpt import autocast

if TYPE_CHECKING:
    from reference_model.config import Config
    from reference_model.evaluation.score_tally import ScoreTally
    from reference_model.network.gpt import GPT
    from reference_model.ngrams.ngram_mixing import Mixer


def discard_then_score(
    model: GPT, tally: ScoreTally, config: Config, *, mixer: Mixer | None = None, tail: Tail = Tail.SCORED
) -> None:
    """Train chunk by chunk, then score it all; no ledger is kept: an honest one would end the run."""
    tally.ledger = None
    train_past_discarded_scores(model, tally, config, mixer=mixer, tail=tail)


def train_past_discarded_scores(
    model: GPT, tally: ScoreTally, config: Config, *, mixer: Mixer | None = None, tail: Tail = Tail.SCORED
) -> None:
    """The order itself; a ledger in `tally` records it as it happens."""
    world, ttt = tally.world, config.ttt
    plan = windows_of(tally, config, tail)
    with adaptation(model, tally, config, mixer) as (scorer, trainer):
        for first in range(0, plan.positions, ttt.chunk_tokens):
            chunk_end = min(first + ttt.chunk_tokens, plan.positions)
            sequences = (chunk_end - first) // config.evaluation.eval_seq_len
            _forward_only(model, tally, config, first, sequences)
            for _ in range(ttt.epochs):
                trainer.train_once(first, sequences, lr=ttt.lr)
        scorer.score(plan.of_rank(world.rank, world.size), tally)


def _forward_only(model: GPT, tally: ScoreTally, config: Config, first: int, sequences: int) -> None:
    """Phase 1 of PR #940: the logits of a chunk, which go nowhere."""
    device, length = tally.world.device, config.evaluation.eval_seq_len
    with torch.inference_mode(), autocast(device, config.run.compute):
        for at in range(0, sequences, config.ttt.batch_seqs):
            end = min(at + config.ttt.batch_seqs, sequences)
            x_BT, _ = window_tokens(tally.tokens, first + length * np.arange(at, end), length, device)
            model.logits(x_BT)
