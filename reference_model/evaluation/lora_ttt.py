"""Test-time training by documents: low-rank adapters that start anew at every document (PR #77, #1855).

Each document is scored chunk by chunk, every chunk with context from its own document only; after a chunk was
scored, and unless it was the document's last, the document's adapters take Adam steps on it.
Documents do not share adapters, so a batch of them adapts side by side and the result does not depend on how
documents are batched. The first step reuses the forward pass that gave the scores: scored and recorded first,
differentiated then.

Settings: ttt.lora_*, whose defaults are PR #77's, ttt.weight_decay, evaluation.eval_seq_len; Adam with
optimizer.beta1, beta2 and eps 1e-10, as there. Gradients are not clipped: a joint norm would couple the
documents.

B documents, L tokens of a window, S columns at its end with scored positions, V vocabulary, N scored
positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from reference_model.evaluation.document_batches import Documents, document_chunk, documents_in_stream
from reference_model.evaluation.lora_adapters import DocumentAdapters
from reference_model.evaluation.sliding_windows import Tail
from reference_model.network.gpt import autocast
from reference_model.optimizers.flat_parameters import FlatParameters

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from reference_model.config import Config
    from reference_model.evaluation.document_batches import DocumentChunk
    from reference_model.evaluation.score_tally import ScoreTally
    from reference_model.network.gpt import GPT
    from reference_model.ngrams.ngram_mixing import Mixer

LORA_ADAM_EPS = 1e-10  # PR #77


def score_and_adapt_documents(
    model: GPT, tally: ScoreTally, config: Config, *, mixer: Mixer | None = None, tail: Tail = Tail.SCORED
) -> None:
    """Score the stream of `tally` document by document, adapting low-rank matrices to what was scored.

    The model itself is never changed.
    """
    ttt = config.ttt
    tokens = tally.tokens[: tally.positions_to_score + 1] if tail is Tail.DROPPED else tally.tokens
    batches = documents_in_stream(tokens, config.model.bos_id).batches(
        ttt.lora_documents, ttt.lora_chunk_tokens
    )
    was_training = model.training
    flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        model.eval().requires_grad_(False)
        for documents in batches[tally.world.rank :: tally.world.size]:
            _DocumentBatch(
                model=model, documents=documents, tally=tally, config=config, mixer=mixer
            ).score_and_adapt()
    finally:
        for parameter, wanted in flags.items():
            parameter.requires_grad_(wanted)
        model.train(was_training)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DocumentBatch:
    """Documents that go through their chunks together, longest first."""

    model: GPT
    documents: Documents
    tally: ScoreTally
    config: Config
    mixer: Mixer | None

    def score_and_adapt(self) -> None:
        """All chunks of all documents of the batch, with adapters that begin at zero effect."""
        config, ttt = self.config, self.config.ttt
        device = self.tally.world.device
        chunks = int(self.documents.chunks(ttt.lora_chunk_tokens)[0])
        with DocumentAdapters(
            self.model,
            documents=len(self.documents.starts),
            rank=ttt.lora_rank,
            seed=config.run.seed,
            device=device,
        ) as adapters:
            flat = FlatParameters(adapters.parameters)
            adam = torch.optim.AdamW(
                flat.buffers,
                lr=ttt.lora_lr,
                betas=(config.optimizer.beta1, config.optimizer.beta2),
                eps=LORA_ADAM_EPS,
                weight_decay=ttt.weight_decay,
            )
            for k in range(chunks):
                chunk = document_chunk(
                    self.documents,
                    k,
                    chunk_tokens=ttt.lora_chunk_tokens,
                    seq_len=config.evaluation.eval_seq_len,
                )
                nll_BS = self._scored(chunk, k, adapters)
                for epoch in range(ttt.lora_epochs if chunk.continuing else 0):
                    if epoch:
                        nll_BS = self._nll(self._logits(chunk, chunk.continuing, adapters), chunk)
                    flat.zero_gradients()
                    nll_BS[: chunk.continuing].mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
                    adam.step()
                    self._record_update(chunk)

    def _scored(self, chunk: DocumentChunk, k: int, adapters: DocumentAdapters) -> Tensor:
        """Score a chunk, record it, and return the model's own nats (B x S), differentiable if some will
        train.
        """
        with torch.set_grad_enabled(chunk.continuing > 0):
            logits_BSV = self._logits(chunk, len(chunk.indices), adapters)
            nll_BS = self._nll(logits_BSV, chunk)
        if self.mixer is None:
            self._record_scores(chunk, k, nll_BS)
            return nll_BS
        positions_BS = chunk.positions
        targets_BS = self._tokens(positions_BS)
        with torch.no_grad():
            mixed_N = self.mixer.mix(
                positions_BS.reshape(-1), logits_BSV.detach().flatten(0, 1), targets_BS.flatten()
            )
        self._record_scores(chunk, k, mixed_N.view(targets_BS.shape))
        return nll_BS

    def _logits(self, chunk: DocumentChunk, rows: int, adapters: DocumentAdapters) -> Tensor:
        """Adapted logits (rows x S x V) of the last columns of the first `rows` windows."""
        x_BL = self._tokens(chunk.indices[:rows, :-1])
        with autocast(x_BL.device, self.config.run.compute):
            return adapters.logits(x_BL, last=chunk.in_chunk.shape[1])

    def _nll(self, logits_BSV: Tensor, chunk: DocumentChunk) -> Tensor:
        """The model's own nats (B x S) of the targets of as many documents as there are logits."""
        targets_BS = self._tokens(chunk.positions[: len(logits_BSV)])
        return functional.cross_entropy(logits_BSV.transpose(1, 2), targets_BS, reduction="none")

    def _tokens(self, positions_BS: npt.NDArray[np.int64]) -> Tensor:
        """Tokens of the stream at these positions (int64), on the device."""
        tokens_BS = torch.from_numpy(self.tally.tokens[positions_BS].astype("int64"))
        return tokens_BS.to(self.tally.world.device, non_blocking=True)

    def _record_scores(self, chunk: DocumentChunk, k: int, nll_BS: Tensor) -> None:
        scores_BS: npt.NDArray[np.floating] = nll_BS.detach().cpu().numpy()
        self.tally.add(chunk.positions[chunk.in_chunk], scores_BS[chunk.in_chunk], chunk=k)

    def _record_update(self, chunk: DocumentChunk) -> None:
        self.tally.version += 1
        for positions in chunk.positions[: chunk.continuing, [0, -1]].tolist():
            self.tally.trained(positions[0], positions[1] + 1)
