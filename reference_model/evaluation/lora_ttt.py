"""Test-time training by documents: low-rank adapters that start anew at every document (PR #77, #1855).

Each document is scored chunk by chunk, every chunk with context from its own document only; after a chunk was
scored, and unless it was the document's last, the document's adapters take `epochs` Adam steps on it.
Documents do not share adapters, so a batch of them adapts side by side and the result does not depend on how
documents are batched. The first step reuses the forward pass that gave the scores: scored and recorded first,
differentiated then.

Settings: ttt.chunk_tokens (256 in PR #77), ttt.lora_rank (8), ttt.lr (0.01), ttt.batch_seqs documents at a
time (64), evaluation.eval_seq_len; Adam with optimizer.beta1, beta2 and eps 1e-10, as there. Gradients are
not clipped: a joint norm would couple documents.

B documents, L tokens of a window, S columns at its end with scored positions, V vocabulary, N scored
positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from reference_model.config import ConfigError
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

    The model itself is never changed. Raises ConfigError when a chunk is longer than the window that scores
    it.
    """
    ttt, length = config.ttt, config.evaluation.eval_seq_len
    if ttt.chunk_tokens > length:
        raise ConfigError(
            f"ttt.chunk_tokens {ttt.chunk_tokens:,} exceeds evaluation.eval_seq_len {length:,}: with "
            "document_lora one window scores a chunk; PR #77 used chunks of 256 in windows of 1,024"
        )
    tokens = tally.tokens[: tally.positions_to_score + 1] if tail is Tail.DROPPED else tally.tokens
    batches = documents_in_stream(tokens, config.model.bos_id).batches(ttt.batch_seqs, ttt.chunk_tokens)
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
        chunks = int(self.documents.chunks(ttt.chunk_tokens)[0])
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
                lr=ttt.lr,
                betas=(config.optimizer.beta1, config.optimizer.beta2),
                eps=LORA_ADAM_EPS,
                weight_decay=ttt.weight_decay,
            )
            for k in range(chunks):
                chunk = document_chunk(
                    self.documents, k, chunk_tokens=ttt.chunk_tokens, seq_len=config.evaluation.eval_seq_len
                )
                nll_BS = self._scored(chunk, k, adapters)
                for epoch in range(ttt.epochs if chunk.continuing else 0):
                    if epoch:
                        nll_BS = self._model_nll(chunk, chunk.continuing, adapters)
                    flat.zero_gradients()
                    nll_BS[: chunk.continuing].mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
                    adam.step()
                    self._record_update(chunk)

    def _scored(self, chunk: DocumentChunk, k: int, adapters: DocumentAdapters) -> Tensor:
        """Score a chunk, record it, and return the model's own nats (B x S), differentiable if some will
        train.
        """
        with torch.set_grad_enabled(chunk.continuing > 0):
            if self.mixer is None:
                nll_BS = self._model_nll(chunk, len(chunk.indices), adapters)
                self._record_scores(chunk, k, nll_BS)
                return nll_BS
            x_BL, y_BL = self._window(chunk, len(chunk.indices))
            last = chunk.in_chunk.shape[1]
            adapters.active = len(x_BL)
            with autocast(x_BL.device, self.config.run.compute):
                logits_BSV = self.model.logits(x_BL, last=last).float()
            targets_BS = y_BL[:, -last:]
            nll_BS = functional.cross_entropy(logits_BSV.transpose(1, 2), targets_BS, reduction="none")
        with torch.no_grad():
            logits_NV = logits_BSV.detach().reshape(-1, logits_BSV.shape[-1])
            mixed_N = self.mixer.mix(chunk.positions.reshape(-1), logits_NV, targets_BS.reshape(-1))
        self._record_scores(chunk, k, mixed_N.view(targets_BS.shape))
        return nll_BS

    def _model_nll(self, chunk: DocumentChunk, rows: int, adapters: DocumentAdapters) -> Tensor:
        """Nats (rows x S) of the last columns of the first `rows` windows."""
        x_BL, y_BL = self._window(chunk, rows)
        adapters.active = rows
        with autocast(x_BL.device, self.config.run.compute):
            return self.model.nll(x_BL, y_BL, last=chunk.in_chunk.shape[1])

    def _window(self, chunk: DocumentChunk, rows: int) -> tuple[Tensor, Tensor]:
        tokens_BL1 = torch.from_numpy(self.tally.tokens[chunk.indices[:rows]].astype("int64"))
        tokens_BL1 = tokens_BL1.to(self.tally.world.device, non_blocking=True)
        return tokens_BL1[:, :-1], tokens_BL1[:, 1:]

    def _record_scores(self, chunk: DocumentChunk, k: int, nll_BS: Tensor) -> None:
        scores_BS: npt.NDArray[np.floating] = nll_BS.detach().cpu().numpy()
        self.tally.add(chunk.positions[chunk.in_chunk], scores_BS[chunk.in_chunk], chunk=k)

    def _record_update(self, chunk: DocumentChunk) -> None:
        self.tally.version += 1
        for positions in chunk.positions[: chunk.continuing, [0, -1]].tolist():
            self.tally.trained(positions[0], positions[1] + 1)
