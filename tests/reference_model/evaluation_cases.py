"""A tiny model, a stream and a byte table for tests of evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.tokens.byte_table import ByteTable
from reference_model.config import ComputeType, Config
from reference_model.network.gpt import GPT, build_model
from reference_model.presets import Size, preset

if TYPE_CHECKING:
    import numpy.typing as npt

VOCABULARY = 32


def tiny_config(
    name: str = "pr461", *, ttt: dict[str, object] | None = None, evaluation: dict[str, object] | None = None
) -> Config:
    """Windows of 16 tokens, stride 4, chunks of 32, fp32."""
    config = preset(name, Size.TINY)
    model = replace(config.model, vocab_size=VOCABULARY, model_dim=32, bigram_buckets=64, bigram_dim=8)
    window = {"eval_seq_len": 16, "stride": 4, "batch_seqs": 5, **(evaluation or {})}
    adapting = {"chunk_tokens": 32, "lr": 0.05, "epochs": 2, **(ttt or {})}
    return replace(
        config,
        model=model,
        evaluation=replace(config.evaluation, **window),
        ttt=replace(config.ttt, **adapting),
        run=replace(config.run, compute=ComputeType.FLOAT32),
    )


def tiny_model(config: Config, seed: int = 0) -> GPT:
    """Every parameter random, so that every path is live."""
    torch.manual_seed(seed)
    model = build_model(config.model, device=torch.device("cpu"), compute=config.run.compute)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def stream(length: int = 150, seed: int = 1) -> npt.NDArray[np.uint16]:
    """Tokens with documents of about 20, the first of which opens the stream."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(2, VOCABULARY, length).astype(np.uint16)
    tokens[generator.random(length) < 0.05] = 1
    tokens[0] = 1
    return tokens


def byte_table() -> ByteTable:
    """Pieces of 1 to 4 bytes, a third with a leading space; ids 0 to 2 are boundaries without bytes."""
    ids = np.arange(VOCABULARY)
    return ByteTable(
        base_bytes=np.where(ids < 3, 0, ids % 4 + 1).astype(np.int64),
        has_leading_space=(ids % 3 == 0) & (ids >= 3),
        is_boundary=ids < 3,
    )
