"""Adding up scores: nats, tokens and bytes in float64, checked and recorded on the way.

val_loss = nats / tokens; val_bpb = nats / ln 2 / bytes, bits per byte of the text the scored tokens stand for
(`eval_val` of the challenge's train_gpt.py). Bytes make tokenizers comparable: a token that stands for more
text may cost more nats.

N scored positions.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.errors import SetupError
from reference_model.evaluation.score_ledger import ScoreLedger, refuse_unusable_scores

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from harness.tokens.byte_table import ByteTable
    from reference_model.distributed import World
    from reference_model.evaluation.evaluator_stream import EvaluatorStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What an evaluation reports; equal on every rank except for the ledger, which rank 0 holds complete."""

    val_loss_nats: float
    """Mean per scored token."""
    val_bpb: float
    scored_tokens: int
    scored_bytes: int
    seconds: float
    ledger: ScoreLedger | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationProgress:
    """How far this rank has come with scoring, or with counting what is mixed into the scores."""

    activity: str
    done: int
    total: int
    """Positions of this rank."""
    val_bpb: float | None = None
    """Of its own positions so far; None while nothing is scored."""


@dataclass(slots=True, kw_only=True)
class ScoreTally:
    """Sums of one rank's scores over the stream `tokens`."""

    tokens: npt.NDArray[np.integer]
    table: ByteTable
    world: World
    positions_to_score: int
    ledger: ScoreLedger | None = None
    progress: Callable[[EvaluationProgress], None] | None = None
    stream: EvaluatorStream | None = None
    """Where an evaluator owns the score: what hands `tokens` out and takes the scores as well."""
    version: int = 0
    """Updates made to the weights so far."""
    _nats: float = 0.0
    _scored: int = 0
    _bytes: int = 0
    _start: float = field(default_factory=time.monotonic)

    def add(
        self, positions_N: npt.NDArray[np.int64], nll_N: npt.NDArray[np.floating], *, chunk: int = 0
    ) -> None:
        """Count scores made by the present weights; raises LedgerError for one that is not finite."""
        if self.ledger is not None:
            self.ledger.score(positions_N, nll_N, chunk=chunk, version=self.version)
        else:
            refuse_unusable_scores(positions_N, nll_N, chunk=chunk, version=self.version)
        if self.stream is not None:
            self.stream.add(positions_N, nll_N)
        self._nats += float(nll_N.sum(dtype=np.float64))
        self._scored += len(nll_N)
        targets_N, previous_N = self.tokens[positions_N], self.tokens[positions_N - 1]
        self._bytes += int(self.table.byte_counts(previous_N, targets_N).sum())
        if self.progress is not None:
            self.progress(self._so_far())

    def trained(self, first: int, end: int) -> None:
        """Note that the newest update trained on positions first .. end-1; call after raising `version`."""
        if self.ledger is not None:
            self.ledger.update(self.version, first, end)

    def total(self) -> Score:
        """The score of all ranks together; every rank must call.

        Raises SetupError when the scored tokens stand for no bytes, LedgerError when the ledger does not
        prove that each position was scored once and before any update that trained on it.
        """
        sums = torch.tensor([self._nats, self._scored, self._bytes], dtype=torch.float64)
        nats, scored, scored_bytes = self.world.sum_(sums.to(self.world.device)).tolist()
        if not scored_bytes:
            raise SetupError(
                f"the {int(scored):,} scored tokens stand for 0 bytes of text; the tokenizer does not "
                "match the data"
            )
        ledger = self.ledger
        if ledger is not None:
            ledger = ledger.gathered(self.world)
            if self.world.is_main:
                ledger.verify(self.positions_to_score)
        return Score(
            val_loss_nats=nats / scored,
            val_bpb=nats / math.log(2.0) / scored_bytes,
            scored_tokens=int(scored),
            scored_bytes=int(scored_bytes),
            seconds=time.monotonic() - self._start,
            ledger=ledger,
        )

    def _so_far(self) -> EvaluationProgress:
        return EvaluationProgress(
            activity="scoring",
            done=self._scored,
            total=self.positions_to_score // self.world.size,
            val_bpb=self._nats / math.log(2.0) / max(self._bytes, 1),
        )
