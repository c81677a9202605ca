"""Scoring windows of the stream in batches, with the head and the last layer on the scored positions only.

The original evaluations compute 32 (batch) x T x V logits and their cross entropy and then look at the last
64 of T = 2,048 columns (PR #461, `eval_val_sliding`). Here `GPT.nll(..., last=n)` leaves the other columns of
the last layer, the head and the loss away. Results are fetched one batch late, so that a GPU always has the
next batch.

B windows, T tokens read, S positions scored at the end of each window, N = B * S, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from reference_model.network.gpt import autocast

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

    from reference_model.config import Config
    from reference_model.evaluation.score_tally import ScoreTally
    from reference_model.evaluation.sliding_windows import WindowPlan
    from reference_model.network.gpt import GPT
    from reference_model.ngrams.ngram_mixing import Mixer


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowScorer:
    """A model, and perhaps a mixer, that scores windows of `tokens` (N stream tokens) on `device`."""

    model: GPT
    tokens: npt.NDArray[np.integer]
    config: Config
    device: torch.device
    compiled: tuple[Callable[..., Tensor], Callable[..., Tensor]] | None
    """Compiled `nll` and `logits` of the model; None where the configuration wants none."""
    mixer: Mixer | None

    def score(self, plan: WindowPlan, tally: ScoreTally, *, chunk: int = 0) -> None:
        """Score every window of `plan` with the present weights and add the results to `tally`."""
        self.model.eval()
        waiting: tuple[npt.NDArray[np.int64], Tensor] | None = None
        with torch.no_grad(), autocast(self.device, self.config.run.compute):
            for batch in plan.batches(self.config.evaluation.batch_seqs):
                scored = scored_positions(batch), self._batch_nll(batch)
                if waiting is not None:
                    tally.add(waiting[0], waiting[1].cpu().numpy(), chunk=chunk)
                waiting = scored
        if waiting is not None:
            tally.add(waiting[0], waiting[1].cpu().numpy(), chunk=chunk)

    def _batch_nll(self, batch: WindowPlan) -> Tensor:
        """Nats of the scored positions (N), float32 from the model alone, float64 from a mixer."""
        last = int(batch.scored[0])
        starts, nll, logits = batch.starts, self.model.nll, self.model.logits
        if self.compiled is not None and last == (self.config.evaluation.stride or batch.length):
            # one compilation for the usual shape; the few windows of other shapes are not worth theirs
            missing = self.config.evaluation.batch_seqs - len(batch)
            starts, (nll, logits) = np.pad(starts, (0, missing), mode="edge"), self.compiled
        x_BT, y_BT = window_tokens(self.tokens, starts, batch.length, self.device)
        if self.mixer is None:
            return nll(x_BT, y_BT, last=last)[: len(batch)].reshape(-1)
        logits_BSV = logits(x_BT, last=last)[: len(batch)]
        logits_NV = logits_BSV.reshape(-1, logits_BSV.shape[-1]).float()
        return self.mixer.mix(scored_positions(batch), logits_NV, y_BT[: len(batch), -last:].reshape(-1))


def window_scorer(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    config: Config,
    device: torch.device,
    mixer: Mixer | None,
) -> WindowScorer:
    """A scorer for `model` on `device`; compilation happens at its first batch of each shape."""
    compiled = None
    if config.run.compiles_on(device.type):
        compiled = torch.compile(model.nll, dynamic=False), torch.compile(model.logits, dynamic=False)
    return WindowScorer(
        model=model, tokens=tokens, config=config, device=device, compiled=compiled, mixer=mixer
    )


def window_tokens(
    tokens: npt.NDArray[np.integer], starts: npt.NDArray[np.int64], length: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Inputs and targets (B x length, int64) of windows that start at `starts`."""
    rows = np.lib.stride_tricks.sliding_window_view(tokens, length + 1)[starts].astype(np.int64)
    rows_BT = torch.from_numpy(rows)
    if device.type == "cuda":
        rows_BT = rows_BT.pin_memory().to(device, non_blocking=True)
    return rows_BT[:, :-1], rows_BT[:, 1:]


def scored_positions(batch: WindowPlan) -> npt.NDArray[np.int64]:
    """Positions that a batch of windows scores, window by window (N); all windows score equally many."""
    last = int(batch.scored[0])
    first = batch.starts + batch.length - last + 1
    return (first[:, None] + np.arange(last)).reshape(-1)
