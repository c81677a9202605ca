"""Test-time training by chunks, score first: no token is trained on before it was scored.

The stream is cut into chunks. For each chunk in turn all windows that belong to it are scored with the
present weights, then the weights take a few epochs of steps over the chunk's sequences; the last chunk is
only scored. Recipe of PR #461: SGD with momentum whose state lives on across chunks, a cosine over the
chunks, gradients clipped, the first blocks and the cores they use frozen. PR #555 and #940 use AdamW, but
score after having trained on the whole stream; here AdamW keeps the same legal order.

Why training on chunk c sees scored tokens only: its last target is position (c+1) * chunk_tokens; a window
belongs to the chunk of the token before its first scored position, and windows score without gaps, so the one
that scores that position belongs to chunk c or an earlier one. The ledger checks it again for every position.

Differences from the originals, all of cost or of rank count: `batch_seqs` counts the sequences of a step over
all ranks, so that the result does not depend on their number; gradients live in flat buffers.

B sequences, T tokens of a sequence.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from reference_model.config import TttKind
from reference_model.evaluation.sliding_windows import Tail, planned_windows
from reference_model.evaluation.stepwise_scoring import score_windows
from reference_model.evaluation.window_scoring import window_scorer, window_tokens
from reference_model.network.gpt import autocast
from reference_model.optimizers.flat_parameters import FlatParameters
from reference_model.optimizers.schedules import ttt_cosine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from reference_model.config import Config, TttConfig
    from reference_model.evaluation.score_tally import ScoreTally
    from reference_model.evaluation.sliding_windows import WindowPlan
    from reference_model.evaluation.window_scoring import WindowScorer
    from reference_model.network.gpt import GPT
    from reference_model.ngrams.ngram_mixing import Mixer


def score_and_train_chunks(
    model: GPT, tally: ScoreTally, config: Config, *, mixer: Mixer | None = None, tail: Tail = Tail.SCORED
) -> None:
    """Score the stream of `tally` chunk by chunk, training on each chunk but the last after it was scored.

    The model's weights, gradients and flags are afterwards what they were before.
    """
    plan = windows_of(tally, config, tail)
    chunk_of_window = plan.chunks(config.ttt.chunk_tokens)
    chunks = -(-plan.positions // config.ttt.chunk_tokens)
    with adaptation(model, tally, config, mixer) as (scorer, trainer):
        for chunk in range(chunks):
            first, end = np.searchsorted(chunk_of_window, [chunk, chunk + 1]).tolist()
            score_windows(scorer, plan.part(first, end), tally, chunk=chunk)
            if chunk < chunks - 1:
                trainer.train(chunk, lr=ttt_cosine(chunk, chunks, config.ttt.lr))


def windows_of(tally: ScoreTally, config: Config, tail: Tail = Tail.SCORED) -> WindowPlan:
    """The windows that score the stream of `tally`."""
    window = config.evaluation
    return planned_windows(len(tally.tokens), seq_len=window.eval_seq_len, stride=window.stride, tail=tail)


@contextlib.contextmanager
def adaptation(
    model: GPT, tally: ScoreTally, config: Config, mixer: Mixer | None
) -> Iterator[tuple[WindowScorer, ChunkTrainer]]:
    """A scorer of the model and a trainer of its adapted parameters; leaving undoes what they change."""
    device = tally.world.device
    was_training = model.training
    adapted = adapted_parameters(model, config.ttt)
    flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
    flat = FlatParameters(adapted.values())
    try:
        for parameter in flags:
            parameter.requires_grad_(False)
        for parameter in adapted.values():
            parameter.requires_grad_(True)
        scorer = window_scorer(model, tally.tokens, config, device, mixer)
        loss = model.forward
        if config.run.compiles_on(device.type):
            loss = torch.compile(loss, dynamic=False)
        trainer = ChunkTrainer(
            loss=loss, flat=flat, optimizer=_chunk_optimizer(flat, config.ttt), tally=tally, config=config
        )
        model.eval()  # nothing is dropped out, and fake quantisation stays out of the adaptation
        yield scorer, trainer
    finally:
        flat.release()
        for parameter, wanted in flags.items():
            parameter.requires_grad_(wanted)
        model.train(was_training)


def adapted_parameters(model: GPT, ttt: TttConfig) -> dict[str, nn.Parameter]:
    """Parameters that adapt, by name: all but the first `freeze_blocks` blocks and the cores these blocks
    use.

    A core that a later layer shares is frozen for that layer too (core 0 serves layers 0 and 10 in PR #461).
    """
    frozen = {f"blocks.{layer}." for layer in range(ttt.freeze_blocks)}
    frozen |= {f"cores.{layer % model.config.num_cores}." for layer in range(ttt.freeze_blocks)}
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if not any(name.startswith(prefix) for prefix in frozen)
    }


def _chunk_optimizer(flat: FlatParameters, ttt: TttConfig) -> torch.optim.Optimizer:
    """Element-wise, hence the same on flat buffers as on separate tensors; torch's defaults as in the
    originals.
    """
    if ttt.kind is TttKind.CHUNK_ADAMW:
        return torch.optim.AdamW(flat.buffers, lr=ttt.lr, weight_decay=ttt.weight_decay)
    return torch.optim.SGD(
        flat.buffers, lr=ttt.lr, momentum=ttt.momentum, weight_decay=ttt.weight_decay, foreach=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkTrainer:
    """Takes the steps of one chunk; `loss` maps inputs and targets (B x T) to the mean nats."""

    loss: Callable[..., Tensor]
    flat: FlatParameters
    optimizer: torch.optim.Optimizer
    tally: ScoreTally
    config: Config

    def train(self, chunk: int, *, lr: float) -> None:
        """`epochs` passes over the whole sequences of a chunk; tokens that fill no sequence are left."""
        ttt = self.config.ttt
        sequences = ttt.chunk_tokens // self.config.evaluation.eval_seq_len
        for _ in range(ttt.epochs):
            self.train_once(chunk * ttt.chunk_tokens, sequences, lr=lr)

    def train_once(self, first_token: int, sequences: int, *, lr: float) -> None:
        """One pass, in order, over `sequences` sequences that begin with token `first_token`."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        batch, length = self.config.ttt.batch_seqs, self.config.evaluation.eval_seq_len
        for at in range(0, sequences, batch):
            self._step(first_token + at * length, min(batch, sequences - at))

    def _step(self, first_token: int, sequences: int) -> None:
        """One update on `sequences` sequences from `first_token` on, which the ranks share."""
        world, length = self.tally.world, self.config.evaluation.eval_seq_len
        own_first, own_end = (sequences * rank // world.size for rank in (world.rank, world.rank + 1))
        self.flat.zero_gradients()
        if own_end > own_first:
            starts = first_token + length * np.arange(own_first, own_end)
            x_BT, y_BT = window_tokens(self.tally.tokens, starts, length, world.device)
            with autocast(world.device, self.config.run.compute):
                loss = self.loss(x_BT, y_BT)
            # a rank's share of the mean over all sequences: ranks may hold unequally many, or none
            (loss * ((own_end - own_first) / sequences)).backward()  # type: ignore[no-untyped-call]
        self.flat.sum_gradients(world)
        if self.config.ttt.grad_clip:
            self.flat.clip_gradients(self.config.ttt.grad_clip)
        self.optimizer.step()
        self.tally.version += 1
        self.tally.trained(first_token + 1, first_token + sequences * length + 1)
