"""Score-first TTT and normalised n-gram backoff (legal twin): trains and scores at demonstration size.

Written by `python -m submissions.build`; change the modules it was made of, not this file.
"""

from __future__ import annotations


from typing import TYPE_CHECKING
import contextlib
import copy
import dataclasses
import datetime
import enum
import hashlib
import io
import itertools
import json
import lzma
import math
import os
import pickle
import platform
import queue
import random
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import typing
import uuid
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, NamedTuple
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional


if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import FrameType
    from typing import BinaryIO, TextIO
    import numpy.typing as npt


# ---- harness.errors ----
# Error families, split by who must act. Anything else that escapes is our own bug (exit status 70).


class GolfError(Exception):
    """A failure with a message for people: what, where, measured against what, what to do."""


class SubmissionError(GolfError):
    """The submission cannot be read as one; its author must act (no folder, an empty pull request)."""


class SetupError(GolfError):
    """The operator's machine, clone or arguments are at fault; says the command that mends it.

    It never counts against a submission: the verdict is could-not-check.
    """


class UsageError(GolfError):
    """The command line asks for something that does not exist or go together (exit status 2)."""


# ---- reference_model.config ----
# One frozen configuration for model, training, artifact and evaluation; every technique is a switch of it.
#
# A run is its configuration: nothing reads the environment while it runs. `config_overrides` lays settings of
# the command line and of the environment on a preset; the variable that a field answers to stands beside it.
#
# Units: lengths and batches in tokens, times in seconds, sizes in bytes, learning rates per step.


class ConfigError(UsageError):
    """The configuration makes no sense; names the field, its value and what would be accepted."""


class Activation(Enum):
    """What the MLP applies between its two matrices; both square the result."""

    RELU_SQ = "relu_sq"
    LEAKY_RELU_SQ = "leaky_relu_sq"  # negatives contribute slope^2 * u^2 (PR #493, #549)


class Smear(Enum):
    """How a position takes in the one before it."""

    NONE = "none"
    CONVEX = "convex"  # (1-g) x_t + g x_{t-1}, g per channel (seed form, PR #461)
    GATED = "gated"  # x_t + lambda sigmoid(w . x_t[:12]) x_{t-1} (PR #1667, #1851)


class LinearInit(Enum):
    """Initial weights of the matrices that do not start at zero."""

    DEFAULT = "default"  # torch's Kaiming-uniform (baseline of the challenge)
    ORTHOGONAL = "orthogonal"  # where both sides are >= 64; `.proj` times 1/sqrt(2L) (PR #461)


class MatrixOptimizer(Enum):
    """Who steps the matrices."""

    MUON = "muon"  # parameter i on rank i mod W, one flat all-reduce
    MUON_BANKS = "muon_banks"  # batched 3-D banks, reduce-scatter and all-gather (PR #399, #549)


class NewtonSchulz(Enum):
    """Coefficients of the orthogonalising iteration."""

    QUINTIC = "quintic"  # 3.4445, -4.7750, 2.0315 at every iteration (Jordan, Muon)
    POLAR_EXPRESS = "polar_express"  # one triple per iteration (PR #1344, arXiv 2505.16932)


class SwaSource(Enum):
    """What stochastic weight averaging takes its snapshots of."""

    WEIGHTS = "weights"  # PR #461
    EMA = "ema"  # PR #940, there off


class GptqLite(Enum):
    """Search of the clipping quantile that loses least in mean square."""

    NONE = "none"
    PER_ROW = "per_row"  # PR #461's option
    PER_MATRIX = "per_matrix"  # PR #414, #549


class Container(Enum):
    """Compressor around the quantised tensors."""

    ZSTD = "zstd"
    ZLIB = "zlib"
    LZMA = "lzma"
    BROTLI = "brotli"


class TttKind(Enum):
    """Test-time training; every kind scores a position before any update that saw it."""

    NONE = "none"
    CHUNK_SGD = "chunk_sgd"  # PR #461, #549
    CHUNK_ADAMW = "chunk_adamw"  # optimiser of PR #555 and #940, in the legal order
    DOCUMENT_LORA = "document_lora"  # low-rank adapters reset at every document (PR #77, #1855)


class NgramKind(Enum):
    """Mixing of the model with statistics of the tokens already scored."""

    NONE = "none"
    BACKOFF = "backoff"  # full normalised distribution from exact context keys
    TILT = "tilt"  # closed-form tilt towards one hinted token (PR #1514)


class ComputeType(Enum):
    """Number format of activations."""

    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"


def _env(default: Any, name: str) -> Any:
    """A field that the environment variable `name` of the challenge's scripts overrides."""
    return field(default=default, metadata={"env": name})


COMPRESSION_LEVELS = {
    Container.ZSTD: (1, 22),
    Container.ZLIB: (0, 9),
    Container.LZMA: (0, 9),
    Container.BROTLI: (0, 11),
}


def _at_least(config: object, name: str, least: float) -> None:
    value = getattr(config, name)
    if not value >= least:  # also refuses nan
        raise ConfigError(f"{_group(config)}.{name} is {value}; it must be at least {least}")


def _positive(config: object, name: str) -> None:
    value = getattr(config, name)
    if not value > 0:
        raise ConfigError(f"{_group(config)}.{name} is {value}; it must be above 0")


def _below_one(config: object, name: str) -> None:
    value = getattr(config, name)
    if not 0 <= value < 1:
        raise ConfigError(f"{_group(config)}.{name} is {value}; it must be 0 or more and below 1")


def _known_layers(config: object, name: str, num_layers: int) -> None:
    layers = getattr(config, name)
    for layer in layers:
        if not 0 <= layer < num_layers:
            raise ConfigError(
                f"{_group(config)}.{name} names layer {layer}; the model has layers 0 to {num_layers - 1}"
            )
    if len(set(layers)) != len(layers):
        raise ConfigError(f"{_group(config)}.{name} names a layer twice: {layers}")


def _group(config: object) -> str:
    return type(config).__name__.removesuffix("Config").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Shape and techniques of the network; defaults are the challenge's baseline (main, train_gpt.py)."""

    vocab_size: int = _env(1024, "VOCAB_SIZE")
    num_layers: int = _env(9, "NUM_LAYERS")
    model_dim: int = _env(512, "MODEL_DIM")
    num_heads: int = _env(8, "NUM_HEADS")
    num_kv_heads: int = _env(4, "NUM_KV_HEADS")
    mlp_mult: float = _env(2.0, "MLP_MULT")
    activation: Activation = _env(Activation.RELU_SQ, "MLP_ACTIVATION")
    leaky_slope: float = _env(0.5, "LEAKY_SLOPE")
    tie_embeddings: bool = _env(True, "TIE_EMBEDDINGS")
    embed_init_std: float = _env(0.005, "TIED_EMBED_INIT_STD")
    linear_init: LinearInit = _env(LinearInit.DEFAULT, "LINEAR_INIT")
    logit_softcap: float = _env(30.0, "LOGIT_SOFTCAP")
    qk_gain_init: float = _env(1.5, "QK_GAIN_INIT")
    rope_base: float = _env(10_000.0, "ROPE_BASE")
    rope_dims: int = _env(0, "ROPE_DIMS")
    """Dimensions of each head that rotate, from the front; 0 = all of them."""
    rope_train_seq_len: int = _env(1024, "ROPE_TRAIN_SEQ_LEN")
    """Longer inputs scale the base (NTK); the seeds hard-code 1024 although they train at 2048."""
    unique_layers: int = _env(0, "UNIQUE_LAYERS")
    """Block cores: layer l uses core l mod unique_layers; 0 = one core per layer (PR #461)."""
    ln_scale: bool = _env(False, "LN_SCALE")
    """Scale the normed input of layer l by 1/sqrt(l+1)."""
    bigram_buckets: int = _env(0, "BIGRAM_VOCAB_SIZE")
    """Rows of BigramHash, the last for positions without a predecessor; 0 = off, else >= 2."""
    bigram_dim: int = _env(128, "BIGRAM_DIM")
    smear: Smear = _env(Smear.NONE, "SMEAR")
    document_fix: bool = _env(False, "DOCUMENT_FIX")
    """SmearGate and BigramHash do not look across a BOS token (PR #1851, #1855)."""
    bos_id: int = _env(1, "BOS_ID")
    xsa_layers: tuple[int, ...] = _env((), "XSA_LAYERS")
    """Layers whose attention output loses its component along its own value vector."""
    value_embedding_layers: tuple[int, ...] = _env((), "VE_LAYERS")
    value_embedding_dim: int = _env(128, "VE_DIM")
    value_residual: bool = _env(False, "VALUE_RESIDUAL")
    gated_attention: bool = _env(False, "GATED_ATTENTION")
    sidecar_layers: tuple[int, ...] = _env((), "SIDECAR_LAYERS")
    """Layers followed by the shared sparse sidecar (PR #555); one site each."""
    sidecar_dim: int = _env(48, "SPARSE_HIDDEN_DIM")

    @property
    def num_cores(self) -> int:
        """Unique block cores (attention and MLP weights)."""
        return self.unique_layers or self.num_layers

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.model_dim // self.num_heads

    @property
    def kv_dim(self) -> int:
        """Width of keys and of values, all heads together."""
        return self.num_kv_heads * self.head_dim

    @property
    def mlp_hidden(self) -> int:
        """Width inside the MLP."""
        return int(self.mlp_mult * self.model_dim)

    def __post_init__(self) -> None:
        """Refuse shapes that no network has; raises ConfigError."""
        for name in ("vocab_size", "num_layers", "model_dim", "num_heads", "num_kv_heads"):
            _at_least(self, name, 1)
        for name in ("mlp_mult", "logit_softcap", "rope_base", "rope_train_seq_len", "embed_init_std"):
            _positive(self, name)
        _at_least(self, "vocab_size", 2)
        if self.model_dim % self.num_heads:
            raise ConfigError(
                f"model.model_dim {self.model_dim} is not a multiple of model.num_heads {self.num_heads}; "
                "choose a width that the heads divide"
            )
        if self.num_heads % self.num_kv_heads:
            raise ConfigError(
                f"model.num_heads {self.num_heads} is not a multiple of model.num_kv_heads "
                f"{self.num_kv_heads}; "
                "every key-value head serves the same number of query heads"
            )
        if self.head_dim % 2:
            raise ConfigError(f"model: heads are {self.head_dim} wide; rotary embeddings need an even width")
        if not 0 <= self.rope_dims <= self.head_dim or self.rope_dims % 2 or self.rope_dims == 2:
            raise ConfigError(
                f"model.rope_dims {self.rope_dims} must be 0 (all) or even, from 4 to the head width "
                f"{self.head_dim}"
            )
        if not 0 <= self.unique_layers <= self.num_layers:
            raise ConfigError(
                f"model.unique_layers {self.unique_layers} must be 0 to {self.num_layers} (num_layers)"
            )
        if self.bigram_buckets and self.bigram_buckets < 2:
            raise ConfigError(f"model.bigram_buckets {self.bigram_buckets} must be 0 (off) or at least 2")
        if not 0 <= self.bos_id < self.vocab_size:
            raise ConfigError(f"model.bos_id {self.bos_id} is outside the vocabulary of {self.vocab_size:,}")
        for name in ("bigram_dim", "value_embedding_dim", "sidecar_dim"):
            _at_least(self, name, 1)
        for name in ("xsa_layers", "value_embedding_layers", "sidecar_layers"):
            _known_layers(self, name, self.num_layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where tokens come from and how a step takes them."""

    data_path: str = _env("data/datasets/fineweb10B_sp1024", "DATA_PATH")
    tokenizer_path: str = _env("data/tokenizers/fineweb_1024_bpe.model", "TOKENIZER_PATH")
    train_batch_tokens: int = _env(524_288, "TRAIN_BATCH_TOKENS")
    """Tokens of one optimiser step, all ranks and spans together."""
    train_seq_len: int = _env(1024, "TRAIN_SEQ_LEN")
    spans_per_step: int = _env(8, "SPANS_PER_STEP")
    """Contiguous spans of a step, each one token longer than it trains on (main: 8 / ranks on each rank)."""
    micro_batch_seqs: int = _env(0, "MICRO_BATCH_SEQS")
    """Sequences in one forward pass, whatever the spans; 0 = one span, as the originals. Same gradient."""

    def __post_init__(self) -> None:
        """Refuse batches that do not divide into spans and sequences; raises ConfigError."""
        for name in ("train_batch_tokens", "train_seq_len", "spans_per_step"):
            _at_least(self, name, 1)
        _at_least(self, "micro_batch_seqs", 0)
        if self.train_batch_tokens % (self.spans_per_step * self.train_seq_len):
            raise ConfigError(
                f"data.train_batch_tokens {self.train_batch_tokens:,} is not a multiple of spans_per_step "
                f"{self.spans_per_step} x train_seq_len {self.train_seq_len:,} = "
                f"{self.spans_per_step * self.train_seq_len:,}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """Optimiser groups: matrices, scalars and vectors, token tables, untied head."""

    matrix_optimizer: MatrixOptimizer = _env(MatrixOptimizer.MUON, "MATRIX_OPTIMIZER")
    newton_schulz: NewtonSchulz = _env(NewtonSchulz.QUINTIC, "NEWTON_SCHULZ")
    muon_backend_steps: int = _env(5, "MUON_BACKEND_STEPS")
    matrix_lr: float = _env(0.04, "MATRIX_LR")
    scalar_lr: float = _env(0.04, "SCALAR_LR")
    token_lr: float = _env(0.05, "TIED_EMBED_LR")
    """Token embedding, bigram and value-embedding tables."""
    head_lr: float = _env(0.008, "HEAD_LR")
    muon_momentum: float = _env(0.95, "MUON_MOMENTUM")
    muon_momentum_warmup_start: float = _env(0.85, "MUON_MOMENTUM_WARMUP_START")
    muon_momentum_warmup_steps: int = _env(500, "MUON_MOMENTUM_WARMUP_STEPS")
    muon_wd: float = _env(0.0, "MUON_WD")
    adam_wd: float = _env(0.0, "ADAM_WD")
    beta1: float = _env(0.9, "BETA1")
    beta2: float = _env(0.95, "BETA2")
    adam_eps: float = _env(1e-8, "ADAM_EPS")
    grad_clip_norm: float = _env(0.0, "GRAD_CLIP_NORM")
    """Global norm of all gradients before the steps; 0 = no clipping."""

    def __post_init__(self) -> None:
        """Refuse rates that no optimiser takes; raises ConfigError."""
        _at_least(self, "muon_backend_steps", 1)
        for name in ("matrix_lr", "scalar_lr", "token_lr", "head_lr", "muon_wd", "adam_wd", "grad_clip_norm"):
            _at_least(self, name, 0)
        _positive(self, "adam_eps")
        for name in ("beta1", "beta2", "muon_momentum", "muon_momentum_warmup_start"):
            _below_one(self, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """When to stop, cool down, validate and log."""

    iterations: int = _env(20_000, "ITERATIONS")
    warmdown_iters: int = _env(1200, "WARMDOWN_ITERS")
    warmup_steps: int = _env(20, "WARMUP_STEPS")
    """Real steps that prime compilation; weights, optimisers and data are restored after them."""
    max_wallclock_seconds: float = _env(600.0, "MAX_WALLCLOCK_SECONDS")
    """Training clock that stops the run and shapes the warm-down; 0 = none (steps alone decide)."""
    stop_before_cap: bool = _env(False, "STOP_BEFORE_CAP")
    """Stop before the step that would overrun the clock; the originals stop after it, some 35 ms late."""
    val_loss_every: int = _env(1000, "VAL_LOSS_EVERY")
    train_log_every: int = _env(200, "TRAIN_LOG_EVERY")
    checkpoint_every: int = _env(0, "CHECKPOINT_EVERY")
    """Steps between resumable checkpoints; 0 = only when interrupted."""

    def __post_init__(self) -> None:
        """Refuse negative lengths; raises ConfigError."""
        for name in ("iterations", "warmdown_iters", "warmup_steps", "max_wallclock_seconds",
                     "val_loss_every", "train_log_every", "checkpoint_every"):  # fmt: skip
            _at_least(self, name, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragingConfig:
    """Which average of the weights is exported."""

    ema_decay: float = _env(0.0, "EMA_DECAY")
    """Decay per step of the exponential moving average; 0 = off."""
    ema_bias_correction: bool = _env(False, "EMA_BIAS_CORRECTION")
    """Take the initial weights' share out of the average, which ruins short runs otherwise (PR #1115)."""
    swa_every: int = _env(0, "SWA_EVERY")
    """Steps between snapshots; 0 = off."""
    swa_start_scale: float = _env(0.2, "SWA_START_FRAC")
    """Snapshots begin when the learning-rate scale falls below this."""
    swa_source: SwaSource = _env(SwaSource.WEIGHTS, "SWA_SOURCE")

    def __post_init__(self) -> None:
        """Refuse decays that forget nothing or everything; raises ConfigError."""
        _below_one(self, "ema_decay")
        _at_least(self, "swa_every", 0)
        _at_least(self, "swa_start_scale", 0)
        if self.swa_source is SwaSource.EMA and self.swa_every and not self.ema_decay:
            raise ConfigError("averaging.swa_source ema needs averaging.ema_decay > 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationConfig:
    """How weights become bytes."""

    mlp_bits: int = _env(8, "MLP_BITS")
    attention_bits: int = _env(8, "ATTENTION_BITS")
    """Attention matrices and the other projections."""
    embedding_bits: int = _env(8, "EMBEDDING_BITS")
    """Token embedding: 8, or 16 = kept fp16; value-embedding tables are always 8."""
    bigram_bits: int = _env(8, "BIGRAM_BITS")
    """BigramHash table: 6 (PR #461) or 8."""
    fp16_names: tuple[str, ...] = _env((), "FP16_NAMES")
    """Tensors kept fp16, by substring of their name."""
    small_tensor_elements: int = _env(65_536, "SMALL_TENSOR_ELEMENTS")
    """Float tensors of at most this many elements are kept fp16."""
    small_control_fp32: bool = _env(True, "SMALL_CONTROL_FP32")
    """Small scales, gains and mixing vectors are kept fp32 (main); False = fp16 as the rest (PR #461)."""
    scale_floor: bool = _env(False, "SCALE_FLOOR")
    """Least row scale 1/max_code, which makes rows below 1 coarse (PR #555, #940); else 1e-12."""
    gptq_lite: GptqLite = _env(GptqLite.NONE, "GPTQ_LITE")
    prune_fraction: float = _env(0.0, "PRUNE_FRAC")
    """Smallest weights by magnitude set to zero in each matrix above 65,536 elements, before quantising."""
    container: Container = _env(Container.ZLIB, "COMPRESSOR")
    levels: tuple[int, ...] = _env((9,), "COMPRESSOR_LEVELS")
    """Levels tried in this order until the artifact fits."""
    auto_downgrade: bool = _env(False, "AUTO_DOWNGRADE")
    """Lower layer by layer from int6 to int5, from the centre outwards, until it fits (PR #940)."""
    artifact_cap_bytes: int = _env(16_000_000, "ARTIFACT_CAP_BYTES")  # decimal, README "Submission process"
    qat_threshold: float = _env(0.0, "QAT_THRESHOLD")
    """Fake quantisation in the forward pass once the learning-rate scale is below this; 0 = off."""
    qat_like_export: bool = _env(True, "QAT_LIKE_EXPORT")
    """Fake quantisation as the export will quantise; False = int6 with floor 1/31, as the seeds."""
    qat_soft_round: bool = _env(False, "SOFT_ROUND_QAT")

    def __post_init__(self) -> None:
        """Refuse code widths and levels that do not exist; raises ConfigError."""
        for name in ("mlp_bits", "attention_bits"):
            if getattr(self, name) not in (5, 6, 8):
                raise ConfigError(f"quantization.{name} {getattr(self, name)} must be 5, 6 or 8")
        if self.embedding_bits not in (8, 16):
            raise ConfigError(f"quantization.embedding_bits {self.embedding_bits} must be 8 or 16")
        if self.bigram_bits not in (6, 8):
            raise ConfigError(f"quantization.bigram_bits {self.bigram_bits} must be 6 or 8")
        for name in ("small_tensor_elements", "artifact_cap_bytes", "qat_threshold", "prune_fraction"):
            _at_least(self, name, 0)
        _below_one(self, "prune_fraction")
        lowest, highest = COMPRESSION_LEVELS[self.container]
        for level in self.levels:
            if not lowest <= level <= highest:
                raise ConfigError(
                    f"quantization.levels {level}: {self.container.value} knows {lowest} to {highest}; "
                    "set quantization.levels (COMPRESSOR_LEVELS) with the container"
                )
        if not self.levels:
            raise ConfigError("quantization.levels is empty; name at least one compression level")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How the validation stream is scored."""

    eval_seq_len: int = _env(1024, "EVAL_SEQ_LEN")
    stride: int = _env(0, "EVAL_STRIDE")
    """Sliding windows: each scores this many new tokens; 0 = windows side by side."""
    batch_seqs: int = _env(64, "EVAL_BATCH_SEQS")

    def __post_init__(self) -> None:
        """Refuse strides longer than the window; raises ConfigError."""
        _at_least(self, "eval_seq_len", 1)
        _at_least(self, "batch_seqs", 1)
        if not 0 <= self.stride <= self.eval_seq_len:
            raise ConfigError(
                f"evaluation.stride {self.stride} must be 0 (plain) to eval_seq_len {self.eval_seq_len}: "
                "a longer stride would leave tokens unscored"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TttConfig:
    """Test-time training, score first."""

    kind: TttKind = _env(TttKind.NONE, "TTT_KIND")
    lr: float = _env(0.002, "TTT_LR")
    epochs: int = _env(3, "TTT_EPOCHS")
    momentum: float = _env(0.9, "TTT_MOMENTUM")
    weight_decay: float = _env(0.0, "TTT_WEIGHT_DECAY")
    chunk_tokens: int = _env(32_768, "TTT_CHUNK_TOKENS")
    batch_seqs: int = _env(32, "TTT_BATCH_SEQS")
    freeze_blocks: int = _env(0, "TTT_FREEZE_BLOCKS")
    """First blocks, and the cores they use, that are not adapted."""
    grad_clip: float = _env(1.0, "TTT_GRAD_CLIP")
    lora_rank: int = _env(8, "TTT_LORA_RANK")
    """This and the next four belong to DOCUMENT_LORA; defaults of PR #77."""
    lora_lr: float = _env(0.01, "TTT_LORA_LR")
    lora_epochs: int = _env(1, "TTT_LORA_EPOCHS")
    """Adam steps on each scored chunk of a document."""
    lora_chunk_tokens: int = _env(256, "TTT_CHUNK_SIZE")
    lora_documents: int = _env(64, "TTT_BATCH_SIZE")
    """Documents that adapt side by side; no score depends on it."""

    def __post_init__(self) -> None:
        """Refuse empty chunks and negative rates; raises ConfigError."""
        for name in ("epochs", "chunk_tokens", "batch_seqs",
                     "lora_rank", "lora_epochs", "lora_chunk_tokens", "lora_documents"):  # fmt: skip
            _at_least(self, name, 1)
        for name in ("lr", "lora_lr", "weight_decay", "freeze_blocks", "grad_clip"):
            _at_least(self, name, 0)
        _below_one(self, "momentum")


@dataclass(frozen=True, slots=True, kw_only=True)
class NgramConfig:
    """Mixing with counts of the tokens already scored."""

    kind: NgramKind = _env(NgramKind.NONE, "NGRAM_KIND")
    min_order: int = _env(2, "NGRAM_MIN_ORDER")
    max_order: int = _env(7, "NGRAM_ORDER")
    """An order-n count sees n-1 tokens of context."""
    min_count: int = _env(2, "NGRAM_MIN_COUNT")
    """Highest order whose context was seen this often wins."""
    alpha_low: float = _env(0.05, "NGRAM_ALPHA_LOW")
    alpha_high: float = _env(0.60, "NGRAM_ALPHA_HIGH")
    """Weight of the counts: low + (high-low) sigmoid(slope (model entropy - centre)) (PR #940)."""
    entropy_slope: float = _env(2.0, "NGRAM_ENTROPY_SLOPE")
    entropy_centre_nats: float = _env(4.0, "NGRAM_ENTROPY_CENTRE")
    tilt_beta: float = _env(2.0, "TILT_BETA")
    tilt_min_confidence: float = _env(0.5, "TILT_MIN_CONFIDENCE")

    def __post_init__(self) -> None:
        """Refuse weights outside 0 to 1 and orders without context; raises ConfigError."""
        _at_least(self, "min_order", 2)
        _at_least(self, "min_count", 1)
        if self.max_order < self.min_order:
            raise ConfigError(f"ngram.max_order {self.max_order} is below ngram.min_order {self.min_order}")
        if not 0 <= self.alpha_low <= self.alpha_high < 1:
            raise ConfigError(
                f"ngram: alpha_low {self.alpha_low} and alpha_high {self.alpha_high} must satisfy "
                "0 <= low <= high < 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """The machine's part of a run."""

    seed: int = _env(1337, "SEED")
    compute: ComputeType = _env(ComputeType.BFLOAT16, "COMPUTE_DTYPE")
    compile: bool = _env(True, "USE_COMPILE")
    """torch.compile of the model on a GPU; the CPU runs eager unless compile_cpu."""
    compile_cpu: bool = _env(False, "COMPILE_CPU")

    def compiles_on(self, device_type: str) -> bool:
        """Whether models are compiled on a device of this type ("cuda" or "cpu")."""
        return self.compile if device_type == "cuda" else self.compile_cpu

    def __post_init__(self) -> None:
        """Refuse seeds that torch does not take; raises ConfigError."""
        _at_least(self, "seed", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole run."""

    name: str = "baseline"
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    averaging: AveragingConfig = AveragingConfig()
    quantization: QuantizationConfig = QuantizationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    ttt: TttConfig = TttConfig()
    ngram: NgramConfig = NgramConfig()
    run: RunConfig = RunConfig()

    def __post_init__(self) -> None:
        """Refuse parts that do not go together; raises ConfigError."""
        if self.ttt.freeze_blocks > self.model.num_layers:
            raise ConfigError(
                f"ttt.freeze_blocks {self.ttt.freeze_blocks} exceeds model.num_layers {self.model.num_layers}"
            )
        if self.ttt.kind in (TttKind.CHUNK_SGD, TttKind.CHUNK_ADAMW):
            if not self.evaluation.stride:
                raise ConfigError("ttt scores sliding windows: set evaluation.stride > 0")
            if self.ttt.chunk_tokens < self.evaluation.eval_seq_len:
                raise ConfigError(
                    f"ttt.chunk_tokens {self.ttt.chunk_tokens:,} is shorter than one sequence of "
                    f"{self.evaluation.eval_seq_len:,} (evaluation.eval_seq_len)"
                )
        if self.ttt.kind is TttKind.DOCUMENT_LORA and (
            self.ttt.lora_chunk_tokens > self.evaluation.eval_seq_len
        ):
            raise ConfigError(
                f"ttt.lora_chunk_tokens {self.ttt.lora_chunk_tokens:,} exceeds evaluation.eval_seq_len "
                f"{self.evaluation.eval_seq_len:,}: one window scores a chunk; PR #77 used chunks of 256 in "
                "windows of 1,024"
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: enums as their words, tuples as lists."""
        return typing.cast("dict[str, Any]", _plain(self))


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    return value


# ---- reference_model.baked_configuration ----
# The configuration this script trains.


BAKED_CONFIG = Config(
    name='pr940',
    model=ModelConfig(
        num_layers=3,
        model_dim=64,
        num_heads=4,
        num_kv_heads=2,
        mlp_mult=3.0,
        activation=Activation.LEAKY_RELU_SQ,
        leaky_slope=0.9,
        linear_init=LinearInit.ORTHOGONAL,
        rope_dims=8,
        ln_scale=True,
        bigram_buckets=1024,
        bigram_dim=32,
        smear=Smear.CONVEX,
        xsa_layers=(0, 1, 2),
        value_embedding_dim=32,
        value_residual=True,
        gated_attention=True,
        sidecar_dim=16,
    ),
    data=DataConfig(
        data_path='data/demo',
        tokenizer_path='',
        train_batch_tokens=2048,
        train_seq_len=64,
        spans_per_step=1,
        micro_batch_seqs=32,
    ),
    optimizer=OptimizerConfig(
        matrix_lr=0.025,
        scalar_lr=0.025,
        token_lr=0.035,
        muon_momentum=0.99,
        muon_momentum_warmup_start=0.92,
        muon_momentum_warmup_steps=5,
        muon_wd=0.04,
        adam_wd=0.04,
        grad_clip_norm=0.3,
    ),
    schedule=ScheduleConfig(
        iterations=40,
        warmdown_iters=20,
        warmup_steps=0,
        max_wallclock_seconds=0,
        val_loss_every=0,
        train_log_every=10,
    ),
    averaging=AveragingConfig(
        ema_decay=0.875,
    ),
    quantization=QuantizationConfig(
        mlp_bits=6,
        attention_bits=6,
        small_tensor_elements=1024,
        small_control_fp32=False,
        scale_floor=True,
        container=Container.ZSTD,
        levels=(16, 1, 17, 2),
        auto_downgrade=True,
    ),
    evaluation=EvaluationConfig(
        eval_seq_len=64,
        stride=32,
    ),
    ttt=TttConfig(
        kind=TttKind.CHUNK_ADAMW,
        lr=0.0001,
        epochs=2,
        chunk_tokens=4096,
        freeze_blocks=1,
        lora_chunk_tokens=16,
    ),
    ngram=NgramConfig(
        kind=NgramKind.BACKOFF,
    ),
    run=RunConfig(
        compute=ComputeType.FLOAT32,
    ),
)


BAKED_SWITCHES: tuple[str, ...] = ('averaging.ema_decay', 'averaging.swa_every', 'averaging.swa_source', 'model.activation', 'model.bigram_buckets', 'model.document_fix', 'model.gated_attention', 'model.linear_init', 'model.ln_scale', 'model.sidecar_layers', 'model.smear', 'model.tie_embeddings', 'model.value_embedding_layers', 'model.value_residual', 'ngram.kind', 'optimizer.matrix_optimizer', 'quantization.auto_downgrade', 'quantization.gptq_lite', 'quantization.prune_fraction', 'quantization.qat_like_export', 'quantization.qat_soft_round', 'quantization.qat_threshold', 'quantization.scale_floor', 'quantization.small_control_fp32', 'ttt.kind')


# ---- reference_model.config_overrides ----
# Settings laid on a configuration: from the command line and from the environment.
#
# On the command line a setting is `group.field=value` (`model.num_layers=5`); in the environment it is the
# variable that the challenge's scripts use (`NUM_LAYERS=5`), so that a packed `train_gpt.py` is steered the way
# competitors steer theirs.


def config_fields() -> Iterator[tuple[str, str, type | types.GenericAlias, str]]:
    """Every switch: group, field, type and the environment variable that overrides it."""
    for group, part in typing.get_type_hints(Config).items():
        if not dataclasses.is_dataclass(part):
            continue
        hints = typing.get_type_hints(part)
        for each in dataclasses.fields(part):
            yield group, each.name, hints[each.name], each.metadata["env"]


def configured(
    config: Config, *, overrides: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """`config` with `group.field` overrides, which win, and environment variables of the challenge's scripts.

    Raises ConfigError for an unknown field, a value of the wrong type and a combination that makes no sense.
    """
    chosen: dict[str, dict[str, object]] = {}
    known = {}
    for group, name, kind, variable in config_fields():
        known[f"{group}.{name}"] = (group, name, kind)
        if environ is not None and variable in environ:
            chosen.setdefault(group, {})[name] = _parsed(environ[variable], kind, variable)
    for path, text in (overrides or {}).items():
        if path not in known:
            raise ConfigError(
                f"no setting is called {path!r}; see `python -m reference_model presets --settings`"
            )
        group, name, kind = known[path]
        chosen.setdefault(group, {})[name] = _parsed(text, kind, path)
    parts = {group: dataclasses.replace(getattr(config, group), **values) for group, values in chosen.items()}
    return dataclasses.replace(config, **parts)


def _parsed(text: str, kind: type | types.GenericAlias, where: str) -> object:
    try:
        if typing.get_origin(kind) is tuple:
            inner = typing.get_args(kind)[0]
            return tuple(_parsed(item.strip(), inner, where) for item in text.split(",") if item.strip())
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind(text.lower())
        if kind is bool:
            return _BOOLEANS[text.strip().lower()]
        value: object = typing.cast("type", kind)(text)
        if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
            raise ValueError("torch counts to there")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("no setting means anything when it is infinite")
        return value
    except (ValueError, KeyError):
        raise ConfigError(f"{where}={text!r:.80} is not {_wanted(kind)}") from None


_LARGEST_NUMBER = 2**63 - 1


_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _wanted(kind: type | types.GenericAlias) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    if kind is bool:
        return "0 or 1"
    if kind is float:
        return "a finite number"
    return (
        "a list of numbers such as 9,10" if typing.get_origin(kind) is tuple else f"of type {kind.__name__}"
    )


# ---- reference_model.exit_status ----
# How a run ends: exit statuses, and the errors that only a run has. Imports no torch.
#
# The numbers are golf-check's (a test holds them together); its own module is not imported, because packed
# scripts would then carry verdicts and what belongs to them.


class Exit(IntEnum):
    """Documented in --help; scripts rely on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SETUP = 4
    BUG = 70
    INTERRUPTED = 130


class TrainingError(SubmissionError):
    """Training failed by the configuration's own fault (the loss is no number any more); names the step."""


class RunInterruptedError(GolfError):
    """Somebody stopped the run; says where its checkpoint is and how to go on."""


def exit_status_of(error: GolfError) -> Exit:
    """The status that a run ends with after `error`."""
    if isinstance(error, UsageError):
        return Exit.USAGE
    if isinstance(error, SubmissionError):
        return Exit.FAILED
    return Exit.INTERRUPTED if isinstance(error, RunInterruptedError) else Exit.SETUP


# ---- reference_model.distributed ----
# The ranks of a run: one process, or several under torchrun (gloo on CPU, NCCL on GPU).


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """This process among the ranks; collectives do nothing when it is alone."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def is_main(self) -> bool:
        """Rank 0 writes files and lines."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for every rank."""
        if self.size > 1:
            dist.barrier()

    def sum_(self, tensor: torch.Tensor) -> torch.Tensor:
        """Add up `tensor` over the ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor, op=dist.ReduceOp.SUM)
        return tensor

    def any(self, flag: bool) -> bool:
        """Whether any rank says so; every rank must ask."""
        if self.size == 1:
            return flag
        told = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(told, op=dist.ReduceOp.MAX)
        return bool(told.item())

    def broadcast_(self, tensor: torch.Tensor) -> torch.Tensor:
        """Give every rank what rank 0 holds, in place."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)
        return tensor


def chosen_device(local_rank: int = 0) -> torch.device:
    """The GPU of this rank where there is one, else the CPU."""
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


@contextlib.contextmanager
def joined_world(device: torch.device | None = None, *, timeout_seconds: float = 600.0) -> Iterator[World]:
    """The ranks torchrun started (RANK, WORLD_SIZE, LOCAL_RANK), left again at the end.

    A collective that waits for another rank longer than `timeout_seconds` fails with a RuntimeError.

    Raises SetupError when the variables disagree, there are fewer GPUs than local ranks or the ranks do not
    meet.
    """
    try:
        rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    except ValueError as error:
        raise SetupError(
            f"RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers: {error}; start with torchrun"
        ) from None
    if not 0 <= rank < size:
        raise SetupError(f"RANK {rank} is outside WORLD_SIZE {size}; start the ranks with torchrun")
    if device is None:
        if torch.cuda.is_available() and local_rank >= torch.cuda.device_count():
            raise SetupError(
                f"rank {rank} wants GPU {local_rank}; this machine has {torch.cuda.device_count()}"
            )
        device = chosen_device(local_rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if size == 1:
        yield World(device=device)
        return
    timeout = datetime.timedelta(seconds=timeout_seconds)
    try:
        if device.type == "cuda":
            dist.init_process_group(backend="nccl", device_id=device, timeout=timeout)
        else:
            dist.init_process_group(backend="gloo", timeout=timeout)
    except (RuntimeError, ValueError, OverflowError) as error:  # no such address, or ranks that never came
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise SetupError(
            f"rank {rank} of {size} did not meet the others: {reason}. Start them together with torchrun"
        ) from None
    try:
        yield World(rank=rank, size=size, device=device)
    finally:
        dist.destroy_process_group()


# ---- reference_model.training.final_evaluation ----
# What is scored once a run is over: the artifact as it lies on disk, by stages, the counted score last.


class Stages(enum.Enum):
    """How much is scored."""

    ALL = "all"  # every stage up to the counted one, to see what each is worth
    HEADLINE = "headline"  # the counted one alone, as the evaluation clock wants it
    NONE = "none"  # training alone: the artifact is evaluated by another process


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalStage:
    """One evaluation: `name` ends the label of its lines."""

    name: str
    slides: bool = False
    adapts: bool = False
    mixes: bool = False


def final_stages(config: Config, wanted: Stages = Stages.ALL) -> tuple[FinalStage, ...]:
    """The evaluations that the configuration asks for, each with everything of the one before it."""
    slides, adapts = config.evaluation.stride > 0, True
    stages = [FinalStage(name="roundtrip")]
    if slides:
        stages.append(FinalStage(name="sliding_window", slides=True))
    stages.append(FinalStage(name="ttt", slides=slides, adapts=True))
    stages.append(FinalStage(name="ngram", slides=slides, adapts=adapts, mixes=True))
    if wanted is Stages.NONE:
        return ()
    return tuple(stages if wanted is Stages.ALL else stages[-1:])


def score_artifact(
    model: GPT,
    validation: ValidationData,
    config: Config,
    world: World,
    log: RunLog,
    *,
    stages: Stages = Stages.ALL,
    ledger_path: Path | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
) -> dict[str, Score]:
    """Score `model`, which holds the weights read back from the artifact; the counted score is the last.

    The ledger of the counted score goes to `ledger_path`. Raises LedgerError when a score cannot be reported.
    """
    scores: dict[str, Score] = {}
    spent = 0.0
    codec = f"int{config.quantization.mlp_bits}_{config.quantization.container.value}"
    chosen = final_stages(config, stages)
    for stage in chosen:
        log(f"final_eval_mode:{stage.name} stride:{config.evaluation.stride if stage.slides else 0}")
        is_counted = stage is chosen[-1]
        begin = time.monotonic()  # with what a stage prepares: counting n-grams is evaluation too
        score = _scored(stage, model, validation, config, world, is_counted=is_counted, progress=progress)
        seconds = time.monotonic() - begin
        spent += seconds
        remark = f"stride:{config.evaluation.stride}" if stage.slides else ""
        log.final_score(f"final_{codec}_{stage.name}", (score.val_loss_nats, score.val_bpb), seconds, remark)
        if score.ledger is not None and world.is_main:
            log(score.ledger.summary())
            if is_counted and ledger_path is not None:
                score.ledger.write(ledger_path)
        scores[stage.name] = score
    log(f"total_eval_time:{spent:.3f}s")
    return scores


def _scored(
    stage: FinalStage,
    model: GPT,
    validation: ValidationData,
    config: Config,
    world: World,
    *,
    is_counted: bool,
    progress: Callable[[EvaluationProgress], None] | None,
) -> Score:
    return _evaluation(stage, config)(
        model,
        validation.tokens,
        validation.table,
        config,
        world,
        ledger=ScoreLedger(rank=world.rank) if is_counted else None,
        mixer=_mixer(validation, config, progress) if stage.mixes else None,
        progress=progress,
        stream=validation.stream,
    )


def _evaluation(stage: FinalStage, config: Config) -> Callable[..., Score]:
    """The function that scores a stage; a script packed without test-time training holds none of it."""
    if stage.adapts:
        return evaluate_with_ttt
    return evaluate_sliding if stage.slides else evaluate_plain


def _mixer(
    validation: ValidationData, config: Config, progress: Callable[[EvaluationProgress], None] | None
) -> Mixer | None:
    if validation.stream is not None:
        return growing_mixer(validation.stream, config.model.vocab_size, config.ngram)
    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(EvaluationProgress(activity="counting n-grams", done=done, total=total))

    return ngram_mixer(validation.tokens, config.model.vocab_size, config.ngram, tell=tell)


# ---- reference_model.training.run_log ----
# The train log, in the challenge's line format: the same grammar reads it as reads everybody's.
#
# Lines as `train_gpt.py` on main prints them (log0); what it has no line for (device, configuration, stages of
# evaluation) is written in the same `name:value` manner. Rank 0 writes, others are silent.
#
# Units on the lines: times in ms or s as named, sizes in bytes, losses in nats per token, bpb in bits per byte.


_RULE = "=" * 100


class RunLog:
    """Lines to standard output and to a file, each flushed before the next: a killed run keeps its log.

    A line that the file cannot take (a full disk) is told on standard error and ends the file, not the run;
    standard output that nobody reads any more (a closed pipe) likewise, where there is a file.

    `is_main` False makes every method do nothing; `quiet` keeps lines out of standard output; `appends` goes
    on with an earlier file, where a new run would replace it. Raises SetupError when the file cannot be
    written.
    """

    def __init__(
        self, path: Path | None = None, *, is_main: bool = True, quiet: bool = False, appends: bool = False
    ) -> None:
        self.path = path
        self._quiet = quiet
        self._is_main = is_main
        self._file: TextIO | None = None
        if path is not None and is_main:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a" if appends else "w", encoding="utf-8", errors="backslashreplace")
            except OSError as error:
                raise SetupError(
                    f"cannot write the log {path}: {error.strerror}; choose another folder"
                ) from None

    def __call__(self, text: str, *, console: bool = True) -> None:
        """Write one line (or several)."""
        if not self._is_main:
            return
        if console and not self._quiet:
            self._print(text)
        if self._file is not None:
            try:
                self._file.write(text + "\n")
                self._file.flush()
            except OSError as error:
                print(f"the log {self.path} ends here: {error.strerror}", file=sys.stderr)
                self.close()

    def _print(self, text: str) -> None:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:  # names of files may hold bytes that are no text
            print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
        except BrokenPipeError:
            self._quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered goes there
            if self._file is None:
                raise SetupError(
                    "standard output was closed and there is no log file (--out), so nobody would see the "
                    "result; stopped"
                ) from None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written stays unwritten
                self._file.close()
            self._file = None

    def __enter__(self) -> RunLog:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def header(self, config: Config, world: World, *, code: str | None = None) -> None:
        """Source of a packed script, software, machine, and the whole configuration as one JSON line."""
        if code is not None:
            self(code, console=False)
        self(_RULE, console=False)
        self(f"Running Python {sys.version}", console=False)
        self(f"Running PyTorch {torch.__version__}", console=False)
        if self._is_main:
            self(machine_text(world.device), console=False)
        self(_RULE, console=False)
        self(f"device:{device_name(world.device)}")
        self(f"config:{json.dumps(config.as_dict(), separators=(', ', ': '))}", console=False)

    def train_step(self, step: int, steps: int, train_loss: float, train_ms: float) -> None:
        """A training step; `train_ms` is the training clock after it."""
        self(
            f"step:{step}/{steps} train_loss:{train_loss:.4f} train_time:{train_ms:.0f}ms "
            f"step_avg:{train_ms / max(step, 1):.2f}ms"
        )

    def validation(self, step: int, steps: int, loss_and_bpb: tuple[float, float], train_ms: float) -> None:
        """A validation during training, (nats per token, bits per byte)."""
        self(
            f"step:{step}/{steps} val_loss:{loss_and_bpb[0]:.4f} val_bpb:{loss_and_bpb[1]:.4f} "
            f"train_time:{train_ms:.0f}ms step_avg:{train_ms / max(step, 1):.2f}ms"
        )

    def final_score(
        self, label: str, loss_and_bpb: tuple[float, float], seconds: float, remark: str = ""
    ) -> None:
        """A counted score: rounded with its evaluation time, then exact, as main prints both."""
        loss, bpb = loss_and_bpb
        self(
            f"{label} val_loss:{loss:.4f} val_bpb:{bpb:.4f}{remark and ' ' + remark} "
            f"eval_time:{1000 * seconds:.0f}ms"
        )
        self(f"{label}_exact val_loss:{loss:.8f} val_bpb:{bpb:.8f}")


def device_name(device: torch.device) -> str:
    """The name of the GPU, or of the processor and how many threads torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads)"


def machine_text(device: torch.device) -> str:
    """What `nvidia-smi` prints, where there is a GPU and the program; else the platform."""
    smi = shutil.which("nvidia-smi") if device.type == "cuda" else None
    if smi is not None:
        answer = subprocess.run([smi], capture_output=True, text=True, check=False, timeout=60)
        if answer.returncode == 0:
            return answer.stdout
    return platform.platform()


def memory_line(device: torch.device) -> str:
    """Peak memory of this process, MiB: of the GPU, or resident where there is none."""
    if device.type == "cuda":
        allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
        return f"peak memory allocated: {allocated >> 20} MiB reserved: {reserved >> 20} MiB"
    import resource  # only where it exists: no Windows

    return f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB"


# ---- reference_model.evaluation.score_ledger ----
# Who scored what, when, and with which weights: the record that proves score-first evaluation.
#
# The challenge allows adapting to validation tokens "only if you've already graded your model on them" (README,
# "FAQ"; issue #677). The ledger holds, in the order they happened, every block of scores (positions, nats,
# chunk, time, number of updates before it) and every update (positions whose loss it lowered), so that `verify`
# can show that each position was scored once, and by weights that had not seen it. Each entry is hashed
# together with the one before it: a ledger whose seal was printed cannot be rewritten unnoticed.
#
# Positions are indices of predicted tokens, 1 to N-1. Memory: 4 or 8 bytes per position, as scored, plus about
# a hundred per block.


class LedgerError(SubmissionError):
    """The scores are not what an evaluation may report; names the first position, entry or byte at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredBlock:
    """One entry: positions scored together. Runs are the positions as (first, count) pairs."""

    rank: int
    sequence: int
    chunk: int
    version: int
    """Updates made before these scores."""
    seconds: float
    runs: npt.NDArray[np.int64]
    nll: npt.NDArray[np.floating]

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Every position, in the order of `nll`."""
        return np.concatenate([np.arange(first, first + count) for first, count in self.runs.tolist()])


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightUpdate:
    """One entry: the weights became `version` after training on positions first .. end-1."""

    rank: int
    sequence: int
    version: int
    seconds: float
    first: int
    end: int


def refuse_unusable_scores(
    positions: npt.NDArray[np.int64], nll: npt.NDArray[np.floating], *, chunk: int, version: int
) -> None:
    """Raise LedgerError for scores that are no finite number of nats, naming the first such position."""
    wrong = ~np.isfinite(nll)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise LedgerError(
            f"position {int(positions[at]):,} scored {float(nll[at])} nats (chunk {chunk}, weights after "
            f"{version:,} updates), one of {int(wrong.sum()):,} in its batch that are not finite; the model "
            "has diverged or the artifact is damaged: lower ttt.lr if updates came before, else check the "
            "weights"
        )


@dataclass(slots=True)
class ScoreLedger:
    """Entries of one rank, or of all of them once gathered.

    `score` and `update` are called in the order in which things happen; `version` counts the updates so far.
    """

    rank: int = 0
    clock: Callable[[], float] = time.monotonic
    blocks: list[ScoredBlock] = field(default_factory=list)
    updates: list[WeightUpdate] = field(default_factory=list)
    heads: dict[int, bytes] = field(default_factory=dict)
    """Newest hash of each rank's chain."""
    _sequence: int = 0
    _start: float | None = None

    def score(
        self, positions: npt.NDArray[np.int64], nll: npt.NDArray[np.floating], *, chunk: int, version: int
    ) -> None:
        """Record nats per position, scored by weights that `version` updates had made.

        Raises LedgerError for scores that are not finite and for a version that lies ahead of the updates.
        """
        if len(positions) != len(nll):
            raise LedgerError(f"{len(nll):,} scores were handed in for {len(positions):,} positions")
        if not len(positions):
            return
        refuse_unusable_scores(positions, nll, chunk=chunk, version=version)
        done = self.updates[-1].version if self.updates else 0
        if version != done:
            raise LedgerError(
                f"position {int(positions[0]):,} claims weights of version {version:,}, but {done:,} updates "
                "are recorded; record each update before scores that use it"
            )
        block = ScoredBlock(
            rank=self.rank,
            sequence=self._next_sequence(),
            chunk=chunk,
            version=version,
            seconds=self._elapsed(),
            runs=_runs_of(np.asarray(positions, dtype=np.int64)),
            nll=nll if nll.dtype in (np.float32, np.float64) else nll.astype(np.float64),
        )
        self.append(block)

    def update(self, version: int, first: int, end: int) -> None:
        """Record that the weights became `version` after training on positions first .. end-1.

        Several ranges of one update repeat its version. Raises LedgerError when versions run backwards or
        skip.
        """
        done = self.updates[-1].version if self.updates else 0
        if version not in {done, done + 1} or version < 1:
            raise LedgerError(f"update {version:,} follows update {done:,}; versions count one by one")
        if not 1 <= first < end:
            raise LedgerError(f"update {version:,} claims positions {first:,} to {end:,}, which is no range")
        update = WeightUpdate(
            rank=self.rank,
            sequence=self._next_sequence(),
            version=version,
            seconds=self._elapsed(),
            first=first,
            end=end,
        )
        self.append(update)

    def append(self, entry: ScoredBlock | WeightUpdate) -> None:
        """Add an entry as it is and extend its rank's chain; for readers of stored ledgers."""
        if isinstance(entry, ScoredBlock):
            self.blocks.append(entry)
        else:
            self.updates.append(entry)
        self.heads[entry.rank] = _chained(self.heads.get(entry.rank, _genesis(entry.rank)), entry)

    @property
    def seal(self) -> str:
        """SHA-256 over the chains of all ranks, in hex: commits to every entry and their order."""
        digest = hashlib.sha256()
        for rank in sorted(self.heads):
            digest.update(self.heads[rank])
        return digest.hexdigest()

    @property
    def scored_positions(self) -> int:
        """Scores recorded, double ones counted twice."""
        return sum(len(block.nll) for block in self.blocks)

    def nats(self, total_positions: int) -> npt.NDArray[np.float64]:
        """Nats of positions 1 .. total_positions, in their order; raises LedgerError unless each was scored
        once.
        """
        nll, scored = np.zeros(total_positions + 1), np.zeros(total_positions + 1, dtype=np.uint8)
        for block in self.blocks:
            offset = 0
            for first, count in block.runs.tolist():
                if first < 1 or first + count > total_positions + 1:
                    outside = first if first < 1 else total_positions + 1
                    raise LedgerError(
                        f"position {outside:,} was scored; the stream has positions 1 to {total_positions:,}"
                    )
                if scored[first : first + count].any():
                    again = first + int(np.argmax(scored[first : first + count]))
                    raise LedgerError(
                        f"position {again:,} was scored twice (second time in chunk {block.chunk})"
                    )
                scored[first : first + count] = 1
                nll[first : first + count] = block.nll[offset : offset + count]
                offset += count
        missing = int(np.argmin(scored[1:])) + 1
        if not scored[missing]:
            raise LedgerError(
                f"position {missing:,} was never scored, one of {total_positions - int(scored.sum()):,} "
                f"missing of {total_positions:,}; score the whole stream, its tail included"
            )
        return nll[1:]

    def verify(self, total_positions: int) -> None:
        """Prove that positions 1 .. total_positions were each scored once, before any update that saw them.

        Raises LedgerError with the first position that breaks either rule.
        """
        self.nats(total_positions)
        never = np.iinfo(np.int64).max
        seen_by = np.full(total_positions + 1, never)
        for update in sorted(self.updates, key=lambda each: each.version, reverse=True):
            seen_by[update.first : update.end] = update.version  # the earliest update remains
        for block in self.blocks:
            for first, count in block.runs.tolist():
                early = seen_by[first : first + count] <= block.version
                if early.any():
                    position = first + int(np.argmax(early))
                    update_number = int(seen_by[position])
                    raise LedgerError(
                        f"position {position:,} was trained on by update {update_number:,} and scored "
                        f"only after update {block.version:,} (chunk {block.chunk}); score each token before "
                        "any update that sees it"
                    )
        for update in self.updates:
            if update.end > total_positions + 1:
                raise LedgerError(
                    f"update {update.version:,} trained on positions up to {update.end - 1:,}; only 1 to "
                    f"{total_positions:,} are scored"
                )

    def val_loss(self) -> float:
        """Mean nats per scored token, in float64; independent of how ranks shared the work."""
        total = self.scored_positions
        return float(self.nats(total).sum()) / total

    def val_bpb(self, byte_counts: npt.NDArray[np.int64]) -> float:
        """Bits per byte; `byte_counts` holds the bytes of positions 1, 2, ... in order."""
        nats = self.nats(len(byte_counts))
        return float(nats.sum()) / math.log(2.0) / int(byte_counts.sum())

    def summary(self) -> str:
        """One line for the run's log."""
        updates = max((update.version for update in self.updates), default=0)
        return (
            f"score_ledger positions:{self.scored_positions} blocks:{len(self.blocks)} updates:{updates} "
            f"ranks:{len(self.heads)} seal:{self.seal}"
        )

    def write(self, path: Path) -> None:
        """Store as `ledger_file` describes, under its final name only when complete."""
        write_ledger(self, path)

    def gathered(self, world: World) -> ScoreLedger:
        """All ranks' entries on rank 0 (elsewhere its own); every rank must call."""
        return gathered_ledger(self, world)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def _elapsed(self) -> float:
        now = self.clock()
        if self._start is None:
            self._start = now
        return now - self._start


def _runs_of(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Contiguous runs, as rows of (first, count)."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(positions) != 1) + 1))
    counts = np.diff(np.append(starts, len(positions)))
    return np.stack([positions[starts], counts], axis=1)


def _genesis(rank: int) -> bytes:
    return hashlib.sha256(f"golf score ledger 1, rank {rank}".encode()).digest()


def _chained(previous: bytes, entry: ScoredBlock | WeightUpdate) -> bytes:
    """Hash of an entry and of all before it; nats count as float64, however they are stored."""
    digest = hashlib.sha256(previous)
    if isinstance(entry, ScoredBlock):
        head = np.array([0, entry.sequence, entry.chunk, entry.version, len(entry.runs)], dtype="<i8")
        digest.update(head.tobytes() + np.float64(entry.seconds).tobytes())
        digest.update(np.ascontiguousarray(entry.runs, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(entry.nll, dtype="<f8").tobytes())
    else:
        head = np.array([1, entry.sequence, entry.version, entry.first, entry.end], dtype="<i8")
        digest.update(head.tobytes() + np.float64(entry.seconds).tobytes())
    return digest.digest()


# ---- reference_model.evaluation.evaluator_stream ----
# The validation stream where an evaluator owns the score: tokens come bit by bit, sealed scores go back.
#
# The variable GOLF_SCORING_SOCKET says that there is one; its client, the package `golf_scoring`, is then
# importable. Tokens are handed out in steps, the next one when everything before it is sealed. Rank 0 talks to
# the evaluator; the others get tokens from it and give their scores to it.
#
# N tokens of the stream, V vocabulary; position p is the index of the predicted token, 1 to N-1.


SOCKET_VARIABLE = "GOLF_SCORING_SOCKET"


@dataclass(slots=True, kw_only=True)
class EvaluatorStream:
    """Tokens 0 .. released-1 of the stream; `tokens` (N, uint32) is 0 where nothing was handed out yet."""

    world: World
    tokens: npt.NDArray[np.uint32]
    longest_step: int
    scoring: Any = None
    """The client's connection, on rank 0."""
    released: int = 0
    listeners: list[Callable[[int], None]] = field(default_factory=list)
    """Told `released` whenever tokens have come."""
    _nats: npt.NDArray[np.float64] = field(init=False)
    _times_scored: npt.NDArray[np.float64] = field(init=False)
    """This rank's scores of the tokens that are out and not sealed."""

    def __post_init__(self) -> None:
        """Nothing is scored."""
        self._nats = np.zeros(0)
        self._times_scored = np.zeros(0)

    def require(self, end: int, predict: Callable[[int], npt.NDArray[np.float64]]) -> None:
        """Have tokens up to `end`; every rank calls with the same `end`, at most `longest_step` further.

        `predict` maps a position p to the V log-probabilities of token p by the present weights; rank 0 may
        be asked for it, and `tokens` holds tokens 0 .. p-1 then. Raises LedgerError where it refuses.
        """
        if end <= self.released:
            return
        first = self.released

        def answer(known: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
            self.tokens[first : len(known)] = known[first:]
            return predict(len(known))

        if self.scoring is not None:
            with self._refusal_told():
                self.tokens[first:end] = self.scoring.tokens_until(end, answer)[first:]
        if self.world.size > 1:
            new = torch.from_numpy(self.tokens[first:end].astype(np.int32)).to(self.world.device)
            self.tokens[first:end] = self.world.broadcast_(new).cpu().numpy()
        self.released = end
        self._nats = np.zeros(end - max(first, 1))
        self._times_scored = np.zeros(len(self._nats))
        for listener in self.listeners:
            listener(end)

    def add(self, positions: npt.NDArray[np.int64], nll: npt.NDArray[np.floating]) -> None:
        """Keep scores (nats) of tokens that were handed out, until `seal`."""
        places = positions - (self.released - len(self._nats))
        if len(places) and not 0 <= int(places.min()) <= int(places.max()) < len(self._nats):
            raise LedgerError(
                f"positions {int(positions.min()):,} to {int(positions.max()):,} were scored while "
                f"{self.released - len(self._nats):,} to {self.released - 1:,} were due"
            )
        self._nats[places] += nll
        self._times_scored[places] += 1

    def seal(self) -> None:
        """Hand in the scores of all ranks for the tokens that are out; every rank calls.

        Raises LedgerError where one was not scored, or twice, and where the evaluator refuses.
        """
        both = torch.from_numpy(np.stack([self._nats, self._times_scored])).to(self.world.device)
        nats, times_scored = self.world.sum_(both).cpu().numpy()
        first = self.released - len(nats)
        if (times_scored != 1).any():
            at = int(np.argmax(times_scored != 1))
            raise LedgerError(
                f"position {first + at:,} was scored {int(times_scored[at])} times before its seal"
            )
        if self.scoring is not None:
            with self._refusal_told():
                self.scoring.seal(first, -nats)
        self._nats, self._times_scored = np.zeros(0), np.zeros(0)

    @contextlib.contextmanager
    def _refusal_told(self) -> Iterator[None]:
        from golf_scoring import ScoringError  # type: ignore[import-not-found]

        try:
            yield
        except ScoringError as error:
            raise LedgerError(f"the evaluator ended the scoring: {error}") from None


@contextlib.contextmanager
def evaluator_stream(world: World, vocab_size: int) -> Iterator[EvaluatorStream | None]:
    """The evaluator's stream, opened by rank 0; None where nobody but this run itself keeps the score.

    Leaving without an error says that everything is scored. Raises SetupError when the evaluator does not
    answer or has another vocabulary; every rank must enter.
    """
    if not os.environ.get(SOCKET_VARIABLE):
        yield None
        return
    with contextlib.ExitStack() as stack:
        scoring = stack.enter_context(_opened()) if world.is_main else None
        told = torch.zeros(3, dtype=torch.int64)
        if scoring is not None:
            told = torch.tensor([scoring.total, scoring.vocab_size, scoring.longest_step])
        total, vocabulary, longest = world.broadcast_(told.to(world.device)).tolist()
        if vocabulary != vocab_size:
            raise SetupError(
                f"the evaluator scores {vocabulary:,} tokens of vocabulary, but model.vocab_size is "
                f"{vocab_size:,}; use the tokenizer that the model was trained with"
            )
        yield EvaluatorStream(
            world=world, tokens=np.zeros(total, dtype=np.uint32), longest_step=longest, scoring=scoring
        )


def _opened() -> Any:
    try:
        from golf_scoring import ScoringError, open_scoring
    except ImportError:
        raise SetupError(
            f"{SOCKET_VARIABLE} is set, but the evaluator's client golf_scoring cannot be imported; golf-run "
            "puts it on PYTHONPATH, so keep that variable, or unset this one to score without an evaluator"
        ) from None
    try:
        return open_scoring()
    except ScoringError as error:
        raise SetupError(f"the evaluator cannot be reached: {error}") from None


# ---- harness.whole_file ----
# Files that appear under their name complete or not at all, whatever happens while they are written.


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file to write that replaces `path` once the block is left, flushed to disk.

    Until then it lies beside it as `.NAME.PID.partial`; an error in the block removes it and leaves what was
    at `path`. Raises OSError where the folder or the disk does not allow it.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with unfinished.open("w+b") as file:  # checksums read what was written
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


# ---- reference_model.artifacts.container ----
# Compress bytes, and decompress them without ever holding more than was promised.
#
# A compressed file is data from outside: a few bytes can unfold into gigabytes. Every decompressor here stops
# as soon as its output passes `max_bytes`.
#
# Sources: zstd at level 22 or 16 (PR #461, #940), zlib at level 9 (main, train_gpt.py), lzma and brotli (later
# records).


LZMA_MEMORY_BYTES = 2**28  # level 9 needs 65 MiB to unpack


class ContainerError(ValueError):
    """The compressed bytes are broken, cut off, followed by others, or hold more than was promised."""


def compress(data: bytes, container: Container, level: int) -> bytes:
    """The data in a container; `level` in the range that `COMPRESSION_LEVELS` of the configuration gives."""
    if container is Container.ZSTD:
        import zstandard

        return zstandard.ZstdCompressor(level=level).compress(data)
    if container is Container.ZLIB:
        return zlib.compress(data, level)
    if container is Container.LZMA:
        return lzma.compress(data, format=lzma.FORMAT_XZ, preset=level)
    import brotli

    return bytes(brotli.compress(data, quality=level))


def decompress(data: bytes, container: Container, max_bytes: int) -> bytes:
    """The content, at most `max_bytes` long; raises ContainerError for broken data and for longer content."""
    unpack = {
        Container.ZSTD: _zstd_content,
        Container.ZLIB: _zlib_content,
        Container.LZMA: _lzma_content,
        Container.BROTLI: _brotli_content,
    }[container]
    content, ended = unpack(data, max_bytes + 1)
    if len(content) > max_bytes:
        raise ContainerError(f"the {container.value} data holds more than the {max_bytes:,} bytes promised")
    if not ended:
        raise ContainerError(
            f"the {container.value} data of {len(data):,} bytes is cut off or followed by other bytes "
            f"({len(content):,} bytes of content came out)"
        )
    return content


def _zstd_content(data: bytes, room: int) -> tuple[bytes, bool]:
    import zstandard

    try:
        promised = zstandard.frame_content_size(data)
        if promised < 0:
            raise ContainerError("the zstd frame does not say how much it holds; pack it in one piece")
        if promised >= room:
            raise ContainerError(
                f"the zstd frame holds {promised:,} bytes; at most {room - 1:,} were promised"
            )
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False), True
    except zstandard.ZstdError as error:
        raise ContainerError(
            f"the zstd data is broken, cut off or followed by other bytes: {error}"
        ) from None


def _zlib_content(data: bytes, room: int) -> tuple[bytes, bool]:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, room)
    except zlib.error as error:
        raise ContainerError(f"the data is not valid zlib: {error}") from None
    return content, stream.eof and not stream.unused_data


def _lzma_content(data: bytes, room: int) -> tuple[bytes, bool]:
    stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=LZMA_MEMORY_BYTES)
    try:
        content = stream.decompress(data, room)
    except lzma.LZMAError as error:
        raise ContainerError(f"the data is not valid lzma: {error}") from None
    return content, stream.eof and not stream.unused_data


def _brotli_content(data: bytes, room: int) -> tuple[bytes, bool]:
    import brotli

    stream = brotli.Decompressor()
    try:
        content = bytearray(stream.process(data, output_buffer_limit=room))
        while len(content) < room and not stream.can_accept_more_data():
            content += stream.process(b"", output_buffer_limit=room - len(content))
    except brotli.error as error:
        raise ContainerError(f"the data is not valid brotli: {error}") from None
    except TypeError:
        raise SetupError(
            "unpacking brotli with a limit needs brotli 1.2 or newer: pip install 'brotli>=1.2'"
        ) from None
    return bytes(content), stream.is_finished()


# ---- reference_model.artifacts.quantize ----
# Weights to integer codes with one fp16 scale per row, and back.
#
# Which tensor is stored how follows from `QuantizationConfig` and the tensor's name and size:
#
# | tensor | stored as |
# |---|---|
# | not floating point | as it is |
# | at most `small_tensor_elements` | fp16; control tensors fp32 where `small_control_fp32` |
# | larger control tensors (scales, gains, mixing vectors) | fp32 |
# | `fp16_names`, and the token embedding at 16 bits | fp16 |
# | MLP / attention and other projections / BigramHash table | int5, int6 or int8 by configuration |
# | every other table | int8 |
#
# Sources: `train_gpt.py` on main (int8, fp16, fp32), PR #461 (int5 for the MLP, fp16 exceptions, floor 1e-12),
# PR #555 and #940 (int6, floor 1/31; #940: int5 layers with floor 1/15). Codes and scales equal theirs bit by
# bit.
#
# Shape suffixes: R rows (outputs), C columns (inputs).


class Storage(Enum):
    """How one tensor is kept in the artifact."""

    AS_IS = "as_is"
    FP32 = "fp32"
    FP16 = "fp16"
    INT5 = "int5"
    INT6 = "int6"
    INT8 = "int8"

    @property
    def max_code(self) -> int:
        """Largest code, 0 for storage without codes; the least is -max, for int5 and int6 one less."""
        return {Storage.INT5: 15, Storage.INT6: 31, Storage.INT8: 127}.get(self, 0)


CONTROL_NAMES = (
    "attn_scale",
    "mlp_scale",
    "resid_mix",
    "q_gain",
    "skip_weight",
    "smear",
    "bigram.scale",
    "ve_layer_scales",
    "ve_shared.scale",
    "vr_lambda",
    "attn_gate",
)  # main; from `smear` on PR #461 and #940


INT8_CLIP_QUANTILE = 99.99984 / 100.0  # of |w| in a row; main, INT8_CLIP_PERCENTILE


INT8_LEAST_SCALE = 1.0 / 127.0  # main


LEAST_FP16_SCALE = torch.finfo(torch.float16).tiny  # PR #461, after it


_STORAGE_OF_BITS = {5: Storage.INT5, 6: Storage.INT6, 8: Storage.INT8}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """Values as stored (codes as int8) and, for codes, the scale that multiplies them: per row or one."""

    storage: Storage
    values: Tensor
    scale: Tensor | None = None

    def restored(self, dtype: torch.dtype) -> Tensor:
        """The tensor in `dtype`: codes times scales, computed in fp32."""
        if self.scale is None:
            return self.values if self.storage is Storage.AS_IS else self.values.to(dtype)
        scale = self.scale.float()
        if scale.ndim:
            scale = scale.view(-1, *([1] * (self.values.ndim - 1)))
        return (self.values.float() * scale).to(dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedState:
    """Every tensor of a state_dict as stored, in its order."""

    tensors: dict[str, StoredTensor]


def quantize_state(
    state: Mapping[str, Tensor], config: QuantizationConfig, *, int5_layers: frozenset[int] = frozenset()
) -> QuantizedState:
    """Codes and scales of a state_dict; matrices of `int5_layers` that would be int6 become int5 (PR #940).

    A layer is meant by its core: with depth recurrence the numbers are those of `cores.{u}`.
    """
    tensors = {}
    for name, tensor in state.items():
        weight = tensor.detach().cpu().contiguous()
        tensors[name] = quantize_tensor(weight, storage_of(name, weight, config, int5_layers), config)
    return QuantizedState(tensors=tensors)


def storage_of(
    name: str, tensor: Tensor, config: QuantizationConfig, int5_layers: frozenset[int] = frozenset()
) -> Storage:
    """How the configuration stores the tensor of this name; the tests run in the originals' order."""
    is_control = any(part in name for part in CONTROL_NAMES)
    if not tensor.is_floating_point():
        return Storage.AS_IS
    if tensor.numel() <= config.small_tensor_elements:
        return Storage.FP16
    if is_control:
        return Storage.FP32
    if any(part in name for part in config.fp16_names):
        return Storage.FP16
    if "tok_emb" in name:
        return Storage.FP16 if config.embedding_bits == 16 else Storage.INT8
    storage = _STORAGE_OF_BITS[_matrix_bits(name, config)]
    lowered = storage is Storage.INT6 and core_index(name) in int5_layers
    return Storage.INT5 if lowered else storage


def _matrix_bits(name: str, config: QuantizationConfig) -> int:
    if ".mlp." in name:
        return config.mlp_bits
    if ".attn." in name or ".proj." in name:
        return config.attention_bits
    return config.bigram_bits if "bigram" in name else 8


def core_index(name: str) -> int:
    """The u of `cores.{u}.…`; -1 for a tensor outside the cores."""
    first, _, rest = name.partition(".")
    return int(rest.partition(".")[0]) if first == "cores" else -1


def quantize_tensor(weight: Tensor, storage: Storage, config: QuantizationConfig) -> StoredTensor:
    """One tensor as stored. Non-finite weights give non-finite scales; `write_artifact` refuses those."""
    if storage is Storage.AS_IS:
        return StoredTensor(storage=storage, values=weight)
    if storage is Storage.FP32:
        return StoredTensor(storage=storage, values=weight.float())
    if storage is Storage.FP16:
        return StoredTensor(storage=storage, values=weight.to(torch.float16))
    if weight.ndim == 2:
        codes, scale = row_codes(weight.float(), storage, config)
    else:
        codes, scale = _tensor_codes(weight.float(), storage)
    return StoredTensor(storage=storage, values=codes.to(torch.int8), scale=scale)


def row_codes(weight_RC: Tensor, storage: Storage, config: QuantizationConfig) -> tuple[Tensor, Tensor]:
    """Codes (fp32, whole numbers) and fp16 scale of every row of an fp32 matrix.

    Free of data-dependent Python, so that fake quantisation can compile it.
    """
    if storage is Storage.INT8:
        return _int8_row_codes(weight_RC)
    max_code = storage.max_code
    floor = (1.0 / max_code)
    scale_R = fp16_scale(weight_RC.abs().amax(dim=1), max_code=max_code, floor=floor)
    return rounded_codes(weight_RC, scale_R, lowest=-max_code - 1, highest=max_code), scale_R


def fp16_scale(clip_R: Tensor, *, max_code: int, floor: float) -> Tensor:
    """Row scale that takes `clip_R` to the largest code, at least `floor`, never a zero of fp16."""
    scale_R = (clip_R / max_code).clamp_min(floor).to(torch.float16)
    return scale_R.clamp_min(LEAST_FP16_SCALE)


def rounded_codes(weight_RC: Tensor, scale_R: Tensor, *, lowest: int, highest: int) -> Tensor:
    """Weights over their row scale, rounded half to even and cut to the code range."""
    return torch.clamp(torch.round(weight_RC / scale_R.float()[:, None]), lowest, highest)


def _int8_row_codes(weight_RC: Tensor) -> tuple[Tensor, Tensor]:
    """Codes use the fp32 scale although the stored one is fp16, as main does."""
    clip_R = torch.quantile(weight_RC.abs(), INT8_CLIP_QUANTILE, dim=1)
    clipped_RC = torch.maximum(torch.minimum(weight_RC, clip_R[:, None]), -clip_R[:, None])
    scale_R = (clip_R / 127.0).clamp_min(INT8_LEAST_SCALE)
    return rounded_codes(clipped_RC, scale_R, lowest=-127, highest=127), scale_R.to(torch.float16)


def _tensor_codes(weight: Tensor, storage: Storage) -> tuple[Tensor, Tensor]:
    """One scale for a tensor that is no matrix: fp32 at the int8 quantile, fp16 at the maximum else."""
    max_code = storage.max_code
    magnitude = weight.abs().flatten()
    if storage is Storage.INT8:
        clip = float(quantile_of_all(magnitude, INT8_CLIP_QUANTILE))
        scale = torch.tensor(clip / max_code if clip > 0 else 1.0)
        clipped = torch.clamp(weight, -clip, clip)
        return torch.clamp(torch.round(clipped / scale), -max_code, max_code), scale
    clip = float(magnitude.max())
    scale = torch.tensor(clip / max_code if clip > 0 else 1.0, dtype=torch.float16)
    scale = scale.clamp_min(LEAST_FP16_SCALE)
    return torch.clamp(torch.round(weight / scale.float()), -max_code - 1, max_code), scale


LARGEST_QUANTILE_INPUT = 2**24  # elements; torch.quantile refuses more


def quantile_of_all(values_N: Tensor, fraction: float) -> Tensor:
    """The quantile of a vector, between the two nearest values; torch.quantile where that takes the size."""
    if values_N.numel() <= LARGEST_QUANTILE_INPUT:
        return torch.quantile(values_N, fraction)
    rank = fraction * (values_N.numel() - 1)
    below = values_N.kthvalue(int(rank) + 1).values
    above = values_N.kthvalue(min(int(rank) + 2, values_N.numel())).values
    return torch.lerp(below, above, rank - int(rank))


# ---- reference_model.artifacts.artifact_layout ----
# The bytes of an artifact file: frame, JSON header, tensors. No pickle, so that reading runs no code.
#
#     frame     magic, format version, container, bytes of content, bytes of payload, SHA-256 of the payload
#     payload   the content, compressed
#     content   length of the header (4 bytes), header as JSON, then all scales, then all values
#
# Scales and values lie grouped by storage (fp16, int5, int6, ...), inside a group in the order of the header,
# because a compressor's tables fit one kind of numbers at a time. Measured on a briefly trained model of 3.6 M
# parameters against torch.save: 0.5% smaller with zstd-16, 1.1% with zstd-22. Packing the codes to six
# bits costs 12% instead (on noise shaped like weights): it hides whole codes from the compressor.
#
# All numbers are little-endian.


ARTIFACT_MAGIC = b"GOLFMODL"


ARTIFACT_VERSION = 1


HEADER_CAP_BYTES = 1_000_000  # names and shapes of a large model take some 10,000


_MOST_SIDES = 8  # of a tensor; Python multiplies out whatever a file lists


_FRAME = struct.Struct("<8sHBQQ32s")


_HEADER_LENGTH = struct.Struct("<I")


_CONTAINER_NUMBERS = {Container.ZSTD: 1, Container.ZLIB: 2, Container.LZMA: 3, Container.BROTLI: 4}


_DTYPES = {
    str(each).removeprefix("torch."): each
    for each in (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.int32,
                 torch.int16, torch.int8, torch.uint8, torch.bool)
}  # fmt: skip


class ArtifactError(SubmissionError):
    """The model file is damaged, too large, made for another configuration, or not an artifact at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """A line of the header: name, storage, dtype that the weight is restored to, shape."""

    name: str
    storage: Storage
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def value_dtype(self) -> torch.dtype:
        """Dtype of the stored values; codes are int8 whatever their width."""
        kept = {Storage.FP32: torch.float32, Storage.FP16: torch.float16, Storage.AS_IS: self.dtype}
        return kept.get(self.storage, torch.int8)

    @property
    def scale_shape(self) -> tuple[int, ...] | None:
        """One scale a row for matrices of codes, one for other codes, None where there are none."""
        if not self.storage.max_code:
            return None
        return self.shape[:1] if len(self.shape) == 2 else ()

    @property
    def scale_dtype(self) -> torch.dtype:
        """Main keeps the single int8 scale of a tensor that is no matrix in fp32; all others are fp16."""
        return torch.float32 if self.storage is Storage.INT8 and len(self.shape) != 2 else torch.float16


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactContent:
    """What an artifact says: the model configuration it is for, its tensors, their dtypes there."""

    model: dict[str, Any]
    state: QuantizedState
    dtypes: dict[str, torch.dtype]


def packed_content(content: ArtifactContent) -> bytes:
    """Header and tensors, uncompressed."""
    lines = [
        [
            name,
            stored.storage.value,
            str(content.dtypes[name]).removeprefix("torch."),
            list(stored.values.shape),
        ]
        for name, stored in content.state.tensors.items()
    ]
    header = json.dumps({"model": content.model, "tensors": lines}, separators=(",", ":")).encode()
    stored_tensors = sorted(content.state.tensors.values(), key=lambda each: each.storage.value)
    scales = [_raw_bytes(each.scale) for each in stored_tensors if each.scale is not None]
    values = [_raw_bytes(each.values) for each in stored_tensors]
    return b"".join([_HEADER_LENGTH.pack(len(header)), header, *scales, *values])


def framed(content: bytes, container: Container, level: int) -> bytes:
    """The whole file around a content."""
    payload = compress(content, container, level)
    digest = hashlib.sha256(payload).digest()
    number = _CONTAINER_NUMBERS[container]
    frame = _FRAME.pack(ARTIFACT_MAGIC, ARTIFACT_VERSION, number, len(content), len(payload), digest)
    return frame + payload


def unframed(file: bytes, max_content_bytes: int) -> bytes:
    """The content of a file; raises ArtifactError where frame, hash or compressed data are wrong."""
    if len(file) < _FRAME.size:
        raise ArtifactError(
            f"the file has {len(file):,} bytes; the frame of an artifact alone has {_FRAME.size}"
        )
    magic, version, number, content_bytes, payload_bytes, digest = _FRAME.unpack_from(file)
    if magic != ARTIFACT_MAGIC:
        raise ArtifactError(f"the file begins with {magic!r}; an artifact begins with {ARTIFACT_MAGIC!r}")
    if version != ARTIFACT_VERSION:
        raise ArtifactError(f"format version {version}; this program reads version {ARTIFACT_VERSION}")
    containers = {each: container for container, each in _CONTAINER_NUMBERS.items()}
    if number not in containers:
        known = ", ".join(f"{each} {container.value}" for each, container in containers.items())
        raise ArtifactError(f"container {number} is unknown; known are {known}")
    payload = file[_FRAME.size :]
    if len(payload) != payload_bytes:
        kind = "cut off" if len(payload) < payload_bytes else "followed by other bytes"
        raise ArtifactError(
            f"the payload has {len(payload):,} of {payload_bytes:,} bytes: the file is {kind}"
        )
    if hashlib.sha256(payload).digest() != digest:
        raise ArtifactError(
            f"the payload's SHA-256 is {hashlib.sha256(payload).hexdigest()[:16]}…, the frame says "
            f"{digest.hex()[:16]}…: the file is damaged; copy it again"
        )
    if content_bytes > max_content_bytes:
        raise ArtifactError(
            f"the file unfolds to {content_bytes:,} bytes; this model needs at most {max_content_bytes:,}"
        )
    try:
        content = decompress(payload, containers[number], content_bytes)
    except ContainerError as error:
        raise ArtifactError(str(error)) from None
    if len(content) != content_bytes:
        raise ArtifactError(f"the file unfolds to {len(content):,} bytes; its frame says {content_bytes:,}")
    return content


def unpacked_content(content: bytes) -> ArtifactContent:
    """Header and tensors of an uncompressed content; raises ArtifactError for any that is not well formed."""
    model, entries, first = _header(content)
    scale_bytes = sum(_bytes_of(each.scale_shape, each.scale_dtype) for each in entries)
    needed = first + scale_bytes + sum(_bytes_of(each.shape, each.value_dtype) for each in entries)
    if needed != len(content):
        raise ArtifactError(f"the header describes {needed:,} bytes, the file unfolds to {len(content):,}")
    tensors = {}
    scale_at, value_at = first, first + scale_bytes
    for entry in sorted(entries, key=lambda each: each.storage.value):
        values = _tensor_at(content, value_at, entry.shape, entry.value_dtype)
        value_at += _bytes_of(entry.shape, entry.value_dtype)
        scale = None
        if entry.scale_shape is not None:
            scale = _tensor_at(content, scale_at, entry.scale_shape, entry.scale_dtype)
            scale_at += _bytes_of(entry.scale_shape, entry.scale_dtype)
        tensors[entry.name] = StoredTensor(storage=entry.storage, values=values, scale=scale)
    dtypes = {entry.name: entry.dtype for entry in entries}
    in_order = {entry.name: tensors[entry.name] for entry in entries}
    return ArtifactContent(model=model, state=QuantizedState(tensors=in_order), dtypes=dtypes)


def _header(content: bytes) -> tuple[dict[str, Any], list[TensorEntry], int]:
    """Model configuration, tensor entries, and where the tensors begin."""
    try:
        (length,) = _HEADER_LENGTH.unpack_from(content)
        first = _HEADER_LENGTH.size + length
        if length > HEADER_CAP_BYTES:
            raise ValueError(f"it claims {length:,} bytes; at most {HEADER_CAP_BYTES:,} are read")
        header = json.loads(content[_HEADER_LENGTH.size : first].decode())
        model = header["model"]
        if not isinstance(model, dict):
            raise TypeError("the model configuration is no object")
        entries = [_entry(*line) for line in header["tensors"]]
    except (struct.error, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"the header of the artifact is not well formed: {error!s:.200}") from None
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise ArtifactError(f"the header of the artifact names the tensor {entry.name!a:.80} twice")
        seen.add(entry.name)
    return model, entries, first


def _entry(name: object, storage: object, dtype: object, shape: object) -> TensorEntry:
    if not isinstance(name, str) or not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError(f"no tensor is called {name!a:.80} with dtype {dtype!a:.80}")
    if not isinstance(shape, list) or len(shape) > _MOST_SIDES or not all(map(_is_side, shape)):
        raise ValueError(f"tensor {name!a:.80} has the shape {shape!a:.80}")
    return TensorEntry(name=name, storage=Storage(storage), dtype=_DTYPES[dtype], shape=tuple(shape))


def _is_side(side: object) -> bool:
    return type(side) is int and 0 <= side < 2**32


def _bytes_of(shape: tuple[int, ...] | None, dtype: torch.dtype) -> int:
    return 0 if shape is None else math.prod(shape) * dtype.itemsize


def _raw_bytes(tensor: Tensor) -> bytes:
    array: np.ndarray = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return array.tobytes()


def _tensor_at(content: bytes, first: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    raw = np.frombuffer(content, dtype=np.uint8, count=_bytes_of(shape, dtype), offset=first).copy()
    return torch.from_numpy(raw).view(dtype).reshape(shape)


# ---- reference_model.artifacts.downgrade ----
# Make the artifact fit: compression levels first, then one layer after the other from int6 to int5.
#
# Source: PR #940 (main(), "Auto-downgrade"). Its comment names the order 5, 4, 6, …; its code and its three
# logs take the layer above the centre before the one below: 5, 6, 4, 7, 3, 8, 2, 9, 1, 10, 0 for eleven
# layers. Every layer added is tried at all levels; where nothing fits the last try is used.


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTry:
    """One attempt at the size: layers lowered to int5 so far, compression level, bytes of the whole file."""

    int5_layers: tuple[int, ...]
    level: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedFile:
    """The file of the last try, which is the first that fits where any does."""

    file: bytes
    fits: bool
    tries: tuple[SizeTry, ...]


def downgrade_order(num_layers: int) -> tuple[int, ...]:
    """Layers from the centre outwards, of two equally far the later one first."""
    centre = num_layers // 2
    return tuple(sorted(range(num_layers), key=lambda layer: (abs(layer - centre), -layer)))


def lowered_layer_sets(config: Config) -> Iterator[tuple[int, ...]]:
    """Sets of int5 layers in the order they are tried: none, then one core more each time, with all its
    layers.

    With depth recurrence the layers of one core are lowered together. Only () where `auto_downgrade` is off
    or no matrix is int6.
    """
    yield ()
    quantization, model = config.quantization, config.model
    if 6 not in (quantization.mlp_bits, quantization.attention_bits):
        return
    cores = dict.fromkeys(layer % model.num_cores for layer in downgrade_order(model.num_layers))
    lowered: set[int] = set()
    for core in cores:
        lowered.update(range(core, model.num_layers, model.num_cores))
        yield tuple(sorted(lowered))


def first_that_fits(
    config: Config,
    budget_bytes: int,
    *,
    content_of: Callable[[tuple[int, ...]], bytes],
    file_of: Callable[[bytes, int], bytes],
    log: Callable[[str], None],
) -> FittedFile:
    """Try every set of int5 layers at every level until the file is at most `budget_bytes` long.

    content_of: int5 layers -> uncompressed bytes; file_of: content and level -> file. Logs one line a try,
    in the words of PR #940.
    """
    quantization = config.quantization
    plain = f"int{max(quantization.mlp_bits, quantization.attention_bits)}"
    tries: list[SizeTry] = []
    file = b""
    for int5_layers in lowered_layer_sets(config):
        if int5_layers:
            log(f"quant_fallback: int5 layers={list(int5_layers)}")
        content = content_of(int5_layers)
        label = f"int5[{len(int5_layers)}L]" if int5_layers else plain
        for level in quantization.levels:
            file = file_of(content, level)
            log(
                f"quant_try {label} {quantization.container.value}-{level}: "
                f"{len(file)} bytes (limit {budget_bytes})"
            )
            tries.append(SizeTry(int5_layers=int5_layers, level=level, size_bytes=len(file)))
            if len(file) <= budget_bytes:
                return FittedFile(file=file, fits=True, tries=tuple(tries))
    return FittedFile(file=file, fits=False, tries=tuple(tries))


# ---- reference_model.network.linear ----
# Linear layer with fp32 weights that computes in the activations' number format.
#
# Source: `CastedLinear` of the challenge's baseline (main, train_gpt.py). Two additions save passes over
# activations: a scale of the output channels is multiplied into the weight, and a residual is added inside the
# matrix product. Both leave the result unchanged but for rounding.
#
# Shapes: N tokens, I inputs, O outputs; `...` any leading dimensions.


class CastedLinear(nn.Linear):
    """x W^T (+ bias), W kept in fp32 for the optimiser and cast to the type of x at use.

    `fake_quantizer` maps the fp32 weight to the weight that the forward pass uses; it is applied in training
    mode only (late quantisation-aware training) and must let gradients through itself.
    """

    fake_quantizer: Callable[[Tensor], Tensor] | None

    def __init__(self, in_features: int, out_features: int, *, bias: bool = False) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.fake_quantizer = None

    def weight_in_use(self) -> Tensor:
        """The fp32 weight (O, I) that the next forward pass uses: fake-quantised in late training."""
        if self.fake_quantizer is not None and self.training:
            return self.fake_quantizer(self.weight)
        return self.weight

    def forward(self, x: Tensor, row_scale: Tensor | None = None, added: Tensor | None = None) -> Tensor:
        """Map x (..., I) to row_scale * (x W^T + bias) + added, shape (..., O).

        row_scale: one factor for all outputs (no or one dimension of 1) or one for each (O). added: (..., O).
        """
        weight_OI = self.weight_in_use()
        bias_O: Tensor | None = self.bias
        if row_scale is not None:
            weight_OI = weight_OI * row_scale.reshape(-1, 1)
            bias_O = bias_O * row_scale if bias_O is not None else None
        weight_OI = weight_OI.to(x.dtype)
        if bias_O is not None:
            bias_O = bias_O.to(x.dtype)
        if added is None:
            return functional.linear(x, weight_OI, bias_O)
        added_NO = added.reshape(-1, added.size(-1))
        result_NO = torch.addmm(added_NO, x.reshape(-1, x.size(-1)), weight_OI.t())
        if bias_O is not None:
            result_NO = result_NO + bias_O
        return result_NO.view(added.shape)


# ---- reference_model.network.normalization ----
# Root-mean-square norm without a learned weight, and when to use gradients derived by hand.
#
# rms(x) = x / sqrt(mean(x^2) + eps) over the last dimension, eps the machine epsilon of the number format that
# the mean is taken in (fp32 for bf16 and fp32, as `torch.nn.functional.rms_norm` does by default).
#
# On a CPU without compilation every elementwise pass over the activations counts: torch's own norm takes some
# ten of them forward and backward, the formulas below five. Compilers fuse the plain formula better than ours,
# so they get it.
#
# Shapes: X the normed dimension; `...` any leading dimensions.


def takes_hand_gradients(x: Tensor) -> bool:
    """Whether to use our own gradient formulas: on the CPU, when nothing is being compiled."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def wide_type(dtype: torch.dtype) -> torch.dtype:
    """The number format in which sums over values of `dtype` are taken."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def inverse_rms(x: Tensor) -> Tensor:
    """1 / sqrt(mean(x^2) + eps) over the last dimension, which is kept with size 1; at least fp32."""
    wide = wide_type(x.dtype)
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=wide)
    return norm.square_().div_(x.size(-1)).add_(torch.finfo(wide).eps).rsqrt_()


def rms_norm(x: Tensor, scale: float = 1.0) -> Tensor:
    """Computes scale * rms(x), in the shape and type of x."""
    if takes_hand_gradients(x):
        return _HandRmsNorm.apply(x, scale)  # type: ignore[no-any-return, no-untyped-call]
    normed = functional.rms_norm(x, (x.size(-1),))
    return normed if scale == 1.0 else normed * scale


class _HandRmsNorm(torch.autograd.Function):
    """y = s r x with r = inverse_rms(x), so dx = s r (dy - x r^2 (dy . x) / X)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        inverse = inverse_rms(x)
        ctx.save_for_backward(x, inverse)
        ctx.scale = scale
        return (x * (inverse * scale)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (dy,) = grads
        x, inverse = ctx.saved_tensors
        along = dot_last(dy, x).mul_(inverse.square()).div_(-x.size(-1))
        return torch.addcmul(dy, x, along.to(x.dtype)).mul_(inverse * ctx.scale), None


def dot_last(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a * b over the last dimension, kept with size 1; at least fp32."""
    return (a * b).sum(dim=-1, keepdim=True, dtype=wide_type(a.dtype))


# ---- reference_model.network.rotary ----
# Rotary position embedding of queries and keys, with the norm and the gain that come before it.
#
# Each head's queries and keys are normed, the first R of d dimensions are rotated by the position, and queries
# get a gain per head. Pairs are (j, j + R/2): (a cos + b sin, b cos - a sin) with angle p * base^(-2j/R)
# (main). Inputs longer than the length trained for scale the base by (T / T_train)^(R / (R-2)), the NTK rule of
# PR #461 and #940.
#
# Tables are made once per forward pass and shared by all layers: that is a handful of small operations, and a
# table kept from an evaluation in inference mode could not take part in a later backward pass.
#
# Shapes: B batch, T time, H heads, d head width, R rotated dimensions, P = R/2 pairs.


class RotaryTables(NamedTuple):
    """Cosines and sines of every position and pair, (T, 1, P): they broadcast over heads."""

    cos: Tensor
    sin: Tensor

    def last(self, count: int) -> RotaryTables:
        """The rows of the final `count` positions."""
        return RotaryTables(self.cos[-count:], self.sin[-count:])


def rotary_tables(
    length: int, rotated: int, base: float, trained_length: int, device: torch.device, dtype: torch.dtype
) -> RotaryTables:
    """Tables for positions 0..length-1 and `rotated` dimensions; angles are fp32, the result is `dtype`."""
    if length > trained_length:
        base = base * (length / trained_length) ** (rotated / (rotated - 2))
    exponents_P = torch.arange(0, rotated, 2, dtype=torch.float32, device=device) / rotated
    positions_T = torch.arange(length, dtype=torch.float32, device=device)
    angles_T1P = positions_T[:, None, None] * (1.0 / (base**exponents_P))
    return RotaryTables(angles_T1P.cos().to(dtype), angles_T1P.sin().to(dtype))


def normed_and_rotated(x_BTHd: Tensor, tables: RotaryTables, gain_H: Tensor | None = None) -> Tensor:
    """Computes gain * rotate(rms(x)), in the shape and type of x."""
    if takes_hand_gradients(x_BTHd):
        gain = torch.ones((), dtype=x_BTHd.dtype) if gain_H is None else gain_H
        return _HandNormedRotation.apply(x_BTHd, gain, *tables)  # type: ignore[no-any-return, no-untyped-call]
    normed_BTHd = rotated_pairs(functional.rms_norm(x_BTHd, (x_BTHd.size(-1),)), tables)
    return normed_BTHd if gain_H is None else normed_BTHd * gain_H.to(x_BTHd.dtype)[:, None]


def rotated_pairs(x_BTHd: Tensor, tables: RotaryTables) -> Tensor:
    """Turn the first R dimensions by the position's angle; the rest pass."""
    cos_T1P, sin_T1P = tables
    pairs = cos_T1P.size(-1)
    a, b, rest = torch.tensor_split(x_BTHd, (pairs, 2 * pairs), dim=-1)
    turned = (a * cos_T1P + b * sin_T1P, b * cos_T1P - a * sin_T1P)
    return torch.cat((*turned, rest), dim=-1)


class _HandNormedRotation(torch.autograd.Function):
    """y = Rot(g r x): with z = Rot^-1(dy), dx = g r (z - x r^2 (z . x) / d) and dg = sum of r (z . x)."""

    @staticmethod
    def forward(ctx: Any, x_BTHd: Tensor, gain: Tensor, cos_T1P: Tensor, sin_T1P: Tensor) -> Tensor:
        inverse = inverse_rms(x_BTHd)
        ctx.save_for_backward(x_BTHd, gain, inverse, cos_T1P, sin_T1P)
        y_BTHd = (x_BTHd * (inverse * gain.unsqueeze(-1))).to(x_BTHd.dtype)
        _turn_pairs_(y_BTHd, cos_T1P, sin_T1P)
        return y_BTHd

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        x_BTHd, gain, inverse, cos_T1P, sin_T1P = ctx.saved_tensors
        # contiguous as x is: attention's gradient comes transposed, and everything after it runs along x
        z_BTHd = grads[0].clone(memory_format=torch.contiguous_format)
        _turn_pairs_(z_BTHd, cos_T1P, -sin_T1P)
        dot_BTH1 = dot_last(z_BTHd, x_BTHd)
        d_gain = None
        if ctx.needs_input_grad[1]:
            d_gain = (dot_BTH1 * inverse).sum(dim=(0, 1, 3)).to(gain.dtype)
        along = dot_BTH1.mul_(inverse.square()).div_(-x_BTHd.size(-1)).to(x_BTHd.dtype)
        factor = inverse * gain.unsqueeze(-1).to(wide_type(x_BTHd.dtype))
        return z_BTHd.addcmul_(x_BTHd, along).mul_(factor), d_gain, None, None


def _turn_pairs_(x_BTHd: Tensor, cos_T1P: Tensor, sin_T1P: Tensor) -> None:
    pairs = cos_T1P.size(-1)
    a, b = x_BTHd[..., :pairs], x_BTHd[..., pairs : 2 * pairs]
    a_before = a.clone()
    a.mul_(cos_T1P).addcmul_(b, sin_T1P)
    b.mul_(cos_T1P).addcmul_(a_before, sin_T1P, value=-1)


# ---- reference_model.network.attention ----
# Causal self-attention with grouped key-value heads and its optional parts.
#
# - queries and keys normed per head, rotated, queries scaled by a gain per head (main);
# - value residual: from the second layer on v = l0 v_first + l1 v, v_first the first layer's values, l0 and l1
#   plain learned numbers starting at 0.5 (PR #940; its README calls them gates);
# - value embedding: a vector of the token added to v (PR #461);
# - XSA: y - (y . v^) v^ with v^ the position's own value normed, per query head of the group (PR #461, #940);
# - gated attention: y times sigmoid(W x + b) per head, W starts at 0 and b at 4 (PR #940).
#
# Shapes: B batch, T time, Q the final positions that are asked for (T unless `last` is given), D model, H query
# heads, K key-value heads, G = H/K query heads in a group, d head width.


_GATE_BIAS = 4.0  # sigmoid(4) = 0.98: almost open (PR #940)


_LEAST_SQUARE = 1e-24  # of a value's length; the originals divide by max(|v|, 1e-12)


class AttentionContext(NamedTuple):
    """What the attention of a layer takes besides its input."""

    tables: RotaryTables
    value_embedding: Tensor | None = None
    """(B, T, K d), scaled for the layer."""
    first_value: Tensor | None = None
    """(B, T, K d), the values of the first layer; None in the first layer."""
    without_own_value: bool = False
    """XSA."""


class CausalSelfAttention(nn.Module):
    """Attention weights; layers that share a core share them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_heads, config.num_kv_heads
        self.c_q = CastedLinear(config.model_dim, config.model_dim)
        self.c_k = CastedLinear(config.model_dim, config.kv_dim)
        self.c_v = CastedLinear(config.model_dim, config.kv_dim)
        self.proj = CastedLinear(config.model_dim, config.model_dim)
        self.q_gain = nn.Parameter(torch.full((config.num_heads,), config.qk_gain_init))
        self.vr_lambda: nn.Parameter | None = None
        self.attn_gate: CastedLinear | None = None
        self.vr_lambda = nn.Parameter(torch.full((2,), 0.5))
        self.attn_gate = CastedLinear(config.model_dim, config.num_heads, bias=True)
        nn.init.zeros_(self.attn_gate.weight)
        nn.init.constant_(self.attn_gate.bias, _GATE_BIAS)

    def forward(
        self, x_BTD: Tensor, context: AttentionContext, out_scale_D: Tensor, residual_BQD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns residual + out_scale * attention(x) for the last Q positions (B, Q, D), and this layer's
        raw values.

        Q is the length of `residual_BQD`. Raw values (B, T, K d) are those before the value residual.
        """
        asked = residual_BQD.size(1)
        x_BQD = x_BTD if asked == x_BTD.size(1) else x_BTD[:, -asked:]
        q_BQHd = _split_heads(self.c_q(x_BQD), self.heads)
        k_BTKd = _split_heads(self.c_k(x_BTD), self.kv_heads)
        v_BTE, raw_BTE = self._values(x_BTD, context)
        v_BTKd = _split_heads(v_BTE, self.kv_heads)
        q_BQHd = normed_and_rotated(q_BQHd, context.tables.last(asked), self.q_gain)
        k_BTKd = normed_and_rotated(k_BTKd, context.tables)
        y_BQHd = _attended(q_BQHd, k_BTKd, v_BTKd)
        if context.without_own_value:
            y_BQHd = without_own_value(y_BQHd, v_BTKd[:, -asked:])
        if self.attn_gate is not None:
            y_BQHd = y_BQHd * torch.sigmoid(self.attn_gate(x_BQD)).unsqueeze(-1)
        return self.proj(y_BQHd.flatten(2), out_scale_D, residual_BQD), raw_BTE

    def _values(self, x_BTD: Tensor, context: AttentionContext) -> tuple[Tensor, Tensor]:
        """Values that are attended to, and the raw ones, both (B, T, K d)."""
        raw_BTE = self.c_v(x_BTD, None, context.value_embedding)
        if self.vr_lambda is None or context.first_value is None:
            return raw_BTE, raw_BTE
        of_first, of_own = self.vr_lambda.to(raw_BTE.dtype).unbind()
        return torch.addcmul(raw_BTE * of_own, context.first_value, of_first), raw_BTE


def _split_heads(x_BTC: Tensor, heads: int) -> Tensor:
    return x_BTC.view(*x_BTC.shape[:2], heads, -1)


def without_own_value(y_BQHd: Tensor, v_BQKd: Tensor) -> Tensor:
    """Takes from y its component along the position's own value; query heads of a group share the value."""
    batch, asked, kv_heads, width = v_BQKd.shape
    y_BQKGd = y_BQHd.reshape(batch, asked, kv_heads, -1, width)
    v_BQK1d = v_BQKd.unsqueeze(3)
    if takes_hand_gradients(y_BQHd):
        return _HandProjection.apply(y_BQKGd, v_BQK1d).flatten(2, 3)  # type: ignore[no-any-return, no-untyped-call]
    along_BQKG1 = (y_BQKGd * v_BQK1d).sum(dim=-1, keepdim=True) / _square_of(v_BQK1d)
    return torch.addcmul(y_BQKGd, along_BQKG1, v_BQK1d, value=-1).flatten(2, 3)


def _square_of(v_BQK1d: Tensor) -> Tensor:
    return v_BQK1d.square().sum(dim=-1, keepdim=True).clamp_min(_LEAST_SQUARE)


class _HandProjection(torch.autograd.Function):
    """z = y - a v with a = (y . v) / (v . v).

    With b = (dz . v) / (v . v): dy = dz - b v and dv = sum over the group of (2 a b v - a dz - b y).
    """

    @staticmethod
    def forward(ctx: Any, y_BQKGd: Tensor, v_BQK1d: Tensor) -> Tensor:
        square_BQK11 = _square_of(v_BQK1d)
        along_BQKG1 = (y_BQKGd * v_BQK1d).sum(dim=-1, keepdim=True).div_(square_BQK11)
        ctx.save_for_backward(y_BQKGd, v_BQK1d, along_BQKG1, square_BQK11)
        return torch.addcmul(y_BQKGd, along_BQKG1, v_BQK1d, value=-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        y_BQKGd, v_BQK1d, along_BQKG1, square_BQK11 = ctx.saved_tensors
        dz_BQKGd = grads[0]
        b_BQKG1 = (dz_BQKGd * v_BQK1d).sum(dim=-1, keepdim=True).div_(square_BQK11)
        both_BQK11 = (along_BQKG1 * b_BQKG1).sum(dim=3, keepdim=True)
        of_group_BQKGd = (dz_BQKGd * along_BQKG1).addcmul_(b_BQKG1, y_BQKGd)
        dv_BQK1d = (v_BQK1d * both_BQK11).mul_(2).sub_(of_group_BQKGd.sum(dim=3, keepdim=True))
        return torch.addcmul(dz_BQKGd, b_BQKG1, v_BQK1d, value=-1), dv_BQK1d


def _attended(q_BQHd: Tensor, k_BTKd: Tensor, v_BTKd: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over the positions up to each query's own, (B, Q, H, d)."""
    q_BHQd, k_BKTd, v_BKTd = q_BQHd.transpose(1, 2), k_BTKd.transpose(1, 2), v_BTKd.transpose(1, 2)
    if q_BHQd.size(2) < k_BKTd.size(2):
        return _attended_at_the_end(q_BHQd, k_BKTd, v_BKTd)
    grouped = q_BHQd.size(1) != k_BKTd.size(1)
    y_BHTd = functional.scaled_dot_product_attention(
        q_BHQd, k_BKTd, v_BKTd, is_causal=True, enable_gqa=grouped
    )
    return y_BHTd.transpose(1, 2)


def _attended_at_the_end(q_BHQd: Tensor, k_BKTd: Tensor, v_BKTd: Tensor) -> Tensor:
    """The same for queries of the last Q positions only.

    The heads of a group become further queries of their key-value head: kernels that take a mask do not
    group.
    """
    (batch, heads, asked, width), (kv_heads, length) = q_BHQd.shape, k_BKTd.shape[1:3]
    group = heads // kv_heads
    device = q_BHQd.device
    own_Q1 = torch.arange(length - asked, length, device=device)[:, None]
    visible_GQ_T = (torch.arange(length, device=device) <= own_Q1).repeat(group, 1)
    q_BKCd = q_BHQd.reshape(batch, kv_heads, group * asked, width)
    y_BKCd = functional.scaled_dot_product_attention(
        q_BKCd, k_BKTd, v_BKTd, attn_mask=visible_GQ_T, scale=1 / math.sqrt(width)
    )
    return y_BKCd.reshape(batch, heads, asked, width).transpose(1, 2)


# ---- reference_model.network.mlp ----
# Two-layer perceptron with a squared activation.
#
# phi(u) = max(u, 0)^2 (main, after modded-nanogpt) or leaky_relu(u)^2: negatives then contribute slope^2 u^2
# (PR #493, #549).
#
# Shapes: B batch, T time, D model, F hidden.


class MLP(nn.Module):
    """D -> F -> D."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.fc = CastedLinear(config.model_dim, config.mlp_hidden)
        self.proj = CastedLinear(config.mlp_hidden, config.model_dim)
        self.slope = config.leaky_slope

    def forward(self, x_BTD: Tensor, out_scale_D: Tensor, residual_BTD: Tensor) -> Tensor:
        """Returns residual + out_scale * proj(phi(fc(x)))."""
        return self.proj(squared_activation(self.fc(x_BTD), self.slope), out_scale_D, residual_BTD)  # type: ignore[no-any-return]


def squared_activation(u: Tensor, slope: float) -> Tensor:
    """leaky_relu(u, slope)^2; slope 0 is relu(u)^2, slope 1 is u^2."""
    if takes_hand_gradients(u):
        return _HandSquaredActivation.apply(u, slope)  # type: ignore[no-any-return, no-untyped-call]
    rectified = functional.leaky_relu(u, slope) if slope else functional.relu(u)
    return rectified.square()


class _HandSquaredActivation(torch.autograd.Function):
    """y = u l with l = leaky_relu(u, slope^2), and dy/du = 2 l: one tensor kept, one pass backward."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, slope: float) -> Tensor:
        factor = functional.leaky_relu(u, slope * slope) if slope else functional.relu(u)
        ctx.save_for_backward(factor)
        return u * factor

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        nothing = grads[0].new_zeros(())  # addcmul multiplies three factors in one pass
        return torch.addcmul(nothing, grads[0], factor, value=2), None


# ---- reference_model.network.block ----
# A layer: the core with the matrices, and the controls that are the layer's own.
#
# x <- m0 x + m1 x0; x <- x + a attention(s rms(x)); x <- x + b mlp(s rms(x)), with m, a and b per channel and s
# a constant of the layer, 1/sqrt(l+1) or 1 (main; LN scale and the split into cores and controls from PR #461,
# where layers share cores).
#
# Shapes: B batch, T time, Q the final positions that are asked for, D model, E values.


class BlockCore(nn.Module):
    """Attention and MLP weights, possibly of several layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attn = CausalSelfAttention(config)
        self.mlp = MLP(config)


class LayerControls(nn.Module):
    """Factors per channel of one layer: how x mixes with x0, and how much attention and MLP add."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        dim = config.model_dim
        self.attn_scale = nn.Parameter(torch.ones(dim))
        self.mlp_scale = nn.Parameter(torch.ones(dim))
        self.resid_mix = nn.Parameter(torch.stack((torch.ones(dim), torch.zeros(dim))))
        self.norm_scale = (1.0 / math.sqrt(layer + 1))

    def forward(
        self, x_BTD: Tensor, x0_BTD: Tensor, core: BlockCore, context: AttentionContext, asked: int
    ) -> tuple[Tensor, Tensor]:
        """Output of the last `asked` positions (B, Q, D) and the raw values of all (B, T, E)."""
        of_x_D, of_start_D = self.resid_mix.to(x_BTD.dtype).unbind()
        x_BTD = torch.addcmul(x0_BTD * of_start_D, x_BTD, of_x_D)
        attention_input_BTD = rms_norm(x_BTD, self.norm_scale)
        if asked < x_BTD.size(1):
            x_BTD = x_BTD[:, -asked:]
        x_BQD, raw_values_BTE = core.attn(attention_input_BTD, context, self.attn_scale, x_BTD)
        return core.mlp(rms_norm(x_BQD, self.norm_scale), self.mlp_scale, x_BQD), raw_values_BTE


# ---- reference_model.network.cross_entropy ----
# Softcapped logits and their cross entropy.
#
# logits = c tanh(raw / c) with raw = h E^T (main: c = 30), loss in nats, at least fp32.
#
# On a CPU the loss of V logits per token costs more in memory traffic than in arithmetic: rows are taken in
# blocks that stay in the cache, and the mean's gradient is computed in the same pass (as fused kernels do, PR
# #1787). Since |logits| <= c, exponentials need no maximum taken out as long as c is moderate.
#
# Shapes: N tokens, D model, V vocabulary.


_BLOCK_ELEMENTS = 1 << 17  # half a megabyte of fp32: logits and their gradient fit a core's cache together


_SAFE_CAP = 40.0  # V exp(40) is far from fp32's 3e38, exp(-40) far from its least normal number


def softcapped(raw: Tensor, cap: float) -> Tensor:
    """Computes cap * tanh(raw / cap)."""
    return cap * torch.tanh(raw / cap)


def softcapped_mean_nll(h_ND: Tensor, head_VD: Tensor, targets_N: Tensor, cap: float) -> Tensor:
    """Mean negative log likelihood of the targets, a scalar in nats."""
    if takes_hand_gradients(h_ND):
        return _HandMeanNll.apply(h_ND, head_VD, targets_N, cap)  # type: ignore[no-any-return, no-untyped-call]
    logits_NV = softcapped(functional.linear(h_ND, head_VD), cap)
    return functional.cross_entropy(logits_NV.to(wide_type(h_ND.dtype)), targets_N)


def softcapped_nll(h_ND: Tensor, head_VD: Tensor, targets_N: Tensor, cap: float) -> Tensor:
    """Negative log likelihood of every target, (N), in nats."""
    if takes_hand_gradients(h_ND) and not torch.is_grad_enabled():
        return _blockwise_nll(h_ND, head_VD, targets_N, cap)
    logits_NV = softcapped(functional.linear(h_ND, head_VD), cap)
    return functional.cross_entropy(logits_NV.to(wide_type(h_ND.dtype)), targets_N, reduction="none")


class _HandMeanNll(torch.autograd.Function):
    """d raw = (softmax - one-hot) (1 - tanh^2) / N, formed block by block in the forward pass."""

    @staticmethod
    def forward(ctx: Any, h_ND: Tensor, head_VD: Tensor, targets_N: Tensor, cap: float) -> Tensor:
        ctx.types = h_ND.dtype, head_VD.dtype
        if not any(ctx.needs_input_grad):
            return _blockwise_nll(h_ND, head_VD, targets_N, cap).mean()
        wide = wide_type(h_ND.dtype)
        head_VD = head_VD.to(wide)
        d_h_ND = torch.empty_like(h_ND, dtype=wide)
        d_head_VD = torch.zeros_like(head_VD)
        total = torch.zeros((), dtype=wide)
        share = 1.0 / h_ND.size(0)
        for rows in _blocks(h_ND.size(0), head_VD.size(0)):
            h, targets_n1 = h_ND[rows].to(wide), targets_N[rows, None]
            tanh, exp, sums, nll = _block_nll(h, head_VD, targets_n1, cap)
            total += nll.sum()
            exp.mul_(share / sums)
            exp.scatter_add_(1, targets_n1, exp.new_full((1, 1), -share).expand_as(targets_n1))
            exp.mul_(tanh.square_().neg_().add_(1))
            torch.mm(exp, head_VD, out=d_h_ND[rows])
            d_head_VD.addmm_(exp.t(), h)
        ctx.save_for_backward(d_h_ND, d_head_VD)
        return total * share

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        d_h_ND, d_head_VD = ctx.saved_tensors
        h_type, head_type = ctx.types
        return (d_h_ND * grads[0]).to(h_type), (d_head_VD * grads[0]).to(head_type), None, None


def _blockwise_nll(h_ND: Tensor, head_VD: Tensor, targets_N: Tensor, cap: float) -> Tensor:
    wide = wide_type(h_ND.dtype)
    head_VD = head_VD.to(wide)
    nll_N = torch.empty(h_ND.size(0), dtype=wide)
    for rows in _blocks(h_ND.size(0), head_VD.size(0)):
        nll_N[rows] = _block_nll(h_ND[rows].to(wide), head_VD, targets_N[rows, None], cap)[3].squeeze(1)
    return nll_N


def _blocks(rows: int, vocabulary: int) -> list[slice]:
    size = max(16, _BLOCK_ELEMENTS // vocabulary)
    return [slice(first, min(first + size, rows)) for first in range(0, rows, size)]


def _block_nll(
    h_nD: Tensor, head_VD: Tensor, targets_n1: Tensor, cap: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """tanh(raw / cap) (n, V), shifted exponentials (n, V), their sums (n, 1) and the nll (n, 1)."""
    with torch.autocast("cpu", enabled=False):  # a narrower product would round the logits
        tanh = torch.mm(h_nD, head_VD.t()).mul_(1.0 / cap).tanh_()
    logits = tanh * cap
    of_targets = logits.gather(1, targets_n1)
    if cap > _SAFE_CAP:
        highest = logits.amax(dim=1, keepdim=True)
        logits -= highest
        of_targets -= highest
    exp = logits.exp_()
    sums = exp.sum(dim=1, keepdim=True)
    return tanh, exp, sums, sums.log().sub_(of_targets)


# ---- reference_model.network.gpt ----
# The language model: embeddings, layers with U-Net skips, softcapped head.
#
# x = rms(embedding + bigram), smeared; x0 = x. The first half of the layers push their output, the second half
# pop one each before they run, scaled per channel. logits = c tanh(rms(x) E^T / c) (main; techniques cite their
# source in their own modules). Every technique is a switch of `ModelConfig`; the parameters' names do not
# depend on the preset.
#
# Number formats: matrices are stored fp32 and cast at use, embedding tables are stored bf16 when the model
# computes in bf16, vectors and control tensors stay fp32 (main).
#
# Shapes: B batch, T time, Q the final positions that are asked for, N = B Q, D model, V vocabulary.


_ORTHOGONAL_FROM = 64  # least side of a matrix that starts orthogonal (PR #461)


class GPT(nn.Module):
    """Decoder-only transformer of a `ModelConfig`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.activations: torch.dtype | None = None
        """Number format of the residual stream; None = that of the embedding table."""
        layers, dim = config.num_layers, config.model_dim
        self.tok_emb = nn.Embedding(config.vocab_size, dim)
        self.skip_weights = nn.Parameter(torch.ones(layers // 2, dim))
        self.cores = nn.ModuleList(BlockCore(config) for _ in range(config.num_cores))
        self.blocks = nn.ModuleList(LayerControls(config, layer) for layer in range(layers))
        self.lm_head = None
        self._add_embeddings(config)
        initialize_weights(self)
        self._share_gradients()

    def _add_embeddings(self, config: ModelConfig) -> None:
        self.bigram = BigramHash(config)
        self.smear: nn.Module = ConvexSmear(config)

    def _share_gradients(self) -> None:
        """A core that n layers use learns from the mean of their gradients, not the sum (PR #461)."""
        for index, core in enumerate(self.cores):
            uses = len(range(index, self.config.num_layers, self.config.num_cores))
            for parameter in core.parameters() if uses > 1 else ():
                if parameter.requires_grad:
                    parameter.register_hook(lambda grad, share=1.0 / uses: grad * share)  # type: ignore[no-untyped-call]

    def __setstate__(self, state: dict[str, object]) -> None:
        """Copies and unpickled models get the gradient hooks again, which copying drops."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._share_gradients()

    def forward(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Mean cross entropy of the targets in nats, a scalar of at least fp32."""
        h_BTD = self.hidden(tokens_BT)
        return softcapped_mean_nll(
            h_BTD.flatten(0, 1),
            self.head_weight(h_BTD.dtype),
            targets_BT.flatten(),
            self.config.logit_softcap,
        )

    def logits(self, tokens_BT: Tensor, *, last: int | None = None) -> Tensor:
        """Softcapped logits of all positions, or of the final `last` (1 to T), (B, Q, V) in the activations'
        type.

        With `last` the last layer computes queries, MLP and head for those positions only.
        """
        h_BQD = self.hidden(tokens_BT, last=last)
        raw_BQV = functional.linear(h_BQD, self.head_weight(h_BQD.dtype))
        return softcapped(raw_BQV, self.config.logit_softcap)

    def nll(self, tokens_BT: Tensor, targets_BT: Tensor, *, last: int | None = None) -> Tensor:
        """Negative log likelihood in nats of the targets of all or of the final `last` positions, (B, Q).

        `targets_BT` has the targets of all positions; those that are not asked for are not looked at.
        """
        h_BQD = self.hidden(tokens_BT, last=last)
        targets_BQ = targets_BT[:, -h_BQD.size(1) :]
        nll_N = softcapped_nll(
            h_BQD.flatten(0, 1),
            self.head_weight(h_BQD.dtype),
            targets_BQ.flatten(),
            self.config.logit_softcap,
        )
        return nll_N.view(targets_BQ.shape)

    def head_weight(self, dtype: torch.dtype) -> Tensor:
        """The matrix (V, D) that turns hidden states into raw logits: the token table where tied."""
        weight_VD = self.tok_emb.weight if self.lm_head is None else self.lm_head.weight_in_use()
        return weight_VD.to(dtype)

    def hidden(self, tokens_BT: Tensor, *, last: int | None = None) -> Tensor:
        """Normed output of the last layer for all or for the final `last` positions, (B, Q, D)."""
        config = self.config
        asked = _asked(tokens_BT, last)
        x_BTD = self._embedded(tokens_BT)
        value_embedding = None
        length = tokens_BT.size(1)
        tables = rotary_tables(
            length,
            config.rope_dims or config.head_dim,
            config.rope_base,
            config.rope_train_seq_len,
            tokens_BT.device,
            x_BTD.dtype,
        )
        x0_BTD, first_value = x_BTD, None
        skips: list[Tensor] = []
        for layer, block in enumerate(self.blocks):
            after_half = layer - config.num_layers // 2
            if skips and after_half >= 0:
                weight_D = self.skip_weights[after_half].to(x_BTD.dtype)
                x_BTD = torch.addcmul(x_BTD, skips.pop(), weight_D)
            context = AttentionContext(
                tables,
                self._layer_value_embedding(layer, value_embedding),
                first_value,
                layer in config.xsa_layers,
            )
            kept = self._kept(layer, asked, length)
            core = self.cores[layer % config.num_cores]
            x_BTD, raw_value = block(x_BTD, x0_BTD, core, context, kept)
            if first_value is None:
                first_value = raw_value
            if after_half < 0:
                skips.append(x_BTD)
        return rms_norm(x_BTD[:, -asked:])

    def _kept(self, layer: int, asked: int, length: int) -> int:
        """Final positions of a layer's output that anything later needs."""
        if layer < self.config.num_layers - 1:
            return length
        return asked

    def _layer_value_embedding(self, layer: int, value_embedding: Tensor | None) -> Tensor | None:
        return None

    def _embedded(self, tokens_BT: Tensor) -> Tensor:
        """What enters the first layer, (B, T, D)."""
        x_BTD: Tensor = self.tok_emb(tokens_BT).to(self.activations or self.tok_emb.weight.dtype)
        x_BTD = self.bigram(tokens_BT, x_BTD)
        x_BTD = rms_norm(x_BTD)
        x_BTD = self.smear(x_BTD, tokens_BT)
        return x_BTD


def _asked(tokens_BT: Tensor, last: int | None) -> int:
    length = tokens_BT.size(1)
    if last is not None and not 1 <= last <= length:
        raise ValueError(f"last={last} positions asked of sequences of {length} tokens")
    return last or length


def initialize_weights(model: GPT) -> None:
    """Set the starting weights in place, from torch's global generator.

    Token table N(0, embed_init_std) where it is also the head. Output projections of attention and MLP and an
    untied head start at zero. With ORTHOGONAL, matrices of at least 64 x 64 start orthogonal, other `proj`
    matrices of that size divided by sqrt(2L) (PR #461, #555, #940); the rest keeps torch's default, or what
    its module has set.
    """
    config = model.config
    nn.init.normal_(model.tok_emb.weight, std=config.embed_init_std)
    for name, module in model.named_modules():
        if not isinstance(module, CastedLinear) or module is model.lm_head:
            continue
        if name.endswith(("attn.proj", "mlp.proj")):
            nn.init.zeros_(module.weight)
        elif min(module.weight.shape) >= _ORTHOGONAL_FROM:
            nn.init.orthogonal_(module.weight)
            if name.endswith("proj"):
                module.weight.data.mul_(1.0 / math.sqrt(2 * config.num_layers))


def build_model(config: ModelConfig, *, device: torch.device, compute: ComputeType) -> GPT:
    """A model in its storage formats on a device.

    With BFLOAT16 tables (token, bigram, value and site embeddings, the sidecar's convolution) are bf16;
    matrices, vectors and control tensors are fp32. With FLOAT32 everything is.
    """
    model = GPT(config)
    if compute is ComputeType.BFLOAT16:
        for module in model.modules():
            if isinstance(module, nn.Embedding | nn.Conv1d):
                module.bfloat16()
    model.activations = activation_type(device, compute)
    return model.to(device)


def activation_type(device: torch.device, compute: ComputeType) -> torch.dtype:
    """Number format of activations.

    On a CPU whose instruction set cannot multiply bf16, activations of a BFLOAT16 model are fp32: emulated
    bf16 products take three times as long and are less exact.
    """
    if compute is ComputeType.FLOAT32 or (device.type == "cpu" and not multiplies_bfloat16()):
        return torch.float32
    return torch.bfloat16


def multiplies_bfloat16() -> bool:
    """Whether this CPU has bf16 dot products (AVX512-BF16 or AMX)."""
    tests = (
        getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return any(test() for test in tests if test is not None)


@contextlib.contextmanager
def autocast(device: torch.device, compute: ComputeType) -> Iterator[None]:
    """Around forward passes: matrix products in the activations' format, and on a GPU the fastest attention.

    cuDNN's attention is taken first and flash second: on Hopper it is 1.7 to 2.3 times as fast at equal
    accuracy, and torch's own order does not prefer it.
    """
    with contextlib.ExitStack() as entered:
        if device.type == "cuda":
            from torch.nn.attention import SDPBackend, sdpa_kernel

            order = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION,
                     SDPBackend.MATH]  # fmt: skip
            entered.enter_context(sdpa_kernel(order, set_priority=True))
        if activation_type(device, compute) is torch.bfloat16:
            entered.enter_context(torch.autocast(device.type, dtype=torch.bfloat16))
        yield


# ---- reference_model.artifacts.artifact ----
# The model file of a submission: written so that it fits beside the code, read back with all checks.
#
# Size rule of the challenge: bytes of code plus bytes of compressed model, at most 16,000,000 (README,
# "Submission process"). Sources: export and reload at the end of main() in train_gpt.py on main, PR #461 and
# #940.


_LISTED_DIFFERENCES = 3


_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactReport:
    """What was written: sizes in bytes, the choice that made it, SHA-256 of the file, every try."""

    model_bytes: int
    code_bytes: int
    cap_bytes: int
    fits: bool
    container: Container
    level: int
    int5_layers: tuple[int, ...]
    sha256: str
    tries: tuple[SizeTry, ...]

    @property
    def total_bytes(self) -> int:
        """Model and code together: what the cap is about."""
        return self.model_bytes + self.code_bytes

    @property
    def over_bytes(self) -> int:
        """Bytes over the cap, 0 where it fits."""
        return max(0, self.total_bytes - self.cap_bytes)


def write_artifact(
    path: Path, state: Mapping[str, Tensor], config: Config, *, code_bytes: int, log: Callable[[str], None]
) -> ArtifactReport:
    """Quantise, compress and write `state`; layers become int5 until it fits where the configuration says so.

    A file that does not fit is written all the same: `fits` is false and the log says by how much. The file
    appears under its name complete or not at all. Raises ArtifactError for weights that are nan or infinite,
    or too large for fp16 scales.
    """
    _refuse_infinite_weights(state)
    budget_bytes = config.quantization.artifact_cap_bytes - code_bytes
    fitted = first_that_fits(
        config,
        budget_bytes,
        content_of=lambda int5_layers: _content_of(state, config, int5_layers),
        file_of=lambda content, level: framed(content, config.quantization.container, level),
        log=log,
    )
    with whole_file(path) as file:
        file.write(fitted.file)
    report = _report_of(fitted, config, code_bytes)
    if not fitted.fits:
        log(
            f"WARNING: model {report.model_bytes:,} + code {code_bytes:,} = {report.total_bytes:,} bytes, "
            f"{report.over_bytes:,} over the cap of {report.cap_bytes:,}; shrink the model or the code"
        )
    return report


def read_artifact(path: Path, config: Config) -> dict[str, Tensor]:
    """The weights of an artifact, in the dtypes they had before quantising.

    Raises ArtifactError for a file that is missing, larger than the cap, cut off, damaged, of another format
    version or container, made for another model configuration, or that holds nan or infinite weights. It
    never unfolds more than the configured model needs.
    """
    cap_bytes = config.quantization.artifact_cap_bytes
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would block, a device might never end
            raise ArtifactError(f"{path}: is not a regular file; name the final_model.ptz of a run")
        size_bytes = status.st_size
        if size_bytes > cap_bytes:
            raise ArtifactError(
                f"{path}: {size_bytes:,} bytes, {size_bytes - cap_bytes:,} over the cap of {cap_bytes:,} "
                "before the code is counted; shrink the model"
            )
        file = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: the artifact cannot be read: {error.strerror}") from None
    shapes = expected_shapes(config)
    try:
        content = unpacked_content(unframed(file, _most_content_bytes(shapes)))
        _compare_models(content, config)
        _compare_tensors(content, shapes)
        weights = {
            name: stored.restored(content.dtypes[name]) for name, stored in content.state.tensors.items()
        }
        _refuse_infinite_weights(weights)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None
    return weights


def expected_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the configured model's tensors; takes no memory for them."""
    with torch.device("meta"):
        model = GPT(config.model)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _content_of(state: Mapping[str, Tensor], config: Config, int5_layers: tuple[int, ...]) -> bytes:
    cores = frozenset(layer % config.model.num_cores for layer in int5_layers)
    quantized = quantize_state(state, config.quantization, int5_layers=cores)
    for name, stored in quantized.tensors.items():
        kept = stored.values if stored.scale is None else stored.scale
        if not torch.isfinite(kept).all():
            raise ArtifactError(
                f"tensor {name!r} is too large for {stored.storage.value}: its greatest weight is "
                f"{float(state[name].abs().max()):.3g}, fp16 ends at 65,504; the training diverged"
            )
    dtypes = {name: tensor.dtype for name, tensor in state.items()}
    model = config.as_dict()["model"]
    return packed_content(ArtifactContent(model=model, state=quantized, dtypes=dtypes))


def _report_of(fitted: FittedFile, config: Config, code_bytes: int) -> ArtifactReport:
    last = fitted.tries[-1]
    return ArtifactReport(
        model_bytes=len(fitted.file),
        code_bytes=code_bytes,
        cap_bytes=config.quantization.artifact_cap_bytes,
        fits=fitted.fits,
        container=config.quantization.container,
        level=last.level,
        int5_layers=last.int5_layers,
        sha256=hashlib.sha256(fitted.file).hexdigest(),
        tries=fitted.tries,
    )


def _refuse_infinite_weights(state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ArtifactError(f"tensor {name!r} holds nan or infinite weights; the training diverged")


def _most_content_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    elements = sum(torch.Size(shape).numel() for shape in shapes.values())
    return 8 * elements + HEADER_CAP_BYTES  # no dtype is wider than 8 bytes


def _compare_models(content: ArtifactContent, config: Config) -> None:
    here = config.as_dict()["model"]
    there = content.model
    differing = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    if differing:
        told = [
            f"model.{_shown(name)} is {_shown(there.get(name))} in the file, {here.get(name)} here"
            for name in differing
        ]
        raise ArtifactError("the artifact is of another configuration: " + _first_of(told))


def _compare_tensors(content: ArtifactContent, shapes: Mapping[str, tuple[int, ...]]) -> None:
    there = {name: tuple(stored.values.shape) for name, stored in content.state.tensors.items()}
    told = [f"{name} is missing" for name in shapes if name not in there]
    told += [f"{_shown(name)} is unknown" for name in there if name not in shapes]
    told += [
        f"{name} has the shape {there[name]} instead of {shape}"
        for name, shape in shapes.items()
        if there.get(name, shape) != shape
    ]
    told += [
        f"{name} is restored to {dtype}, which holds no fractions"
        for name, dtype in content.dtypes.items()
        if name in shapes and not dtype.is_floating_point
    ]
    if told:
        raise ArtifactError("the artifact's tensors are not those of the model: " + _first_of(told))


def _shown(value: object) -> str:
    """What a file says of itself, fit for a terminal: at most a line, no control characters."""
    text = str(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _first_of(told: list[str]) -> str:
    listed = "; ".join(told[:_LISTED_DIFFERENCES])
    rest = len(told) - _LISTED_DIFFERENCES
    return f"{listed}; and {rest} more" if rest > 0 else listed


# ---- reference_model.training.export ----
# From trained weights to the artifact, and back from the written file: what is scored is what ships.


ARTIFACT_NAME = "final_model.ptz"


FLOAT_WEIGHTS_NAME = "final_model.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSize:
    """Bytes of code that count towards the cap, and where the number comes from."""

    code_bytes: int
    source: str


def code_size(code: str | None, code_bytes: int | None = None) -> CodeSize:
    """Of the packed script `code`, or as stated; without either, of the modules a script is packed from."""
    if code_bytes is not None:
        return CodeSize(code_bytes=code_bytes, source="as stated")
    if code is not None:
        return CodeSize(code_bytes=len(code.encode("utf-8")), source="packed script")
    package = Path(__file__).parent.parent
    trained_by = [path for path in package.rglob("*.py") if package / "pack" not in path.parents]
    sizes = [path.stat().st_size for path in (*trained_by, *(package.parent / "harness/tokens").glob("*.py"))]
    return CodeSize(
        code_bytes=sum(sizes),
        source=f"{len(sizes)} unpacked sources of reference_model and harness.tokens; pack makes it less",
    )


def export_artifact(
    trained: TrainedModel, config: Config, world: World, log: RunLog, *, out_dir: Path, code_size: CodeSize
) -> tuple[Path, ArtifactReport | None]:
    """Quantise and write the artifact on rank 0 while the others wait; the report is None elsewhere.

    Also keeps the float weights beside it. Raises SetupError when a file cannot be written.
    """
    path = out_dir / ARTIFACT_NAME
    report: ArtifactReport | None = None
    if world.is_main:
        state = in_model_types(trained.exported, trained.model)
        raw_bytes = _write_float_weights(out_dir / FLOAT_WEIGHTS_NAME, state)
        log(f"Serialized model: {raw_bytes} bytes")
        log(f"Code size: {code_size.code_bytes} bytes")
        log(f"code_counted: {code_size.source}")
        try:
            report = write_artifact(path, state, config, code_bytes=code_size.code_bytes, log=log)
        except OSError as error:
            raise SetupError(f"cannot write {path}: {error.strerror}; free some space there") from None
        codec = f"int{config.quantization.mlp_bits}+{config.quantization.container.value}"
        log(f"Serialized model {codec}: {report.model_bytes} bytes")
        log(f"Total submission size {codec}: {report.total_bytes} bytes")
    world.barrier()
    return path, report


def model_of_artifact(path: Path, config: Config, world: World) -> GPT:
    """A model with the weights of the artifact at `path`; ArtifactError when it does not fit `config`."""
    model = build_model(config.model, device=world.device, compute=config.run.compute)
    model.load_state_dict(read_artifact(path, config))
    model.eval()
    return model


def in_model_types(state: dict[str, Tensor], model: GPT) -> dict[str, Tensor]:
    """`state` on the CPU in the storage types of `model`; averages are kept in fp32."""
    like = model.state_dict()
    return {name: tensor.detach().to("cpu", like[name].dtype) for name, tensor in state.items()}


def _write_float_weights(path: Path, state: dict[str, Tensor]) -> int:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    try:
        with whole_file(path) as file:
            file.write(buffer.getbuffer())
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror}; free some space there") from None
    return buffer.getbuffer().nbytes


# ---- harness.tokens.byte_table ----
# How many bytes of text each token stands for: the denominator of bits per byte.
#
# bytes(target) = bytes of its piece + 1 if the piece opens with the space mark and the previous token is no
# boundary.
# Control, unknown and unused tokens are boundaries of 0 bytes; a byte-fallback token is 1 byte.
# Source: build_sentencepiece_luts of train_gpt.py on main of openai/parameter-golf; issue #1719 on the space
# counted once.
#
# Shapes: V vocabulary, N tokens.


SPACE_MARK = "\u2581"  # SentencePiece writes a leading space so


_BYTE_SUM_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ByteTable:
    """Bytes per token id; all arrays have V entries."""

    base_bytes: np.ndarray  # int64: UTF-8 bytes of the piece without its space mark
    has_leading_space: np.ndarray  # bool: the piece opens with the space mark
    is_boundary: np.ndarray  # bool: control, unknown or unused; a space after it is not counted

    @property
    def vocab_size(self) -> int:
        """V, the number of token ids."""
        return int(self.base_bytes.size)

    def byte_counts(self, previous_ids: np.ndarray, target_ids: np.ndarray) -> np.ndarray:
        """Bytes of each target after its previous token: int64, the shape of `target_ids`.

        Raises SetupError for shapes that differ and ids outside the vocabulary.
        """
        if previous_ids.shape != target_ids.shape:
            raise SetupError(
                f"{target_ids.size:,} targets but {previous_ids.size:,} previous tokens; bytes need one each"
            )
        for ids in (previous_ids, target_ids):
            if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= self.vocab_size):
                raise SetupError(
                    f"token ids {ids.min()}..{ids.max()} do not fit a tokenizer of {self.vocab_size:,} "
                    f"pieces; the data was written with another tokenizer"
                )
        counts: np.ndarray = self.base_bytes[target_ids]
        counts += self.has_leading_space[target_ids] & ~self.is_boundary[previous_ids]
        return counts

    def stream_bytes(self, tokens: np.ndarray) -> int:
        """Bytes of every token of a stream but the first, which nothing precedes; memory stays small."""
        total = 0
        for start in range(0, tokens.size - 1, _BYTE_SUM_CHUNK):
            chunk = tokens[start : start + _BYTE_SUM_CHUNK + 1]
            total += int(self.byte_counts(chunk[:-1], chunk[1:]).sum())
        return total


def open_sentencepiece(model_path: Path) -> Any:
    """The SentencePieceProcessor of a model file.

    Raises SetupError where the file is no such model or the package that reads it is not installed.
    """
    try:
        import sentencepiece
    except ImportError as error:
        raise SetupError("sentencepiece is not installed; run: pip install 'golf-harness[model]'") from error
    if not model_path.is_file():
        raise SetupError(f"{model_path}: no such tokenizer file; golf-data demo, prepare and fetch bring one")
    try:
        content = model_path.read_bytes()  # its own reader takes no names that are not UTF-8
        if not content:
            raise SetupError(f"{model_path}: is empty; fetch or make the tokenizer again")
        return sentencepiece.SentencePieceProcessor(model_proto=content)
    except (RuntimeError, OSError) as error:
        raise SetupError(f"{model_path}: is not a SentencePiece model: {error}") from error


def byte_table_of_processor(processor: Any) -> ByteTable:
    """The byte table of an open SentencePieceProcessor, over its whole vocabulary."""
    vocab_size = int(processor.vocab_size())
    base_bytes = np.zeros(vocab_size, dtype=np.int64)
    has_leading_space = np.zeros(vocab_size, dtype=np.bool_)
    is_boundary = np.zeros(vocab_size, dtype=np.bool_)
    for token in range(vocab_size):
        if processor.is_control(token) or processor.is_unknown(token) or processor.is_unused(token):
            is_boundary[token] = True
        elif processor.is_byte(token):
            base_bytes[token] = 1
        else:
            piece = processor.id_to_piece(token)
            has_leading_space[token] = piece.startswith(SPACE_MARK)
            base_bytes[token] = len(piece.removeprefix(SPACE_MARK).encode())
    return ByteTable(base_bytes=base_bytes, has_leading_space=has_leading_space, is_boundary=is_boundary)


def byte_table_of_sentencepiece(model_path: Path, vocab_size: int) -> ByteTable:
    """The byte table of a SentencePiece model file.

    Raises SetupError where the file is no such model, its vocabulary is not `vocab_size`, or the package
    that reads it is not installed.
    """
    table = byte_table_of_processor(open_sentencepiece(model_path))
    if table.vocab_size != vocab_size:
        raise SetupError(
            f"{model_path}: holds {table.vocab_size:,} pieces, but the configuration says {vocab_size:,}; "
            f"use the tokenizer that wrote the data"
        )
    return table


# ---- harness.tokens.shard_file ----
# Token shards of the challenge: 256 little-endian int32 of header (magic, version, count), then uint16.
#
# Sources: data/README.md and data/download_hf_docs_and_tokenize.py of openai/parameter-golf (the writer),
# load_data_shard of its train_gpt.py (the reader). Every claim of a header is held against the size of the file
# before anything is allocated by it.


SHARD_MAGIC = 20240520  # data/download_hf_docs_and_tokenize.py: DATAFILE_MAGIC


SHARD_VERSION = 1


SHARD_HEADER_INTS = 256


SHARD_HEADER_BYTES = SHARD_HEADER_INTS * 4


SHARD_TOKEN_BYTES = 2


def shard_paths(data_dir: Path, split: str) -> list[Path]:
    """The shards fineweb_{split}_*.bin of a folder in the order of their names; split is "train" or "val".

    Raises SetupError where the folder is missing or holds none.
    """
    if not data_dir.is_dir():
        raise SetupError(f"{data_dir}: no such data folder; make one with: golf-data demo --out {data_dir}")
    paths = sorted(data_dir.glob(f"fineweb_{split}_*.bin"))
    if not paths:
        raise SetupError(
            f"{data_dir}: holds no fineweb_{split}_*.bin; point to a folder made by golf-data "
            f"(demo, prepare or fetch)"
        )
    return paths


def _shard_size(path: Path) -> int:
    """The size of a shard in bytes; nothing but a regular file is opened (a pipe would block)."""
    try:
        status = path.stat()
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise SetupError(f"{path}: is not a regular file; a shard is a file of tokens")
    return status.st_size


def shard_token_count(path: Path) -> int:
    """How many tokens a shard holds, by its header and its size; the tokens are not read.

    Raises SetupError where the header is not that of a shard or disagrees with the size of the file.
    """
    size = _shard_size(path)
    if size < SHARD_HEADER_BYTES:
        raise SetupError(
            f"{path}: is {size:,} bytes, shorter than the {SHARD_HEADER_BYTES:,} bytes of a shard header; "
            f"the download or export was cut short"
        )
    try:
        header = np.fromfile(path, dtype="<i4", count=3)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror or error}") from error
    magic, version, count = (int(word) for word in header)
    if magic != SHARD_MAGIC:
        raise SetupError(f"{path}: magic number is {magic}, not {SHARD_MAGIC}: this is not a token shard")
    if version != SHARD_VERSION:
        raise SetupError(f"{path}: shard format version {version}; only version {SHARD_VERSION} is known")
    if count < 0:
        raise SetupError(f"{path}: header claims {count:,} tokens; the file is damaged")
    expected = SHARD_HEADER_BYTES + count * SHARD_TOKEN_BYTES
    if size != expected:
        what = "cut short" if size < expected else "too long"
        raise SetupError(
            f"{path}: {what}: header claims {count:,} tokens = {expected:,} bytes, the file has {size:,} "
            f"({size - expected:+,}); fetch or prepare it again"
        )
    return count


def read_shard(path: Path) -> np.ndarray:
    """The tokens of a shard: uint16, one dimension.

    Raises SetupError where the file is not a whole shard.
    """
    count = shard_token_count(path)
    tokens = np.fromfile(path, dtype="<u2", count=count, offset=SHARD_HEADER_BYTES)
    if tokens.size != count:
        raise SetupError(f"{path}: {tokens.size:,} of {count:,} tokens read; the file changed meanwhile")
    return tokens.astype(np.uint16, copy=False)


# ---- harness.tokens.validation_stream ----
# The validation split as one whole stream of tokens: how much of its tail is scored is the evaluator's part.
#
# Source: load_validation_tokens of train_gpt.py on main of openai/parameter-golf, which joins the shards in the
# order of their names and cuts the stream to whole sequences; here the tail is kept.


def load_validation_tokens(data_dir: Path, *, seq_len: int, vocab_size: int) -> np.ndarray:
    """Every validation token, uint16, one dimension; at least `seq_len` + 1 of them, each below `vocab_size`.

    Raises SetupError where the split is missing, damaged, shorter than one sequence and its last target, or
    written with a larger vocabulary.
    """
    paths = shard_paths(data_dir, "val")
    shards = []
    for path in paths:
        tokens = read_shard(path)
        if tokens.size and int(tokens.max()) >= vocab_size:
            raise SetupError(
                f"{path}: token id {int(tokens.max()):,} at position {int(tokens.argmax()):,} is outside the "
                f"vocabulary of {vocab_size:,}; the data was written with another tokenizer"
            )
        shards.append(tokens)
    stream: np.ndarray = np.concatenate(shards)
    if stream.size < seq_len + 1:
        raise SetupError(
            f"{data_dir}: the validation split has {stream.size:,} tokens, one sequence of {seq_len:,} needs "
            f"{seq_len + 1:,}; use more validation documents or a shorter sequence"
        )
    return stream


# ---- reference_model.training.run_data ----
# The data folder of a run: training shards, validation stream, and the bytes behind each token.


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationData:
    """Tokens (whole numbers, one dimension) and the byte table of their tokenizer."""

    tokens: np.ndarray
    table: ByteTable
    tokenizer: Path
    stream: EvaluatorStream | None = None
    """What hands the tokens out, where an evaluator owns the score."""


def open_validation(
    config: Config, data_dir: Path, tokenizer: Path | None = None, stream: EvaluatorStream | None = None
) -> ValidationData:
    """The validation split of `data_dir`, or what `stream` hands out instead of it.

    Raises SetupError when shards or tokenizer are missing or disagree.
    """
    if stream is not None:
        tokens: np.ndarray = stream.tokens
    else:
        tokens = load_validation_tokens(
            data_dir,
            seq_len=max(config.data.train_seq_len, config.evaluation.eval_seq_len),
            vocab_size=config.model.vocab_size,
        )
    tokenizer = tokenizer or found_tokenizer(data_dir, config.model.vocab_size)
    table = byte_table_of_sentencepiece(tokenizer, config.model.vocab_size)
    return ValidationData(tokens=tokens, table=table, tokenizer=tokenizer, stream=stream)


def found_tokenizer(data_dir: Path, vocab_size: int) -> Path:
    """The SentencePiece model that belongs to shards in `data_dir`.

    Looked for there, in its `tokenizers` folder and in that of the folders above (data/datasets/NAME beside
    data/tokenizers, as the challenge lays them out); of several the one named after the vocabulary.
    Raises SetupError when there is none, or no single one.
    """
    home = data_dir.resolve()
    places = [home, home / "tokenizers", home.parent / "tokenizers", home.parent.parent / "tokenizers"]
    for place in places:
        models = sorted(place.glob("*.model"))
        named = [path for path in models if str(vocab_size) in path.stem]
        if len(models) == 1 or len(named) == 1:
            return models[0] if len(models) == 1 else named[0]
        if models:
            names = ", ".join(path.name for path in models)
            raise SetupError(
                f"{place} holds several tokenizers ({names}); choose one with --tokenizer FILE "
                "(a packed script: TOKENIZER_PATH=FILE)"
            )
    looked = ", ".join(str(place) for place in places)
    raise SetupError(
        f"no tokenizer (*.model) in {looked}; name it with --tokenizer FILE "
        "(a packed script: TOKENIZER_PATH=FILE)"
    )


def log_data(log: RunLog, data_dir: Path, validation: ValidationData | None, *, trains: bool = True) -> None:
    """The lines that say which data the run reads; `tokens` are predicted ones, one fewer than there are."""
    if validation is not None:
        tokenizer, here = validation.tokenizer, Path.cwd()
        if tokenizer.is_relative_to(here):  # a log that is published need not tell where it was made
            tokenizer = tokenizer.relative_to(here)
        log(f"val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path={tokenizer}")
    if trains:
        shards = shard_paths(data_dir, "train")
        log(f"train_loader:dataset:{data_dir.resolve().name} train_shards:{len(shards)}")
    if validation is not None and validation.stream is not None:
        log(f"val_loader:evaluator tokens:{validation.tokens.size - 1}")
    elif validation is not None:
        pattern = data_dir / "fineweb_val_*.bin"
        log(f"val_loader:shards pattern={pattern} tokens:{validation.tokens.size - 1}")


# ---- reference_model.optimizers.newton_schulz ----
# Newton-Schulz iteration: the nearest orthogonal matrix by products alone, for batches of matrices.
#
# Sources: quintic of Muon (Jordan et al. 2024) as in the challenge's `train_gpt.py`; Polar Express (arXiv
# 2505.16932). In bf16 the rounding order is that of the originals, so that their updates come out bit for bit
# on a CPU.
#
# Legend: N matrices of one shape, R rows, C columns, S the smaller of R and C.


# Jordan's quintic: fast growth of small singular values, ends between 0.7 and 1.2 rather than at 1.
QUINTIC_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


# One triple per iteration, each the best for the interval the one before leaves (arXiv 2505.16932; values of
# PR #1344).
POLAR_EXPRESS_COEFFICIENTS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


def iteration_coefficients(kind: NewtonSchulz, steps: int) -> tuple[Triple, ...]:
    """The triple of every iteration; Polar Express repeats its last one beyond five."""
    if kind is NewtonSchulz.QUINTIC:
        return (QUINTIC_COEFFICIENTS,) * steps
    known = POLAR_EXPRESS_COEFFICIENTS
    return tuple(known[min(index, len(known) - 1)] for index in range(steps))


def newton_schulz(matrices_NRC: Tensor, coefficients: Sequence[Triple], dtype: torch.dtype) -> Tensor:
    """Nearest (semi-)orthogonal matrix of each, about: singular values are pulled to 1, directions stay.

    Each matrix is scaled to Frobenius norm 1, then X <- a X + (b A + c A A) X with A = X X^T once per triple.
    Zero matrices stay zero. Works in `dtype` and returns a contiguous N x R x C tensor of it.
    """
    tall = matrices_NRC.size(-2) > matrices_NRC.size(-1)
    x = matrices_NRC.to(dtype)
    if tall:  # the products are over the longer side, so A is S x S
        x = x.mT.contiguous()
    x = x / (torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True) + 1e-7)
    for a, b, c in coefficients:
        gram_NSS = x @ x.mT
        if dtype is torch.bfloat16:  # every term rounded on its own, as the originals round
            x = a * x + (b * gram_NSS + (c * gram_NSS) @ gram_NSS) @ x
        else:
            polynomial_NSS = torch.baddbmm(gram_NSS, gram_NSS, gram_NSS, beta=b, alpha=c)
            x = torch.baddbmm(x, polynomial_NSS, x, beta=a)
    return x.mT.contiguous() if tall else x


# ---- reference_model.optimizers.muon ----
# Muon: momentum, orthogonalised, for the matrices of the model; on several ranks each steps a share of them.
#
# Sources: Muon (Jordan et al. 2024) with Nesterov momentum as in the challenge's `train_gpt.py`; decoupled
# weight decay as in PR #461. Matrices of one shape are stepped as one stack: a batch of small products costs
# less than as many single ones.
#
# Legend: N matrices of one shape, R rows, C columns.


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixStack:
    """Matrices of one shape that one rank steps: their names (None = padding) and momentum."""

    names: tuple[str | None, ...]
    momenta: Tensor
    """N x R x C, fp32 as the gradients."""

    def nesterov_(self, gradient_NRC: Tensor, momentum: float) -> Tensor:
        """Take in a gradient, which is overwritten with gradient + momentum * (new momentum) and returned."""
        self.momenta.mul_(momentum).add_(gradient_NRC)
        return gradient_NRC.add_(self.momenta, alpha=momentum)


class StackedMuon(ABC):
    """What both ways of sharing matrices among ranks have in common: stacks, norms, iteration, momentum."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        config: OptimizerConfig,
        world: World,
        *,
        dtype: torch.dtype,
        compiled: bool,
    ) -> None:
        """`dtype`: of the iteration and of what ranks exchange. `compiled`: torch.compile the iteration."""
        self._parameters = dict(parameters)
        self._world = world
        self._dtype = dtype
        self._weight_decay = config.muon_wd
        self._coefficients = iteration_coefficients(config.newton_schulz, config.muon_backend_steps)
        self._orthogonalize: Callable[[Tensor, Sequence[Triple], torch.dtype], Tensor] = (
            torch.compile(newton_schulz, dynamic=False) if compiled else newton_schulz
        )
        self._stacks: list[MatrixStack] = []  # this rank's share
        self._places: Tensor | None = None
        self._gradients: list[Tensor] = []  # averaged, one per stack, between send_gradients and send_updates

    def _update(self, stack: MatrixStack, gradient_NRC: Tensor, momentum: float) -> Tensor:
        """Orthogonalised update, larger for matrices with more rows than columns, in the exchanged dtype."""
        rows, columns = gradient_NRC.shape[-2:]
        direction_NRC = stack.nesterov_(gradient_NRC, momentum)
        update_NRC = self._orthogonalize(direction_NRC, self._coefficients, self._dtype)
        return update_NRC.mul_((rows / columns) ** 0.5) if rows > columns else update_NRC

    @abstractmethod
    def _receive_gradients(self) -> list[Tensor]:
        """The averaged gradients of this rank's stacks, which may be overwritten."""

    @torch.no_grad()
    def gradient_norms(self) -> Tensor:
        """Norm of every matrix's averaged gradient, in the order of the parameters, alike on every rank."""
        self._gradients = self._receive_gradients()
        slices = [
            gradient_RC
            for stack, gradient_NRC in zip(self._stacks, self._gradients, strict=True)
            for name, gradient_RC in zip(stack.names, gradient_NRC, strict=True)
            if name is not None
        ]
        norms = torch.zeros(len(self._parameters), device=self._world.device)
        if slices:
            norms[self._places_of_slices()] = torch.stack(torch._foreach_norm(slices)).to(norms.dtype)
        return self._world.sum_(norms)

    def _places_of_slices(self) -> Tensor:
        """Index among the parameters of every owned slice; made once, as a copy to a GPU waits for it."""
        if self._places is None:
            order = {name: index for index, name in enumerate(self._parameters)}
            owned = [order[name] for stack in self._stacks for name in stack.names if name is not None]
            self._places = torch.tensor(owned, device=self._world.device)
        return self._places

    def _scaled_gradients(self, gradient_scale: Tensor | None) -> list[Tensor]:
        gradients, self._gradients = self._gradients, []
        if gradient_scale is not None and gradients:
            torch._foreach_mul_(gradients, gradient_scale)
        return gradients

    def _decay_and_subtract(self, parameters: list[Tensor], updates: list[Tensor], lr: float) -> None:
        if self._weight_decay:
            torch._foreach_mul_(parameters, 1.0 - lr * self._weight_decay)
        torch._foreach_add_(parameters, updates, alpha=-lr)

    def momentum_by_name(self) -> dict[str, Tensor]:
        """Copies of the momentum of every matrix, put together from all ranks; every rank must ask."""
        gathered = {name: torch.zeros_like(p.detach()) for name, p in self._parameters.items()}
        for name, momentum_RC in self._owned_momentum():
            gathered[name].copy_(momentum_RC)
        for tensor in gathered.values():
            self._world.sum_(tensor)
        return gathered

    def load_momentum(self, saved: Mapping[str, Tensor]) -> None:
        """Take up momentum saved with any number of ranks; raises ConfigError on other names or shapes."""
        for name, parameter in self._parameters.items():
            if name not in saved or saved[name].shape != parameter.shape:
                found = tuple(saved[name].shape) if name in saved else "nothing"
                raise ConfigError(
                    f"the saved optimiser holds {found} for the momentum of {name}, the model needs "
                    f"{tuple(parameter.shape)}: resume with the configuration of the checkpoint"
                )
        for name, momentum_RC in self._owned_momentum():
            momentum_RC.copy_(saved[name])

    def _owned_momentum(self) -> list[tuple[str, Tensor]]:
        return [
            (name, momentum_RC)
            for stack in self._stacks
            for name, momentum_RC in zip(stack.names, stack.momenta, strict=True)
            if name is not None
        ]


class Muon(StackedMuon):
    """Parameter i belongs to rank i mod W; gradients and updates are all-reduced, each as one flat buffer."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        config: OptimizerConfig,
        world: World,
        *,
        dtype: torch.dtype = torch.bfloat16,
        compiled: bool = False,
    ) -> None:
        """`dtype`: of the iteration and of the exchanged updates. `compiled`: torch.compile the iteration."""
        super().__init__(parameters, config, world, dtype=dtype, compiled=compiled)
        names = list(self._parameters)
        self._stacks = [
            MatrixStack(
                names=tuple(members),
                momenta=torch.zeros_like(torch.stack([self._parameters[each].detach() for each in members])),
            )
            for members in names_by_shape(self._parameters, names[world.rank :: world.size]).values()
        ]
        self._sizes = [parameter.numel() for parameter in self._parameters.values()]
        self._pending: dist.Work | None = None
        self._flat: Tensor | None = None
        self._updates: dict[str, Tensor] = {}

    @torch.no_grad()
    def send_gradients(self) -> None:
        """Start averaging the gradients over the ranks."""
        if self._world.size > 1 and self._parameters:
            self._flat = torch.cat([gradient_of(p).reshape(-1) for p in self._parameters.values()])
            self._pending = dist.all_reduce(self._flat, async_op=True)

    def _receive_gradients(self) -> list[Tensor]:
        if self._flat is None:
            gradients = {name: gradient_of(p) for name, p in self._parameters.items()}
        else:
            wait_for(self._pending)
            gradients = self._by_name(self._flat.div_(self._world.size))
        return [
            torch.stack([gradients[name] for name in stack.names if name is not None])
            for stack in self._stacks
        ]

    @torch.no_grad()
    def send_updates(self, *, momentum: float, gradient_scale: Tensor | None) -> None:
        """Momentum and orthogonalisation of this rank's share, each gradient times `gradient_scale`."""
        updates: dict[str, Tensor] = {}
        for stack, gradient_NRC in zip(self._stacks, self._scaled_gradients(gradient_scale), strict=True):
            update_NRC = self._update(stack, gradient_NRC, momentum)
            update_NRC = update_NRC if self._flat is not None else update_NRC.to(stack.momenta.dtype)
            updates |= {name: each for name, each in zip(stack.names, update_NRC, strict=True) if name}
        if self._flat is None:
            self._updates = updates
            return
        self._flat = torch.zeros_like(self._flat, dtype=self._dtype)
        slots = self._by_name(self._flat)
        if updates:
            torch._foreach_copy_([slots[name] for name in updates], list(updates.values()))
        self._pending = dist.all_reduce(self._flat, async_op=True)

    @torch.no_grad()
    def apply_updates(self, *, lr: float) -> None:
        """Decay the matrices by lr * weight decay, then subtract lr * update."""
        if self._flat is not None:
            wait_for(self._pending)
            self._updates, self._flat = self._by_name(self._flat.float()), None
        if self._updates:
            parameters: list[Tensor] = list(self._parameters.values())
            updates = [self._updates[name].to(p.dtype) for name, p in self._parameters.items()]
            self._decay_and_subtract(parameters, updates, lr)
        self._updates = {}

    def _by_name(self, flat: Tensor) -> dict[str, Tensor]:
        return {
            name: part.view_as(parameter)
            for (name, parameter), part in zip(
                self._parameters.items(), torch.split(flat, self._sizes), strict=True
            )
        }


def names_by_shape(
    parameters: Mapping[str, nn.Parameter], names: Sequence[str]
) -> dict[tuple[int, ...], list[str]]:
    """The names of each shape, in order."""
    shapes: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name in names:
        shapes[tuple(parameters[name].shape)].append(name)
    return dict(shapes)


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """The gradient, or zeros where the loss did not depend on the parameter."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def wait_for(work: dist.Work | None) -> None:
    """Until a collective started with async_op has its result."""
    if work is not None:
        work.wait()


# ---- reference_model.optimizers.optimizer_groups ----
# Which optimiser steps which parameter, and one training step of all of them.
#
# The partition of the challenge's `train_gpt.py`, decided by name and shape alone:
#
# 1. `lm_head.weight` (untied output): AdamW without weight decay, `head_lr`.
# 2. tables indexed by token or bigram (`tok_emb`, `bigram.embed`, `ve_shared.embed`): AdamW, `token_lr`.
# 3. other 2-D tensors, unless their name marks gains, mixes or gates (`CONTROL_NAME_PARTS`): Muon, `matrix_lr`.
# The
#    3 x 48 site embedding of PR #555's sidecar is among them, as there; PR #940's attention gate is not.
# 4. everything else (vectors, scalars, gains, the sidecar's 3-D convolution): AdamW, `scalar_lr`.
#
# The baseline uses Adam, which is AdamW with weight decay 0.


TOKEN_TABLES = ("tok_emb.weight", "bigram.embed.weight", "ve_shared.embed.weight")


OUTPUT_HEAD = "lm_head.weight"


# 2-D tensors with one of these in their name scale or gate; orthogonalising them would make no sense.
CONTROL_NAME_PARTS = (
    "attn_scale", "mlp_scale", "resid_mix", "q_gain", "skip_weights", "smear", "vr_lambda", "attn_gate",
    "shared_sparse_scale",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterGroups:
    """Every trained parameter by name, in exactly one of four groups."""

    matrix: Mapping[str, nn.Parameter]
    scalar: Mapping[str, nn.Parameter]
    token: Mapping[str, nn.Parameter]
    head: Mapping[str, nn.Parameter]
    names: tuple[str, ...]
    """Of all groups, in the order of the model."""

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Per group: tensors and elements."""
        groups = {"matrix": self.matrix, "scalar": self.scalar, "token": self.token, "head": self.head}
        return {
            name: (len(group), sum(parameter.numel() for parameter in group.values()))
            for name, group in groups.items()
        }


def grouped_parameters(model: nn.Module) -> ParameterGroups:
    """Sort the parameters that take gradients by the rule above; empty ones belong to no group."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad and p.numel()}
    groups: dict[str, dict[str, nn.Parameter]] = {"matrix": {}, "scalar": {}, "token": {}, "head": {}}
    for name, parameter in trained.items():
        groups[_group_of(name, parameter)][name] = parameter
    return ParameterGroups(**groups, names=tuple(trained))


def _group_of(name: str, parameter: nn.Parameter) -> str:
    if name == OUTPUT_HEAD:
        return "head"
    if name in TOKEN_TABLES:
        return "token"
    if parameter.ndim == 2 and not any(part in name for part in CONTROL_NAME_PARTS):
        return "matrix"
    return "scalar"


class Optimizers:
    """Muon for the matrices and AdamW for the rest, with averaging over the ranks and clipping.

    Gradients are averaged here, so that the model must not be wrapped in DistributedDataParallel; gradients
    of micro-batches may simply accumulate in `.grad` before a step.
    """

    def __init__(
        self,
        groups: ParameterGroups,
        matrices: MatrixStepper,
        adamw: torch.optim.AdamW,
        *,
        config: OptimizerConfig,
        world: World,
    ) -> None:
        self.groups = groups
        self._matrices = matrices
        self._adamw = adamw
        self._config = config
        self._world = world
        self._replicated = {**groups.scalar, **groups.token, **groups.head}

    @torch.no_grad()
    def step(self, *, lr_scale: float, momentum: float) -> Tensor:
        """One step of every group at its learning rate times `lr_scale`, Muon with this momentum.

        Gradients are averaged over the ranks and clipped together to `grad_clip_norm` first. Returns their
        global norm before clipping (fp32 scalar, the same on every rank).
        """
        self._matrices.send_gradients()
        gradients = average_gradients(list(self._replicated.values()), self._world)
        norm = self._global_norm(self._matrices.gradient_norms())
        clipping = self._clip_factor(norm)
        if clipping is not None and gradients:
            torch._foreach_mul_(gradients, clipping)
        self._matrices.send_updates(momentum=momentum, gradient_scale=clipping)
        for group in self._adamw.param_groups:
            group["lr"] = group["base_lr"] * lr_scale
        self._adamw.step()  # while the updates of the matrices are on their way
        self._matrices.apply_updates(lr=self._config.matrix_lr * lr_scale)
        return norm

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for group in (self.groups.matrix, self.groups.scalar, self.groups.token, self.groups.head):
            for parameter in group.values():
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Copies of all momenta and moments; independent of the number of ranks. Every rank must ask."""
        return {
            "muon_momentum": self._matrices.momentum_by_name(),
            "adamw": copy.deepcopy(self._adamw.state_dict()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on bit-equally where `state_dict` was taken; raises ConfigError for another model's."""
        self._matrices.load_momentum(state["muon_momentum"])
        try:
            self._adamw.load_state_dict(copy.deepcopy(state["adamw"]))
        except ValueError as error:  # groups of another length
            raise ConfigError(
                f"the saved AdamW state does not fit the model ({error}): "
                "resume with the configuration of the checkpoint"
            ) from None

    def _global_norm(self, matrix_norms: Tensor) -> Tensor:
        """Norm of the tensors' norms, those of bf16 gradients in bf16, as torch's `clip_grad_norm_`."""
        norm_of = dict(zip(self.groups.matrix, matrix_norms.unbind(), strict=True))
        present = {name: p.grad for name, p in self._replicated.items() if p.grad is not None}
        norm_of |= (
            dict(zip(present, torch._foreach_norm(list(present.values())), strict=True)) if present else {}
        )
        # The order of the model, so that the sum has the bits of the originals'.
        norms = [norm_of[name].float() for name in self.groups.names if name in norm_of]
        return torch.stack(norms).norm() if norms else torch.zeros((), device=self._world.device)

    def _clip_factor(self, norm: Tensor) -> Tensor | None:
        limit = self._config.grad_clip_norm
        return (limit / (norm + 1e-6)).clamp(max=1.0) if limit else None


def build_optimizers(
    model: nn.Module,
    config: OptimizerConfig,
    world: World,
    *,
    matrix_dtype: torch.dtype = torch.bfloat16,
    compile_newton_schulz: bool = False,
) -> Optimizers:
    """Optimisers for all parameters of `model` that take gradients, in their initial state.

    matrix_dtype: number format of Muon's iteration and of what ranks exchange about matrices; bf16 as the
    originals. compile_newton_schulz: torch.compile the iteration; nothing depends on it but speed.
    """
    groups = grouped_parameters(model)
    matrices: MatrixStepper
    matrices = Muon(groups.matrix, config, world, dtype=matrix_dtype, compiled=compile_newton_schulz)
    return Optimizers(groups, matrices, _adamw_of(groups, config), config=config, world=world)


def _adamw_of(groups: ParameterGroups, config: OptimizerConfig) -> torch.optim.AdamW:
    settings = (
        (groups.scalar, config.scalar_lr, config.adam_wd),
        (groups.token, config.token_lr, config.adam_wd),
        (groups.head, config.head_lr, 0.0),
    )
    return torch.optim.AdamW(
        [
            {"params": list(group.values()), "lr": lr, "base_lr": lr, "weight_decay": decay}
            for group, lr, decay in settings
        ],
        betas=(config.beta1, config.beta2),
        eps=config.adam_eps,
        fused=True,
    )


def average_gradients(parameters: Sequence[nn.Parameter], world: World) -> list[Tensor]:
    """Average gradients over the ranks in place, one flat buffer per number format; returns those there are.

    A parameter without gradient (on every rank alike) keeps none, so that its optimiser leaves it alone.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if world.size == 1:
        return gradients
    by_dtype: dict[torch.dtype, list[Tensor]] = defaultdict(list)
    for gradient in gradients:
        by_dtype[gradient.dtype].append(gradient)
    for members in by_dtype.values():
        flat = torch.cat([gradient.reshape(-1) for gradient in members])
        dist.all_reduce(flat)
        parts = torch.split(flat.div_(world.size), [gradient.numel() for gradient in members])
        torch._foreach_copy_(members, [part.view_as(g) for part, g in zip(parts, members, strict=True)])
    return gradients


# ---- reference_model.training.checkpoint ----
# Resumable checkpoints: everything a run needs to go on as if it had never stopped, in one file.
#
# The file is replaced as a whole and read with `weights_only`, so it can neither be half-written nor run code.
# It holds tensors and plain values only: weights, optimisers, averages, position in the token stream, step,
# training clock, random state, configuration. Nothing of it depends on the number of ranks.


CHECKPOINT_FORMAT = 1


# What may differ between the run that stopped and the one that goes on: where data lies, how often to report,
# how to compute, and everything that begins after training.
_FREE_TO_CHANGE = {
    "name",
    "data.data_path",
    "data.tokenizer_path",
    "schedule.val_loss_every",
    "schedule.train_log_every",
    "schedule.checkpoint_every",
    "schedule.warmup_steps",
    "quantization.artifact_cap_bytes",
    "quantization.container",
    "quantization.levels",
    "quantization.auto_downgrade",
    "quantization.prune_fraction",
    "run.compile",
    "run.compile_cpu",
}


_COMMENT_LENGTH = struct.Struct("<H")


_SEAL_BYTES = 64  # SHA-256 in hex


_READ_BYTES = 1 << 20


# What torch and pickle raise for bytes that are no checkpoint.
_UNREADABLE = (
    RuntimeError, EOFError, LookupError, TypeError, AttributeError, ValueError, OSError, ArithmeticError,
    AssertionError, MemoryError, struct.error, pickle.UnpicklingError,
)  # fmt: skip


_GROUPS_AFTER_TRAINING = ("evaluation", "ttt", "ngram")


@dataclass(kw_only=True)
class Checkpoint:
    """State between two steps; `elapsed_ms` is the training clock."""

    step: int
    elapsed_ms: float
    loader_position: int
    stream_tokens: int
    """Tokens of all training shards together; another number means other data."""
    model: dict[str, Tensor]
    optimizers: dict[str, Any]
    averages: dict[str, Any] = field(default_factory=dict)
    fake_quantization: bool = False
    stopped_by_clock: bool = False
    random_state: dict[str, Tensor] = field(default_factory=dict)
    config: str = ""
    """The configuration as JSON."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write under a temporary name, flush to disk and rename. Raises SetupError if that fails."""
    content = {"format": CHECKPOINT_FORMAT, **{name: getattr(checkpoint, name) for name in _NAMES}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            torch.save(_on_cpu(content), file)
            _seal(file)
    except (OSError, RuntimeError) as error:  # torch turns a full disk into a RuntimeError
        raise SetupError(f"cannot write the checkpoint {path}: {error}; free some space there") from None


def read_checkpoint(path: Path, config: Config) -> Checkpoint:
    """The checkpoint to go on from.

    Raises SetupError when there is none or it is damaged; ConfigError when the configuration differs in what
    shapes training, naming the differences.
    """
    if not path.is_file():
        raise SetupError(f"there is no checkpoint {path} to resume from; leave --resume out to start afresh")
    try:
        _check_seal(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("format") != CHECKPOINT_FORMAT:
            raise SetupError(f"{path} was written by another version; start afresh without --resume")
        checkpoint = Checkpoint(**content)
        _check_types(checkpoint)
        kept = _flat(json.loads(checkpoint.config))
    except _UNREADABLE as error:
        raise SetupError(
            f"{path} is no whole checkpoint ({reason_of(error)}); start afresh without --resume"
        ) from None
    _refuse_other_config(path, kept, config)
    return checkpoint


def set_aside_checkpoint(path: Path) -> Path | None:
    """Give an earlier run's checkpoint another name; None where there is none.

    A fresh run would replace it, and may have been started without --resume by mistake. Raises SetupError
    when that fails.
    """
    if not path.is_file():
        return None
    aside = path.with_name(f"{path.stem}.previous{path.suffix}")
    try:
        path.replace(aside)
    except OSError as error:
        raise SetupError(f"cannot rename {path}: {error.strerror}; choose another --out") from None
    return aside


def reason_of(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _seal(file: BinaryIO) -> None:
    """End a file of torch.save with its SHA-256, as the comment that a zip archive may end with.

    torch writes checksums of its records but does not read them.
    """
    file.seek(-_COMMENT_LENGTH.size, os.SEEK_END)
    file.write(_COMMENT_LENGTH.pack(_SEAL_BYTES))
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_READ_BYTES):
        digest.update(piece)
    file.write(digest.hexdigest().encode())


def _check_seal(path: Path) -> None:
    """Raise ValueError where the file is not as it was written."""
    digest, left = hashlib.sha256(), path.stat().st_size - _SEAL_BYTES
    with path.open("rb") as file:
        while left > 0 and (piece := file.read(min(left, _READ_BYTES))):
            digest.update(piece)
            left -= len(piece)
        if file.read() != digest.hexdigest().encode():
            raise ValueError("it does not end with its SHA-256: the file is damaged or cut off")


def _check_types(checkpoint: Checkpoint) -> None:
    kinds: dict[str, type] = {
        "step": int, "elapsed_ms": float, "loader_position": int, "stream_tokens": int, "model": dict,
        "optimizers": dict, "averages": dict, "fake_quantization": bool, "stopped_by_clock": bool,
        "random_state": dict, "config": str,
    }  # fmt: skip
    for name, kind in kinds.items():
        if type(getattr(checkpoint, name)) is not kind:
            raise ValueError(f"its {name} is no {kind.__name__}")
    for name in ("step", "loader_position", "elapsed_ms"):
        if not 0 <= getattr(checkpoint, name) < math.inf:
            raise ValueError(f"its {name} is {getattr(checkpoint, name)}")


def config_text(config: Config) -> str:
    """The configuration as it is kept in checkpoints."""
    return json.dumps(config.as_dict(), sort_keys=True)


def current_random_state(device: torch.device) -> dict[str, Tensor]:
    """State of torch's generators, of the CPU and of this rank's GPU."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Set torch's generators to a kept state."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


_NAMES = tuple(Checkpoint.__dataclass_fields__)


def _refuse_other_config(path: Path, then: dict[str, Any], config: Config) -> None:
    now = _flat(json.loads(config_text(config)))
    differences = [
        f"{name}: {then.get(name)} there, {now.get(name)} now"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
        and name not in _FREE_TO_CHANGE
        and not name.startswith(_GROUPS_AFTER_TRAINING)
    ]
    if differences:
        shown = "; ".join(differences[:5]) + ("; ..." if len(differences) > 5 else "")
        raise ConfigError(
            f"{path} belongs to another configuration ({len(differences)} settings differ: {shown}). Resume "
            "with the settings of the first run, or start afresh without --resume"
        )


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    flat = {"name": config["name"]}
    for group, fields in config.items():
        if isinstance(fields, dict):
            flat |= {f"{group}.{name}": value for name, value in fields.items()}
    return flat


def _on_cpu(value: Any) -> Any:
    """A copy with every tensor on the CPU, detached from what goes on training."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_on_cpu(item) for item in value)
    return value


# ---- reference_model.training.loader ----
# Training tokens: one endless contiguous stream over the shards, cut into spans and read ahead by a thread.
#
# No shuffling and no alignment to documents, as the challenge's `train_gpt.py` reads them (class
# DistributedTokenLoader, main): each micro-step takes `ranks x (n + 1)` tokens, rank r its own run of n + 1,
# and x and y are that run without its last and without its first token.
#
# Shapes: B sequences of a forward batch, S sequences of a step on this rank, T tokens per sequence, N tokens.


STEPS_READ_AHEAD = 2


_LONGEST_WAIT_SECONDS = 10.0  # the thread ends with the process


class TokenStream:
    """All shards one after the other, for ever; `position` counts the tokens from the start of the first.

    Raises SetupError when there are no shards or no tokens in them, for ids of `vocab_size` or above (when
    their shard is opened) and what `read_shard` raises.
    """

    def __init__(self, paths: Sequence[Path], position: int = 0, *, vocab_size: int = 1 << 16) -> None:
        if not paths:
            raise SetupError(
                "there are no training shards (fineweb_train_*.bin); point --data at a folder that "
                "golf-data wrote"
            )
        self.paths = tuple(paths)
        self.first_token_of_shard = np.cumsum([0, *(shard_token_count(path) for path in paths)])
        if not self.total_tokens:
            raise SetupError(f"the {len(paths)} training shards beside {paths[0]} hold no tokens")
        self.position = position
        self._vocab_size = vocab_size
        self._open_shard = -1
        self._tokens_N = np.zeros(0, dtype=np.uint16)

    @property
    def total_tokens(self) -> int:
        """Tokens of all shards together."""
        return int(self.first_token_of_shard[-1])

    def take(self, count: int) -> np.ndarray:
        """The next `count` tokens (uint16), from the first shard again after the last."""
        pieces_N = []
        wanted = count
        while wanted > 0:
            at = self.position % self.total_tokens
            shard = int(np.searchsorted(self.first_token_of_shard, at, side="right")) - 1
            if shard != self._open_shard:
                self._tokens_N, self._open_shard = self._opened(shard), shard
            begin = at - int(self.first_token_of_shard[shard])
            piece_N = self._tokens_N[begin : begin + wanted]
            pieces_N.append(piece_N)
            self.position += len(piece_N)
            wanted -= len(piece_N)
        return pieces_N[0] if len(pieces_N) == 1 else np.concatenate(pieces_N)

    def _opened(self, shard: int) -> np.ndarray:
        """All tokens of a shard, checked as a whole: a wrong id deep inside is told before the first step."""
        path, tokens_N = self.paths[shard], read_shard(self.paths[shard])
        counted = int(self.first_token_of_shard[shard + 1] - self.first_token_of_shard[shard])
        if len(tokens_N) != counted:
            raise SetupError(
                f"{path}: holds {len(tokens_N):,} tokens now and held {counted:,} when the run began; leave "
                "the shards of a run alone, then go on with --resume"
            )
        if len(tokens_N) and int(tokens_N.max()) >= self._vocab_size:
            at = int(np.argmax(tokens_N >= self._vocab_size))
            raise SetupError(  # a GPU would only say "device-side assert"
                f"{path}: token id {int(tokens_N[at]):,} at position {at:,} is outside the model's "
                f"vocabulary of {self._vocab_size:,} (model.vocab_size); the data was written with another "
                "tokenizer"
            )
        return tokens_N


class SpanSizes(NamedTuple):
    """How a step's tokens lie on the ranks."""

    spans_per_rank: int
    """Micro-steps of the originals, "grad_accum_steps"."""
    tokens_per_span: int
    """Trained tokens of one span on one rank; the stream gives one more."""
    tokens_per_step: int
    """Tokens the whole step takes from the stream, on all ranks."""


def span_sizes(config: DataConfig, ranks: int) -> SpanSizes:
    """Spans of a step over `ranks` ranks; raises ConfigError when they do not divide evenly."""
    if config.spans_per_step % ranks:
        raise ConfigError(
            f"data.spans_per_step {config.spans_per_step} is not a multiple of the {ranks} ranks; every rank "
            "takes as many spans. Start a number of ranks that divides it, or set it"
        )
    tokens = config.train_batch_tokens // config.spans_per_step
    return SpanSizes(config.spans_per_step // ranks, tokens, config.spans_per_step * (tokens + 1))


class _ReadFailure(NamedTuple):
    """What the reading thread ended with."""

    error: BaseException


class SpanLoader:
    """The steps of one rank, read ahead in a thread; use it in a `with` block or call `close`.

    `position` is where the next step's tokens begin; it goes into checkpoints and into `seek`. Errors of the
    thread are raised by `next_step`, also a SetupError for a token of `vocab_size` or above.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        world: World,
        config: DataConfig,
        *,
        vocab_size: int = 1 << 16,
        position: int = 0,
    ) -> None:
        self.sizes = span_sizes(config, world.size)
        self.position = position
        self._vocab_size = vocab_size
        self._paths, self._world, self._config = tuple(paths), world, config
        self.total_tokens = TokenStream(self._paths).total_tokens
        self._thread: threading.Thread | None = None
        self._start()

    @property
    def device(self) -> torch.device:
        """Where batches are put."""
        return self._world.device

    @property
    def sequences_per_step(self) -> int:
        """Sequences this rank trains on in a step."""
        return self.sizes.spans_per_rank * self.sizes.tokens_per_span // self._config.train_seq_len

    @property
    def sequences_per_batch(self) -> int:
        """Sequences of one forward pass; the last of a step may have fewer."""
        chosen = self._config.micro_batch_seqs
        return (
            min(chosen, self.sequences_per_step) or self.sizes.tokens_per_span // self._config.train_seq_len
        )

    def next_step(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The forward batches (inputs int64, targets int64) of the next step, on the rank's device."""
        ready = self._ready.get()
        if isinstance(ready, _ReadFailure):
            self._ready.put(ready)  # asked again, it says so again
            raise ready.error
        self.position += self.sizes.tokens_per_step
        x_ST, y_ST = (part.to(self._world.device, non_blocking=True) for part in ready)
        count = self.sequences_per_batch
        return zip(torch.split(x_ST, count), torch.split(y_ST, count), strict=True)

    def seek(self, position: int) -> None:
        """Go on from a `position` of an earlier loader."""
        self.close()
        self.position = position
        self._start()

    def close(self) -> None:
        """Stop the thread and wait for its end, but not for a disk that does not answer; may be repeated."""
        if self._thread is None:
            return
        self._stopped.set()
        give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
        while self._thread.is_alive() and time.monotonic() < give_up:
            _drain(self._ready)  # it may be waiting for room
            self._thread.join(timeout=0.05)
        self._thread = None

    def __enter__(self) -> SpanLoader:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _start(self) -> None:
        self._stopped = threading.Event()
        self._ready: queue.Queue[_Ready] = queue.Queue(STEPS_READ_AHEAD)
        self._thread = threading.Thread(
            target=self._read_ahead,
            args=(
                TokenStream(self._paths, self.position, vocab_size=self._vocab_size),
                self._stopped,
                self._ready,
            ),
            name="training tokens",
            daemon=True,
        )
        self._thread.start()

    def _read_ahead(
        self,
        stream: TokenStream,
        stopped: threading.Event,
        ready: queue.Queue[_Ready],
    ) -> None:
        try:
            while not stopped.is_set():
                ready.put(self._read_step(stream))
        except BaseException as error:  # raised again by next_step, in the caller's thread
            ready.put(_ReadFailure(error))

    def _read_step(self, stream: TokenStream) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of one step of this rank."""
        run = self.sizes.tokens_per_span + 1
        inputs, targets = [], []
        for _ in range(self.sizes.spans_per_rank):
            taken_N = stream.take(run * self._world.size)
            own_N = taken_N[self._world.rank * run : (self._world.rank + 1) * run].astype(np.int64)
            inputs.append(own_N[:-1])
            targets.append(own_N[1:])
        x_ST, y_ST = (
            torch.from_numpy(np.concatenate(parts)).view(-1, self._config.train_seq_len)
            for parts in (inputs, targets)
        )
        if self._world.device.type == "cuda":  # pinned memory lets the copy run beside the computation
            return x_ST.pin_memory(), y_ST.pin_memory()
        return x_ST, y_ST


def _drain(waiting: queue.Queue[_Ready]) -> None:
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return


# ---- reference_model.training.step_agreement ----
# What the ranks tell each other after every step: loss, end of time, a wish to stop (such as a signal).
#
# One small all-reduce per step. On a GPU its answer is read one step later, so that the host never waits for
# the step it has just given out; on the CPU at once.


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """A finished step, the same on every rank: mean loss in nats per token, and what any rank wants."""

    step: int
    loss: float
    elapsed_ms: float
    is_out_of_time: bool
    is_interrupted: bool


class StepAgreement:
    """Collects what ranks tell; `steps_in_flight` (0 or 1) is how late the answer comes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.steps_in_flight = 1 if world.device.type == "cuda" else 0
        self._waiting: list[tuple[int, float, Tensor, torch.cuda.Event | None]] = []

    def tell(
        self, step: int, loss: Tensor, elapsed_ms: float, *, is_out_of_time: bool, is_interrupted: bool
    ) -> StepReport | None:
        """Tell of the step just given out (`loss`: scalar on the device); returns the report now due."""
        on_gpu = self._world.device.type == "cuda"
        told = torch.tensor([0.0, float(is_out_of_time), float(is_interrupted)], pin_memory=on_gpu)
        told = told.to(self._world.device, non_blocking=True)
        told[0] = loss
        answer = self._world.sum_(told).to("cpu", non_blocking=True)
        event = None
        if on_gpu:
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._waiting.append((step, elapsed_ms, answer, event))
        return self._next() if len(self._waiting) > self.steps_in_flight else None

    def rest(self) -> StepReport | None:
        """The report still under way, once training has ended."""
        return self._next() if self._waiting else None

    def _next(self) -> StepReport:
        step, elapsed_ms, answer, event = self._waiting.pop(0)
        if event is not None:
            event.synchronize()
        loss_sum, out_of_time, interrupted = answer.tolist()
        return StepReport(
            step=step,
            loss=loss_sum / self._world.size,
            elapsed_ms=elapsed_ms,
            is_out_of_time=out_of_time > 0,
            is_interrupted=interrupted > 0,
        )


class StopRequest:
    """Whether somebody asked the process to stop."""

    def __init__(self) -> None:
        self.is_asked = False


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a wish, granted after the step; a second one stops at once.

    Does nothing outside the main thread, where Python takes no signals.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        if request.is_asked:
            raise KeyboardInterrupt
        request.is_asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---- reference_model.optimizers.schedules ----
# What changes over a run: learning-rate scale, Muon's momentum, the rate of test-time training.
#
# Pure functions of step and clock. The formulas are those of the challenge's `train_gpt.py` (main, and
# unchanged in PR #461, #555 and #940); the cosine is PR #461's.


def lr_scale(step: int, elapsed_ms: float, schedule: ScheduleConfig) -> float:
    """Factor on every learning rate at `step` (0 = before the first), in 0 to 1.

    With a training clock the warm-down is as long as `warmdown_iters` steps take at the average pace so far
    and ends when the clock does: on a machine too slow for that many steps the factor is below 1 from the
    second step on. Without a clock it falls linearly over the last `warmdown_iters` of `iterations` steps.
    `elapsed_ms`: training time so far in milliseconds, as the clock that stops the run counts it.
    """
    if not schedule.warmdown_iters:
        return 1.0
    if not schedule.max_wallclock_seconds:
        return _scale_by_steps(step, schedule)
    warmdown_ms = schedule.warmdown_iters * (elapsed_ms / max(step, 1))
    remaining_ms = max(1000.0 * schedule.max_wallclock_seconds - elapsed_ms, 0.0)
    return remaining_ms / max(warmdown_ms, 1e-9) if remaining_ms <= warmdown_ms else 1.0


def _scale_by_steps(step: int, schedule: ScheduleConfig) -> float:
    remaining = schedule.iterations - step
    if remaining <= 0:
        return 1.0  # as the originals; no step is taken there
    return min(remaining / schedule.warmdown_iters, 1.0)


def muon_momentum(step: int, config: OptimizerConfig) -> float:
    """Muon's momentum at `step`: linear from its start value to its final one, then constant."""
    warmup_steps = config.muon_momentum_warmup_steps
    progress = min(step / warmup_steps, 1.0) if warmup_steps > 0 else 1.0
    return (1 - progress) * config.muon_momentum_warmup_start + progress * config.muon_momentum


def ttt_cosine(chunk: int, chunks: int, lr: float) -> float:
    """Rate of test-time training on `chunk` of `chunks`, counted from 0: `lr` at the first, 0 at the last."""
    return lr * 0.5 * (1.0 + math.cos(math.pi * chunk / max(chunks - 1, 1)))


# ---- reference_model.training.run_averages ----
# Which average of the weights a run keeps, and which it exports.


class RunAverages:
    """EMA after every step and SWA snapshots in the warm-down, each where the configuration asks for it."""

    def __init__(self, model: GPT, config: Config, log: Callable[[str], None]) -> None:
        self._model, self._config, self._log = model, config.averaging, log
        self.ema: ExponentialMovingAverage | None = None
        self.swa: StochasticWeightAverage | None = None
        self.ema = ExponentialMovingAverage(
            model, config.averaging.ema_decay, config.averaging.ema_bias_correction
        )

    def update(self, step: int, lr_scale: float) -> None:
        """Take in the weights after `step` (counted from 1), made at learning-rate scale `lr_scale`."""
        if self.ema is not None:
            self.ema.update(self._model)
        config = self._config
        if self.swa is not None and lr_scale < config.swa_start_scale and step % config.swa_every == 0:
            if not self.swa.count:
                self._log(f"swa:start step:{step}")
            takes_ema = False and self.ema is not None
            self.swa.add(self._model.state_dict())

    def exported(self) -> dict[str, Tensor]:
        """The mean of two or more snapshots, else the EMA, else the last weights (order of PR #940)."""
        if self.swa is not None and self.swa.count > 1:
            self._log(f"swa:applying averaged {self.swa.count} checkpoints")
            return self.swa.weights()
        if self.ema is not None:
            self._log("ema:applying EMA weights")
            return self.ema.weights()
        return dict(self._model.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        kept = {"ema": self.ema, "swa": self.swa}
        return {name: average.state_dict() for name, average in kept.items() if average is not None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint of the same configuration."""
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if self.swa is not None:
            self.swa.load_state_dict(state["swa"])


# ---- reference_model.training.training_clock ----
# The training clock: monotonic, stopped during validation and checkpoints, and the cap it is held against.
#
# The challenge stops training by a clock of 600 s (README, "FAQ"; MAX_WALLCLOCK_SECONDS of `train_gpt.py`). Its
# scripts look at the clock after a step and so overrun by up to one; `stop_before_cap` does not begin a step
# that would overrun. All times in ms.


# The longest of so many last steps is what the next one is expected to take.
STEPS_REMEMBERED = 20


class TrainingClock:
    """Counts while it runs; starts stopped, at what an earlier part of the run had counted."""

    def __init__(self, device: torch.device, elapsed_ms: float = 0.0) -> None:
        self._device = device
        self._counted_ms = elapsed_ms
        self._since: float | None = None

    @property
    def elapsed_ms(self) -> float:
        """What the clock shows now."""
        running = 0.0 if self._since is None else 1000.0 * (time.monotonic() - self._since)
        return self._counted_ms + running

    def run(self) -> None:
        """Start, or go on."""
        self._wait_for_device()
        self._since = time.monotonic()

    def pause(self) -> None:
        """Stop once the device has done what it was given: work in flight belongs to training."""
        self._wait_for_device()
        self._counted_ms = self.elapsed_ms
        self._since = None

    def _wait_for_device(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class WallClockCap:
    """Says after each step whether it was the last one that the cap allows.

    `steps_in_flight` further steps run before the answer is acted upon, because a GPU is told what to do
    before it has finished what it was told.
    """

    def __init__(self, schedule: ScheduleConfig, *, steps_in_flight: int = 0) -> None:
        self._cap_ms = 1000.0 * schedule.max_wallclock_seconds
        self._stops_before = schedule.stop_before_cap
        self._ahead = (
            1 + 2 * steps_in_flight
        )  # steps begun, steps unfinished when the clock is read, the next
        self._last_ms: deque[float] = deque(maxlen=STEPS_REMEMBERED)
        self._read_at_ms: float | None = None

    def is_reached(self, elapsed_ms: float) -> bool:
        """Whether to stop, the clock showing `elapsed_ms` right after a step; ask once per step."""
        if self._read_at_ms is not None:
            self._last_ms.append(elapsed_ms - self._read_at_ms)
        self._read_at_ms = elapsed_ms
        if not self._cap_ms:
            return False
        reserve_ms = self._ahead * max(self._last_ms, default=0.0) if self._stops_before else 0.0
        return elapsed_ms + reserve_ms >= self._cap_ms


# ---- reference_model.training.training_run ----
# The state of a training run and what one step does to it.
#
# The order of a step is that of the challenge's scripts (main; PR #461, #555, #940): validate when due,
# learning rate
# from the clock, gradients accumulated over the micro-batches, clip and step, averages, log, cap. Fake
# quantisation begins before the forward pass of the first step under its threshold, as in PR #940.
#
# Shapes: B sequences of a forward batch, T tokens per sequence.


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """What training ended with. `losses` are the mean training losses by step, nats per token."""

    model: GPT
    exported: dict[str, Tensor]
    """The weights to export: averaged where the configuration averages."""
    steps: int
    elapsed_ms: float
    losses: dict[int, float]
    validation: tuple[float, float] | None
    """Loss in nats and bits per byte of the last weights, not averaged."""
    stopped_by_clock: bool


class TrainingRun:
    """The state of training and what one step does to it."""

    def __init__(
        self,
        config: Config,
        world: World,
        log: RunLog,
        *,
        model: GPT,
        loss_of: Callable[[Tensor, Tensor], Tensor],
        optimizers: Optimizers,
        loader: SpanLoader,
        checkpoint_path: Path,
    ) -> None:
        """`loss_of` is the model's forward pass, compiled or not."""
        self.config, self.world, self.log, self.loader = config, world, log, loader
        self.model, self.loss_of, self.optimizers = model, loss_of, optimizers
        self.checkpoint_path = checkpoint_path
        self.averages = RunAverages(self.model, config, log)
        self.clock = TrainingClock(world.device)
        self.agreement = StepAgreement(world)
        self.cap = WallClockCap(config.schedule, steps_in_flight=self.agreement.steps_in_flight)
        self.step = 0
        self.has_fake_quantization = False
        self.stopped_by_clock = False
        self.losses: dict[int, float] = {}
        self.validation: ValidationData | None = None
        self.last_validation: tuple[float, float] | None = None
        self.progress: Callable[[int, int, float], None] | None = None

    def log_plan(self) -> None:
        """What is about to be trained."""
        config, log = self.config, self.log
        log(f"model_params:{sum(p.numel() for p in self.model.parameters())}")
        log(f"world_size:{self.world.size} grad_accum_steps:{self.loader.sizes.spans_per_rank}")
        log(
            f"tie_embeddings:{config.model.tie_embeddings} embed_lr:{config.optimizer.token_lr} "
            f"matrix_lr:{config.optimizer.matrix_lr} scalar_lr:{config.optimizer.scalar_lr}"
        )
        log(
            f"train_batch_tokens:{config.data.train_batch_tokens} train_seq_len:{config.data.train_seq_len} "
            f"iterations:{config.schedule.iterations} warmup_steps:{config.schedule.warmup_steps} "
            f"max_wallclock_seconds:{config.schedule.max_wallclock_seconds:.3f}"
        )
        log(f"seed:{config.run.seed}")

    def to_the_end(self, request: StopRequest) -> None:
        """Step until the planned number, the clock or somebody says stop; then validate."""
        schedule = self.config.schedule
        self.model.train()
        self.clock.run()
        while self.step < schedule.iterations and not self.stopped_by_clock:
            if schedule.val_loss_every and self.step % schedule.val_loss_every == 0:
                self._validate()
            self.advance(request)
            if schedule.checkpoint_every and self.step % schedule.checkpoint_every == 0:
                self._hear(self.agreement.rest())  # nothing is kept before its loss is known to be a number
                self._save()
        self._hear(self.agreement.rest())
        self._keep_trained()
        self._validate()
        self.clock.pause()
        if self.world.any(request.is_asked):
            raise RunInterruptedError(
                f"stopped after the last step, {self.step}; the same command with --resume exports and "
                f"scores what {self.checkpoint_path} holds"
            )
        if self.stopped_by_clock and self.step < schedule.iterations:
            self.log(
                f"stopping_early: wallclock_cap train_time:{self.clock.elapsed_ms:.0f}ms "
                f"step:{self.step}/{schedule.iterations}"
            )
        self.log(memory_line(self.world.device))

    def advance(self, request: StopRequest) -> None:
        """One step with its averages, and the log of the latest step that all ranks know."""
        self._hear(self._one_step(request))

    def take_step(self, scale: float) -> Tensor:
        """Gradients of one step's tokens, then the optimisers; returns this rank's mean loss (on device)."""
        self.optimizers.zero_grad()
        loss_sum = torch.zeros((), device=self.world.device)
        for x_BT, y_BT in self.loader.next_step():
            share = x_BT.shape[0] / self.loader.sequences_per_step
            with autocast(self.world.device, self.config.run.compute):
                loss = self.loss_of(x_BT, y_BT)
            loss_sum += loss.detach() * share
            torch.autograd.backward(loss * share)
        self.optimizers.step(lr_scale=scale, momentum=muon_momentum(self.step, self.config.optimizer))
        self.optimizers.zero_grad()
        return loss_sum

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint; raises SetupError when the shards are others."""
        if checkpoint.stream_tokens != self.loader.total_tokens:
            raise SetupError(
                f"the checkpoint was written with {checkpoint.stream_tokens:,} training tokens, the shards "
                f"now hold {self.loader.total_tokens:,}; resume with the same data"
            )
        self.model.load_state_dict(checkpoint.model)
        self.optimizers.load_state_dict(checkpoint.optimizers)
        self.averages.load_state_dict(checkpoint.averages)
        self.loader.seek(checkpoint.loader_position)
        restore_random_state(checkpoint.random_state, self.world.device)
        self.clock = TrainingClock(self.world.device, checkpoint.elapsed_ms)
        self.step = checkpoint.step
        self.has_fake_quantization = checkpoint.fake_quantization
        self.stopped_by_clock = checkpoint.stopped_by_clock
        self.log(f"resume: from step:{self.step} train_time:{self.clock.elapsed_ms:.0f}ms")

    def result(self) -> TrainedModel:
        """The end of training; fake quantisation is off."""
        config = self.config
        return TrainedModel(
            model=self.model,
            exported=self.averages.exported(),
            steps=self.step,
            elapsed_ms=self.clock.elapsed_ms,
            losses=self.losses,
            validation=self.last_validation,
            stopped_by_clock=self.stopped_by_clock,
        )

    def _one_step(self, request: StopRequest) -> StepReport | None:
        config = self.config
        scale = lr_scale(self.step, self.clock.elapsed_ms, config.schedule)
        self._update_fake_quantization(scale)
        loss = self.take_step(scale)
        self.step += 1
        self.averages.update(self.step, scale)
        elapsed_ms = self.clock.elapsed_ms
        return self.agreement.tell(
            self.step,
            loss,
            elapsed_ms,
            is_out_of_time=self.cap.is_reached(elapsed_ms),
            is_interrupted=request.is_asked,
        )

    def _update_fake_quantization(self, scale: float) -> None:
        """Switch it on under the threshold, once and for all, and move its softness along."""
        config, threshold = self.config, self.config.quantization.qat_threshold

    def _hear(self, report: StepReport | None) -> None:
        """Log a finished step and do what the ranks agreed on."""
        if report is None:
            return
        if not math.isfinite(report.loss):
            kept = f"; {self.checkpoint_path} is from before it" if self.checkpoint_path.exists() else ""
            raise TrainingError(
                f"the training loss is {report.loss} at step {report.step} of "
                f"{self.config.schedule.iterations}{kept}. Lower the learning rates (optimizer.matrix_lr, "
                "token_lr, scalar_lr) or set optimizer.grad_clip_norm"
            )
        self.losses[report.step] = report.loss
        schedule = self.config.schedule
        if self.progress is not None:
            self.progress(report.step, schedule.iterations, report.loss)
        every = schedule.train_log_every
        if every and (report.step <= 10 or report.step % every == 0 or report.is_out_of_time):
            self.log.train_step(report.step, schedule.iterations, report.loss, report.elapsed_ms)
        self.stopped_by_clock |= report.is_out_of_time
        if report.is_interrupted:
            self._save()
            raise RunInterruptedError(
                f"stopped after step {self.step} of {schedule.iterations}; the same command with --resume "
                f"goes on from {self.checkpoint_path}"
            )

    def _validate(self) -> None:
        if self.validation is None:
            return
        self.clock.pause()
        self.model.eval()
        score = evaluate_plain(
            self.model, self.validation.tokens, self.validation.table, self.config, self.world
        )
        self.model.train()
        self.last_validation = score.val_loss_nats, score.val_bpb
        self.log.validation(
            self.step, self.config.schedule.iterations, self.last_validation, self.clock.elapsed_ms
        )
        self.clock.run()

    def _keep_trained(self) -> None:
        """Write the last checkpoint: export and scoring may take minutes, and may be stopped.

        A disk that has no room for it has perhaps room for the artifact.
        """
        try:
            self._save()
        except SetupError as error:
            self.log(f"WARNING: {error}; going on without")
            self.world.barrier()
            self.clock.run()

    def _save(self) -> None:
        """Write a checkpoint; the clock stands still."""
        self.clock.pause()
        optimizers = self.optimizers.state_dict()  # gathered over the ranks
        if self.world.is_main:
            write_checkpoint(
                self.checkpoint_path,
                Checkpoint(
                    step=self.step,
                    elapsed_ms=self.clock.elapsed_ms,
                    loader_position=self.loader.position,
                    stream_tokens=self.loader.total_tokens,
                    model=dict(self.model.state_dict()),
                    optimizers=optimizers,
                    averages=self.averages.state_dict(),
                    fake_quantization=self.has_fake_quantization,
                    stopped_by_clock=self.stopped_by_clock,
                    random_state=current_random_state(self.world.device),
                    config=config_text(self.config),
                ),
            )
        self.world.barrier()
        self.clock.run()


# ---- reference_model.training.warmup ----
# Warm-up: real training steps that make the compiler and the allocator do their work outside the clock.
#
# Weights, optimisers and random state are put back afterwards and the tokens are read from the start, so a run
# with warm-up equals one without (main, WARMUP_STEPS).


def warm_up(
    model: GPT,
    optimizers: Optimizers,
    loader: SpanLoader,
    config: Config,
    log: RunLog,
    *,
    one_step: Callable[[], object],
) -> None:
    """Run `schedule.warmup_steps` times `one_step` and undo them.

    Where fake quantisation will be switched on later, the last of them run with it: its graph is compiled
    now.
    """
    steps = config.schedule.warmup_steps
    if not steps:
        return
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    states = optimizers.state_dict()
    random_state = current_random_state(loader.device)
    begin = loader.position
    for step in range(1, steps + 1):
        one_step()
        if steps <= 20 or step % 10 == 0 or step == steps:
            log(f"warmup_step:{step}/{steps}")
    model.load_state_dict(weights)
    optimizers.load_state_dict(states)
    optimizers.zero_grad()
    restore_random_state(random_state, loader.device)
    loader.seek(begin)


# ---- reference_model.training.train_model ----
# Training: from a configuration and a folder of shards to trained weights.
#
# `training_run` holds what a step does, `warmup` what comes before the clock starts, `export` what comes after.


CHECKPOINT_NAME = "checkpoint.pt"


def train_model(
    config: Config,
    *,
    data_dir: Path,
    out_dir: Path,
    world: World,
    log: RunLog,
    validation: ValidationData | None = None,
    resume: bool = False,
    initial_state: Mapping[str, Tensor] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> TrainedModel:
    """Train; every rank calls it with the same arguments.

    `validation` None leaves validation out. `initial_state` replaces the initial weights (names of `GPT`).
    `progress` gets step, steps and mean loss. Raises ConfigError and SetupError before the first step,
    TrainingError when the loss stops being a number, RunInterruptedError after SIGINT or SIGTERM (the
    checkpoint is written).
    """
    seed_everything(config.run.seed)
    paths = shard_paths(data_dir, "train")
    with SpanLoader(paths, world, config.data, vocab_size=config.model.vocab_size) as loader:
        run = new_run(config, world, log, loader, out_dir / CHECKPOINT_NAME, initial_state)
        run.validation, run.progress = validation, progress
        run.log_plan()
        checkpoint = read_checkpoint(run.checkpoint_path, config) if resume else None
        if not resume and world.is_main and (aside := set_aside_checkpoint(run.checkpoint_path)) is not None:
            log(f"checkpoint: an earlier run's was renamed to {aside}")
        warm_up(run.model, run.optimizers, loader, config, log, one_step=lambda: run.take_step(1.0))
        if checkpoint is not None:
            _restore(run, checkpoint)
        with stop_requests() as request:
            run.to_the_end(request)
    return run.result()


def new_run(
    config: Config,
    world: World,
    log: RunLog,
    loader: SpanLoader,
    checkpoint_path: Path,
    initial_state: Mapping[str, Tensor] | None = None,
) -> TrainingRun:
    """A run before its first step; arguments as `train_model`."""
    model = build_model(config.model, device=world.device, compute=config.run.compute)
    if initial_state is not None:
        model.load_state_dict(dict(initial_state))
    for tensor in model.state_dict().values():
        world.broadcast_(tensor)
    optimizers = build_optimizers(
        model,
        config.optimizer,
        world,
        # bf16 as the originals, fp32 where this processor would only emulate bf16: faster, and more exact
        matrix_dtype=activation_type(world.device, config.run.compute),
        compile_newton_schulz=config.run.compiles_on(world.device.type),
    )
    return TrainingRun(
        config,
        world,
        log,
        model=model,
        loss_of=compiled(model, config, world.device),
        optimizers=optimizers,
        loader=loader,
        checkpoint_path=checkpoint_path,
    )


def _restore(run: TrainingRun, checkpoint: Checkpoint) -> None:
    try:
        run.restore(checkpoint)
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise SetupError(
            f"{run.checkpoint_path} does not hold what this run needs ({reason_of(error)}); start afresh "
            "without --resume"
        ) from None


def seed_everything(seed: int) -> None:
    """Seed Python's and torch's generators, as the originals do before building the model."""
    random.seed(seed)
    torch.manual_seed(seed)  # also every GPU


def compiled(model: GPT, config: Config, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The model's loss function, compiled where the configuration says so."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True  # fp32 matrices of the optimiser, as the originals
        torch.backends.cudnn.allow_tf32 = True
    if not config.run.compiles_on(device.type):
        return model
    import torch._inductor.config as inductor

    # Costs 8.8% of the backward pass on this architecture where the option exists (PR #1420).
    if hasattr(inductor.triton, "mix_order_reduction"):
        inductor.triton.mix_order_reduction = False
    return torch.compile(model, dynamic=False, fullgraph=True)


# ---- reference_model.training.train ----
# A whole run: train, export, read the artifact back, score it. And scoring alone, of an artifact.
#
#     with joined_world() as world, RunLog(out_dir / "train.log", is_main=world.is_main) as log:
#         result = train(preset("pr940", Size.TINY), data_dir=data, out_dir=out_dir, world=world, log=log)
#
# Files in `out_dir`: final_model.pt (float weights), final_model.ptz (the artifact), score_ledger.npz,
# checkpoint.pt while a run can be resumed.


LEDGER_NAME = "score_ledger.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """Called as a run goes on, to show how far it is."""

    training: Callable[[int, int, float], None] | None = None
    """Step, steps, mean training loss in nats."""
    evaluation: Callable[[EvaluationProgress], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a run ended with; `scores` by stage, the counted score last."""

    steps: int
    elapsed_ms: float
    """Training clock."""
    losses: dict[int, float]
    validation: tuple[float, float] | None
    """Nats per token and bits per byte of the last weights, before averaging and quantising."""
    stopped_by_clock: bool
    artifact: Path
    report: ArtifactReport | None
    """What was written; None on ranks that did not write."""
    scores: dict[str, Score]
    """Empty where none was asked for."""

    @property
    def score(self) -> Score:
        """The counted score."""
        return list(self.scores.values())[-1]


def train(
    config: Config,
    *,
    data_dir: Path,
    out_dir: Path,
    world: World,
    log: RunLog,
    resume: bool = False,
    tokenizer: Path | None = None,
    code: str | None = None,
    code_bytes: int | None = None,
    stages: Stages = Stages.ALL,
    progress: RunProgress | None = None,
) -> TrainResult:
    """Train, export and score; every rank calls it with the same arguments.

    `code` is the text of a packed script: it is logged, and its bytes count towards the cap; `code_bytes`
    says how many count where it is not at hand (None: all sources of this package). With Stages.NONE no
    validation data is opened and nothing is scored. Errors as `train_model`,
    `export_artifact` and `score_artifact`; SetupError when another rank is lost, RunInterruptedError after
    Ctrl-C, whatever the run was doing.
    """
    progress = progress or RunProgress()
    log.header(config, world, code=code)
    validation = None if stages is Stages.NONE else open_validation(config, data_dir, tokenizer)
    log_data(log, data_dir, validation)
    made_folder(out_dir)
    with machine_faults_told(world), interruption_told(out_dir / CHECKPOINT_NAME):
        trained = train_model(
            config,
            data_dir=data_dir,
            out_dir=out_dir,
            world=world,
            log=log,
            validation=validation,
            resume=resume,
            progress=progress.training,
        )
        size = code_size(code, code_bytes)
        path, report = export_artifact(trained, config, world, log, out_dir=out_dir, code_size=size)
        model = model_of_artifact(path, config, world)
        scores: dict[str, Score] = {}
        if validation is not None:
            scores = score_artifact(
                model,
                validation,
                config,
                world,
                log,
                stages=stages,
                ledger_path=out_dir / LEDGER_NAME,
                progress=progress.evaluation,
            )
    if world.is_main:
        with contextlib.suppress(OSError):
            (out_dir / CHECKPOINT_NAME).unlink(missing_ok=True)  # there is nothing left to resume
    return TrainResult(
        steps=trained.steps,
        elapsed_ms=trained.elapsed_ms,
        losses=trained.losses,
        validation=trained.validation,
        stopped_by_clock=trained.stopped_by_clock,
        artifact=path,
        report=report,
        scores=scores,
    )


def evaluate_artifact(
    config: Config,
    artifact: Path,
    *,
    data_dir: Path,
    out_dir: Path | None = None,
    world: World,
    log: RunLog,
    tokenizer: Path | None = None,
    code: str | None = None,
    stages: Stages = Stages.ALL,
    progress: RunProgress | None = None,
) -> dict[str, Score]:
    """Score an artifact without training or warming up (EVAL_ONLY); the counted score is the last.

    Where an evaluator owns the score (`evaluator_stream`) it hands out the tokens, once: whatever `stages`
    says, the counted score alone is made.

    Raises ArtifactError when the file is damaged or belongs to another configuration, and what
    `open_validation` and `score_artifact` raise.
    """
    log.header(config, world, code=code)
    with machine_faults_told(world), evaluator_stream(world, config.model.vocab_size) as stream:
        validation = open_validation(config, data_dir, tokenizer, stream)
        log_data(log, data_dir, validation, trains=False)
        log(f"world_size:{world.size}")
        log(f"seed:{config.run.seed}")
        log(f"eval_only: loading {artifact}, skipping training")
        seed_everything(config.run.seed)
        if out_dir is not None:
            made_folder(out_dir)
        return score_artifact(
            model_of_artifact(artifact, config, world),
            validation,
            config,
            world,
            log,
            stages=stages if stream is None else Stages.HEADLINE,
            ledger_path=out_dir / LEDGER_NAME if out_dir is not None else None,
            progress=None if progress is None else progress.evaluation,
        )


def refuse_over_cap(result: TrainResult) -> None:
    """Raise SubmissionError where artifact and code together are over the cap."""
    report = result.report
    if report is not None and not report.fits:
        raise SubmissionError(
            f"{result.artifact} is over the cap: {report.model_bytes:,} bytes of model and "
            f"{report.code_bytes:,} of code are {report.total_bytes:,}, {report.over_bytes:,} over "
            f"{report.cap_bytes:,}. Lower the code widths (quantization.*_bits) or the model"
        )


@contextlib.contextmanager
def claimed_folder(path: Path, world: World) -> Iterator[None]:
    """Make an output folder and keep other runs out of it while this one writes there.

    The claim ends with the process, however it ends. Raises SetupError when the folder cannot be made or
    another run has it.
    """
    made_folder(path)
    if not world.is_main:
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(ImportError):  # no such claims on Windows
            _claim(handle, path)
        yield
    finally:
        os.close(handle)


def _claim(handle: int, path: Path) -> None:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SetupError(
            f"another run writes to {path.resolve()}; wait for its end or choose another folder"
        ) from None
    except OSError:
        return  # a file system without locks


def made_folder(path: Path) -> None:
    """Make an output folder; raises SetupError when that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"cannot make the output folder {path}: {error.strerror}; choose another --out"
        ) from None


@contextlib.contextmanager
def interruption_told(checkpoint: Path) -> Iterator[None]:
    """Turn Ctrl-C outside the training steps, or a second one, into an error that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        how = f"the same command with --resume goes on from {checkpoint}"
        if not checkpoint.exists():
            how = "no checkpoint was written yet, so the same command starts afresh"
        raise RunInterruptedError(f"interrupted; {how}") from None


@contextlib.contextmanager
def machine_faults_told(world: World) -> Iterator[None]:
    """Turn lost memory, and a collective whose partner died or hangs, into a SetupError that says so."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
            reason = (text.strip().splitlines() or ["no memory left"])[0][:200]
            raise SetupError(
                f"rank {world.rank} has not the memory for this run ({reason}); lower data.micro_batch_seqs, "
                "evaluation.batch_seqs or the model"
            ) from None
        signs = ("gloo", "NCCL", "Connection closed by peer", "Connection reset", "imed out")
        if world.size == 1 or not any(sign in text for sign in signs):
            raise
        raise SetupError(
            f"rank {world.rank} of {world.size} lost another rank: {text.strip().splitlines()[0][:200]}. The "
            "output of the rank that ended first says why; where there is a checkpoint.pt, --resume goes on"
        ) from None


# ---- reference_model.script_entry ----
# What a packed `train_gpt.py` does: a run steered by the environment variables of the challenge's scripts.
#
# DATA_PATH, TOKENIZER_PATH, SEED, RUN_ID and every switch of the configuration (`config_fields` names their
# variables). TRAIN_ONLY=1 ends with the artifact, EVAL_ONLY=FILE only scores one: the two steps of golf-run.
# Started alone or by torchrun; writes to the working folder, the log to logs/RUN_ID.txt, as `train_gpt.py` on
# main does.


def run_script(base: Config, code: str) -> int:
    """Train and score `base` under the environment's settings, or score EVAL_ONLY; returns the exit status.

    `code` is the script's own text: it opens the log, and its bytes count towards the cap.
    """
    try:
        _run_by_environment(base, code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except GolfError as error:
        print(error, file=sys.stderr)
        return exit_status_of(error)
    return Exit.OK


def _run_by_environment(base: Config, code: str) -> None:
    config = configured(base, environ=os.environ)
    data_dir = Path(config.data.data_path)
    tokenizer = Path(config.data.tokenizer_path) if config.data.tokenizer_path else None
    run_id = os.environ.get("RUN_ID") or str(uuid.uuid4())
    artifact = os.environ.get("EVAL_ONLY", "")
    out_dir = Path()
    resume, trains_only = (os.environ.get(name, "0") == "1" for name in ("RESUME", "TRAIN_ONLY"))
    with (
        joined_world() as world,
        claimed_folder(out_dir, world),
        RunLog(Path("logs") / f"{run_id}.txt", is_main=world.is_main, appends=resume) as log,
    ):
        log(f"logs/{run_id}.txt")
        if artifact:
            evaluate_artifact(
                config, Path(artifact), data_dir=data_dir, out_dir=out_dir, world=world, log=log,
                tokenizer=tokenizer, code=code, stages=Stages.HEADLINE,
            )  # fmt: skip
            return
        result = train(
            config, data_dir=data_dir, out_dir=out_dir, world=world, log=log, tokenizer=tokenizer,
            code=code, stages=Stages.NONE if trains_only else Stages.HEADLINE, resume=resume,
        )  # fmt: skip
    refuse_over_cap(result)


# ---- reference_model.packed_entry ----
# Where a packed `train_gpt.py` starts: its baked-in configuration under the environment's settings.
#
# `script_entry` says which variables steer it. A variable that asks for a technique whose code was left out of
# the script is refused before anything else happens.


def main() -> int:
    """Run the script; returns its exit status."""
    try:
        refuse_other_switches(BAKED_CONFIG, BAKED_SWITCHES, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return exit_status_of(error)
    return run_script(BAKED_CONFIG, Path(__file__).read_text(encoding="utf-8"))


def refuse_other_switches(baked: Config, switches: Sequence[str], environ: Mapping[str, str]) -> None:
    """Raise ConfigError where the environment asks for a branch that the script does not hold.

    `switches` are `group.field`. Of numbers and lists only "zero or empty" is baked in, of others the value.
    """
    config = configured(baked, environ=environ)
    for path in switches:
        group, _, name = path.partition(".")
        old, new = getattr(getattr(baked, group), name), getattr(getattr(config, group), name)
        if (old is not new) if isinstance(old, Enum) else (bool(old) is not bool(new)):
            fields = {each.name: each for each in dataclasses.fields(getattr(baked, group))}
            told = [str(getattr(value, "value", value)) for value in (new, old)]
            raise ConfigError(
                f"{fields[name].metadata['env']} asks for {path} = {told[0]}; this script was packed with "
                f"{told[1]} and does not hold the other code. Unset it, or pack again with --set {path}=..."
            )


# ---- reference_model.evaluation.score_tally ----
# Adding up scores: nats, tokens and bytes in float64, checked and recorded on the way.
#
# val_loss = nats / tokens; val_bpb = nats / ln 2 / bytes, bits per byte of the text the scored tokens stand for
# (`eval_val` of the challenge's train_gpt.py). Bytes make tokenizers comparable: a token that stands for more
# text may cost more nats.
#
# N scored positions.


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


# ---- reference_model.evaluation.sliding_windows ----
# Which windows score which positions, each position of the stream exactly once.
#
# A *position* is the index of the token that is predicted: 1 to N-1 in a stream of N tokens. A window reads
# tokens start .. start+length-1 and may predict positions start+1 .. start+length; it scores the last `scored`
# of them, the ones that no earlier window scored. A stride of one window length gives windows side by side; a
# shorter one slides (README "FAQ", long-context evaluation; stride 64 since record 2026-03-19
# SlidingWindowEval).
#
# The originals differ at the end of the stream: side by side they drop the tail that fills no window, sliding
# they also run windows clipped by the end, which score the last `stride` positions over and over (1,984
# duplicates in the logs of PR #461). Here one last window ends with the stream and scores only what is left.


class Tail(Enum):
    """What becomes of the last positions when they do not fill a window."""

    SCORED = "scored"  # every position exactly once
    DROPPED = "dropped"  # whole windows of the stream only, as the originals' plain evaluation counts them


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """Windows in the order of the positions they score; position p belongs to exactly one of them.

    `starts` (first token read) and `scored` (last positions scored) have one entry per window; `length`
    tokens are read by each of them.
    """

    starts: npt.NDArray[np.int64]
    scored: npt.NDArray[np.int64]
    length: int

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.starts)

    @property
    def positions(self) -> int:
        """Positions scored by all windows: 1 to this number."""
        return int(self.scored.sum())

    def chunks(self, chunk_tokens: int) -> npt.NDArray[np.int64]:
        """The chunk each window belongs to: the one that holds the token before its first scored position.

        That token's index is where the original counts from (PR #461), so chunk c is complete, and position
        (c+1) * chunk_tokens scored, once the windows of chunks 0..c are.
        """
        return (self.starts + self.length - self.scored) // chunk_tokens

    def part(self, first: int, end: int) -> WindowPlan:
        """Windows first .. end-1."""
        return WindowPlan(starts=self.starts[first:end], scored=self.scored[first:end], length=self.length)

    def of_rank(self, rank: int, size: int) -> WindowPlan:
        """This rank's contiguous share; the shares of all ranks together are the plan."""
        return self.part(len(self) * rank // size, len(self) * (rank + 1) // size)

    def batches(self, rows: int) -> Iterator[WindowPlan]:
        """At most `rows` windows at a time, all of which score the same number of positions."""
        changes = np.flatnonzero(np.diff(self.scored)) + 1
        edges = [0, *changes.tolist(), len(self)]
        for first, end in itertools.pairwise(edges):
            for at in range(first, end, rows):
                yield self.part(at, min(at + rows, end))


def planned_windows(
    token_count: int, *, seq_len: int, stride: int = 0, tail: Tail = Tail.SCORED
) -> WindowPlan:
    """Windows over a stream of `token_count` tokens; stride 0 puts them side by side.

    The first scores all it predicts, later ones the last `stride`, a last one what is then left. A stream
    shorter than a window is one shorter window. Raises SetupError for a stream in which nothing can be
    predicted, and with Tail.DROPPED for one that fills no window.
    """
    predicted = token_count - 1
    if predicted < 1:
        raise SetupError(
            f"the validation stream has {token_count} tokens; at least 2 are needed to predict one of them"
        )
    if tail is Tail.DROPPED:
        predicted = predicted // seq_len * seq_len
        if not predicted:
            raise SetupError(
                f"the validation stream has {token_count:,} tokens; without its tail at least "
                f"{seq_len + 1:,} are needed for one window"
            )
    length, step = min(seq_len, predicted), stride or seq_len
    starts = np.arange(0, predicted - length + 1, step, dtype=np.int64)
    scored = np.full(len(starts), step, dtype=np.int64)
    scored[0] = length
    left = predicted - int(scored.sum())
    if left:
        starts = np.append(starts, np.int64(predicted - length))
        scored = np.append(scored, np.int64(left))
    return WindowPlan(starts=starts, scored=scored, length=length)


# ---- reference_model.evaluation.window_scoring ----
# Scoring windows of the stream in batches, with the head and the last layer on the scored positions only.
#
# The original evaluations compute 32 (batch) x T x V logits and their cross entropy and then look at the last
# 64 of T = 2,048 columns (PR #461, `eval_val_sliding`). Here `GPT.nll(..., last=n)` leaves the other columns of
# the last layer, the head and the loss away. Results are fetched one batch late, so that a GPU always has the
# next batch.
#
# B windows, T tokens read, S positions scored at the end of each window, N = B * S, V vocabulary.


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


# ---- reference_model.evaluation.stepwise_scoring ----
# Scoring windows on all ranks, in steps where an evaluator hands out the tokens.
#
# Without an evaluator a rank scores its share of the windows in one go. With one, windows are taken in steps
# that predict at most as many tokens as come at once: the tokens are asked for, all ranks score, the scores are
# sealed, and only then the next step begins. Windows score without gaps, so the scores are the same ones.
#
# V vocabulary.


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


# ---- reference_model.evaluation.evaluate ----
# Scoring the validation stream: plainly, with sliding windows, or with test-time training, score first.
#
#     score = evaluate_sliding(model, tokens, table, config, world)
#     print(score.val_loss_nats, score.val_bpb)
#
# All ranks share the windows and report the same score whatever their number. Every position is scored exactly
# once, the tail of the stream included; `Tail.DROPPED` leaves it away for comparison with the originals, whose
# plain evaluation (`eval_val`, train_gpt.py on main) counts floor((N-1)/T)*T positions.


def evaluate_plain(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    *,
    ledger: ScoreLedger | None = None,
    mixer: Mixer | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
    tail: Tail = Tail.SCORED,
    stream: EvaluatorStream | None = None,
) -> Score:
    """Score windows of evaluation.eval_seq_len tokens side by side.

    `tokens` (N, any integer type) is the whole stream; a `ledger` records the scores of this rank and is
    verified. `stream`, where given, hands `tokens` out and takes the scores. Raises SetupError for a stream
    too short to score or with foreign token ids, LedgerError (naming the position) for scores that are not
    finite.
    """
    return _evaluate_windows(model, tokens, table, config, world, 0, ledger, mixer, progress, tail, stream)


def evaluate_sliding(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    *,
    ledger: ScoreLedger | None = None,
    mixer: Mixer | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
    tail: Tail = Tail.SCORED,
    stream: EvaluatorStream | None = None,
) -> Score:
    """Score each position with at least eval_seq_len - stride tokens before it in its window, the first ones
    apart.

    evaluation.stride 0 is the plain evaluation. Arguments and errors as `evaluate_plain`.
    """
    stride = config.evaluation.stride
    return _evaluate_windows(
        model, tokens, table, config, world, stride, ledger, mixer, progress, tail, stream
    )


def evaluate_with_ttt(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    *,
    ledger: ScoreLedger | None = None,
    mixer: Mixer | None = None,
    progress: Callable[[EvaluationProgress], None] | None = None,
    tail: Tail = Tail.SCORED,
    stream: EvaluatorStream | None = None,
) -> Score:
    """Score while adapting to what has been scored, the way config.ttt says; the ledger proves the order.

    Base weights are bit for bit what they were when this returns, so that no later score profits from the
    adaptation. Arguments and errors as `evaluate_plain`; ConfigError when config.ttt.kind is none. A ledger
    is always kept.
    """
    tally = _new_tally(
        tokens, table, config, world, ledger or ScoreLedger(rank=world.rank), progress, tail, stream
    )
    score_and_train_chunks(model, tally, config, mixer=mixer, tail=tail)
    return tally.total()


def _evaluate_windows(
    model: GPT,
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    stride: int,
    ledger: ScoreLedger | None,
    mixer: Mixer | None,
    progress: Callable[[EvaluationProgress], None] | None,
    tail: Tail,
    stream: EvaluatorStream | None,
) -> Score:
    tally = _new_tally(tokens, table, config, world, ledger, progress, tail, stream)
    plan = planned_windows(len(tokens), seq_len=config.evaluation.eval_seq_len, stride=stride, tail=tail)
    was_training = model.training
    try:
        scorer = window_scorer(model, tokens, config, world.device, mixer)
        score_windows(scorer, plan, tally)
    finally:
        model.train(was_training)
    return tally.total()


def _new_tally(
    tokens: npt.NDArray[np.integer],
    table: ByteTable,
    config: Config,
    world: World,
    ledger: ScoreLedger | None,
    progress: Callable[[EvaluationProgress], None] | None,
    tail: Tail,
    stream: EvaluatorStream | None,
) -> ScoreTally:
    if tokens.ndim != 1:
        raise SetupError(f"the validation stream has shape {tokens.shape}; it must be one row of tokens")
    plan = planned_windows(len(tokens), seq_len=config.evaluation.eval_seq_len, tail=tail)
    lowest, highest = int(tokens.min()), int(tokens.max())
    if lowest < 0 or highest >= config.model.vocab_size or table.vocab_size != config.model.vocab_size:
        raise SetupError(
            f"the validation stream holds ids {lowest} to {highest} and the tokenizer knows "
            f"{table.vocab_size:,}, but model.vocab_size is {config.model.vocab_size:,}; use the model's own "
            "data and tokenizer"
        )
    return ScoreTally(
        tokens=tokens,
        table=table,
        world=world,
        positions_to_score=plan.positions,
        ledger=ledger,
        progress=progress,
        stream=stream,
    )


# ---- reference_model.ngrams.causal_counts ----
# Exact counts of what followed a context in the tokens before a position, in three forms that agree.
#
# An order-n count sees the n-1 tokens before position t as its context and x_t as the continuation. For every
# t it counts positions before t only: c_t(context) and c_t(context, x_t). Positions with fewer than n-1 tokens
# before them have no context of order n and count zero. Contexts run across documents, as in PR #940.
#
# `context_groups` counts a whole stream at once. The continuation of order n at t is the newest token of the
# order n+1 context at t+1, hence c_t(context_n, x_t) = c_{t+1}(context_{n+1}): one sort per order serves
# both counts. Contexts that never become frequent enough stop being refined; their longer contexts are rarer
# still. Contexts with different oldest tokens never meet, so they are followed in batches that fit the caches.
# `StreamingCounts` counts as tokens arrive; `followers_in_prefix` reads tokens[:t]
# alone. Nothing is hashed, so nothing collides: the hashed tables of PR #940 yield no distribution.
#
# T stream length, G positions of one order still in play, grouped by context, F followers of one context.


BATCH_POSITIONS = 1 << 18  # 2^16 to 2^20 within a third of it; all at once takes 1.6 times as long


_NO_TOKEN = np.uint32(0xFFFF_FFFF)  # differs from every token, and from it every token


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContextGroups:
    """One order: positions sorted so that equal contexts stand together, in stream order among themselves.

    All arrays have length G.
    """

    order: int
    positions: npt.NDArray[np.uint32]
    next_tokens: npt.NDArray[np.generic]
    """Tokens at these positions."""
    context_counts: npt.NDArray[np.uint32]
    """Earlier positions with the same context; zero opens a group."""
    target_counts: npt.NDArray[np.uint32]
    """Earlier positions with the same context and the same token."""


def checked_stream(tokens: npt.NDArray[np.generic], vocab_size: int) -> npt.NDArray[np.generic]:
    """The stream in the narrowest unsigned type that the vocabulary fits.

    Raises SetupError for ids outside the vocabulary, other shapes and streams beyond 32-bit positions.
    """
    if tokens.ndim != 1 or tokens.dtype.kind not in "ui":
        raise SetupError(
            f"n-gram counts need a 1-D array of token ids; got shape {tokens.shape} of {tokens.dtype}"
        )
    if len(tokens) >= np.iinfo(np.uint32).max:
        raise SetupError(
            f"the stream has {len(tokens):,} tokens; positions are 32-bit, so at most "
            f"{np.iinfo(np.uint32).max - 1:,} can be counted: split the stream"
        )
    if len(tokens) and (int(tokens.min()) < 0 or int(tokens.max()) >= vocab_size):
        raise SetupError(
            f"the stream holds token ids {int(tokens.min())} to {int(tokens.max())}; the vocabulary has 0 to "
            f"{vocab_size - 1}: check that the shards were made with this run's tokenizer"
        )
    return tokens.astype(np.min_scalar_type(vocab_size - 1), copy=False)


def context_groups(
    tokens_T: npt.NDArray[np.generic],
    *,
    min_order: int,
    max_order: int,
    min_count: int = 1,
    batch_positions: int = BATCH_POSITIONS,
    tell: Callable[[int, int], None] | None = None,
) -> Iterator[ContextGroups]:
    """Groups of every order from `min_order` (>= 2) upwards, in batches of contexts with few oldest tokens.

    A batch is followed through all orders before the next one begins, so a position may meet a higher order
    before a lower one: see `not_yet_higher`. Left out are contexts too rare for any position to see them
    `min_count` times; with 1 these are the contexts that occur once, whose counts are zero. Working memory
    is some 14 bytes per token of the stream and 60 per position of a batch. `tell` hears after each batch how
    many of the positions are done.
    """
    by_token_T, sorted_tokens_T = _sorted_by_token(tokens_T)
    starts = np.flatnonzero(np.diff(sorted_tokens_T, prepend=_NO_TOKEN))
    del sorted_tokens_T
    ends = np.append(starts[1:], len(tokens_T))
    first = 0
    while first < len(starts):
        start = starts[first]
        last = max(int(np.searchsorted(ends, start + batch_positions, side="right")) - 1, first)
        sizes = ends[first : last + 1] - starts[first : last + 1]
        counts_G = _places_in_runs(starts[first : last + 1] - start, sizes)
        yield from _batch_groups(
            tokens_T, by_token_T[start : ends[last]] + np.uint32(1), counts_G, min_order, max_order, min_count
        )
        if tell is not None:
            tell(int(ends[last]), len(tokens_T))
        first = last + 1


def _batch_groups(
    tokens_T: npt.NDArray[np.generic],
    positions_G: npt.NDArray[np.uint32],
    context_counts_G: npt.NDArray[np.uint32],
    min_order: int,
    max_order: int,
    min_count: int,
) -> Iterator[ContextGroups]:
    """One batch of `context_groups`, from its groups of order 2 (one token of context) upwards."""
    for order in range(2, max_order + 1):
        if (past_end := np.flatnonzero(positions_G == len(tokens_T))).size:
            # after the last token nothing is predicted; it closes its group, so no other count changes
            positions_G = np.delete(positions_G, past_end)
            context_counts_G = np.delete(context_counts_G, past_end)
        next_tokens_G = tokens_T[positions_G]
        by_pair_G, sorted_tokens_G = _sorted_by_token(next_tokens_G)
        opens_G = (
            np.diff(np.cumsum(context_counts_G == 0, dtype=np.uint32)[by_pair_G], prepend=np.uint32(0)) != 0
        )
        opens_G |= np.diff(sorted_tokens_G, prepend=_NO_TOKEN) != 0
        starts = np.flatnonzero(opens_G)
        sizes = np.diff(starts, append=len(opens_G))
        pair_counts_G = _places_in_runs(starts, sizes)
        if order >= min_order:
            target_counts_G = np.empty_like(pair_counts_G)
            target_counts_G[by_pair_G] = pair_counts_G
            yield ContextGroups(
                order=order,
                positions=positions_G,
                next_tokens=next_tokens_G,
                context_counts=context_counts_G,
                target_counts=target_counts_G,
            )
        kept_G = np.repeat(sizes > min_count, sizes)
        positions_G = positions_G[by_pair_G[kept_G]] + np.uint32(1)
        context_counts_G = pair_counts_G[kept_G]


def _sorted_by_token(
    tokens_G: npt.NDArray[np.generic],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The indices, sorted by their token and then by themselves; and the tokens in that order.

    Sorts pairs (token, index) as 64-bit numbers, for which numpy has vector code.
    """
    pairs_G = tokens_G.astype(np.uint64)
    pairs_G <<= np.uint64(32)
    pairs_G |= np.arange(len(pairs_G), dtype=np.uint64)
    pairs_G.sort()
    by_token_G = pairs_G.astype(np.uint32)
    pairs_G >>= np.uint64(32)
    return by_token_G, pairs_G.astype(np.uint32)


def _places_in_runs(
    starts: npt.NDArray[np.integer], sizes: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint32]:
    """0, 1, 2, ... within every run."""
    places_G = np.arange(int(sizes.sum()), dtype=np.uint32)
    places_G -= np.repeat(starts.astype(np.uint32), sizes)
    return places_G


def not_yet_higher(
    orders_T: npt.NDArray[np.unsignedinteger], order: int, positions: npt.NDArray[np.uint32]
) -> npt.NDArray[np.bool_]:
    """Which of these positions hold a lower order in `orders_T` so far; notes `order` for them."""
    is_new = orders_T[positions] < order
    orders_T[positions[is_new]] = order
    return is_new


def followers_in_prefix(
    prefix_T: npt.NDArray[np.generic], *, min_order: int, max_order: int
) -> Iterator[tuple[int, npt.NDArray[np.generic]]]:
    """Pairs (order, followers_F): what followed earlier occurrences of the prefix's last order-1 tokens.

    Ascending orders, followers in stream order; stops at the first order that was never seen. Reads nothing
    but the prefix, in time proportional to it: meant for audits of sampled positions.
    """
    end = len(prefix_T)
    starts_F = np.arange(end)
    for depth in range(1, min(max_order - 1, end) + 1):
        # a follower at s has its depth-th newest context token at s - depth
        starts_F = starts_F[starts_F >= depth]
        starts_F = starts_F[prefix_T[starts_F - depth] == prefix_T[end - depth]]
        if not starts_F.size:
            return
        if depth + 1 >= min_order:
            yield depth + 1, prefix_T[starts_F]


# ---- reference_model.ngrams.ngram_mixing ----
# Legal mixing of the model with n-gram counts of the tokens already scored: whole distributions, exact keys.
#
# p_t(v) = (1 - a_t) p_model(v) + a_t c_t(context, v) / c_t(context), where the order (the highest whose context
# the prefix holds at least `min_count` times) and a_t = low + (high - low) sigmoid(slope (H_t - centre)), H_t
# the model's entropy in nats, depend on x_<t alone. Both parts sum to 1 over the vocabulary and the weight
# ignores x_t, so evaluating it at the target is the same as writing the whole vector first. Constants and
# backoff order as PR #940, whose hashed tables put the target into the key and are no distribution. Where no
# context was seen often enough the model's own distribution stands, exactly.
#
# Positions are indices of the target in the stream. N scored positions, V vocabulary, K columns, T stream.


CPU_BLOCK_ELEMENTS = 1 << 17  # float64 temporaries of a block stay in the second-level cache


GPU_BLOCK_ELEMENTS = 1 << 25  # 256 MiB per temporary


def ngram_mixer(
    tokens: npt.NDArray[np.generic],
    vocab_size: int,
    config: NgramConfig,
    *,
    tell: Callable[[int, int], None] | None = None,
) -> Mixer | None:
    """The mixer that the configuration asks for, None for none; SetupError for ids outside the vocabulary.

    `tell` hears, while the stream is counted, how many of how many positions are done.
    """
    return BackoffMixer(tokens, vocab_size, config, tell=tell)


class BackoffMixer:
    """Highest-order-first backoff over a known stream; 9 bytes per token once built."""

    def __init__(
        self,
        tokens: npt.NDArray[np.generic],
        vocab_size: int,
        config: NgramConfig,
        *,
        batch_positions: int = BATCH_POSITIONS,
        tell: Callable[[int, int], None] | None = None,
    ) -> None:
        self._tokens_T = checked_stream(tokens, vocab_size)
        self._vocab_size = vocab_size
        self._config = config
        # zero: no order was seen often enough
        self._orders_T = np.zeros(len(tokens), dtype=np.min_scalar_type(config.max_order))
        self._shares_T = np.zeros(len(tokens), dtype=np.float64)  # c(context, target) / c(context)
        for groups in context_groups(
            self._tokens_T,
            min_order=config.min_order,
            max_order=config.max_order,
            min_count=config.min_count,
            batch_positions=batch_positions,
            tell=tell,
        ):
            hit_G = groups.context_counts >= config.min_count
            hits = groups.positions[hit_G]
            is_new = not_yet_higher(self._orders_T, groups.order, hits)
            shares = groups.target_counts[hit_G][is_new] / groups.context_counts[hit_G][is_new]
            self._shares_T[hits[is_new]] = shares

    def mix(self, positions: npt.NDArray[np.integer], logits_NV: Tensor, targets_N: Tensor) -> Tensor:
        """See Mixer."""
        check_targets(positions, logits_NV, targets_N, self._tokens_T, self._vocab_size)
        log_probs_N1, entropies_N = log_probs_and_entropies(logits_NV, targets_N[:, None])
        return self.mix_targets(positions, log_probs_N1[:, 0], entropies_N)

    def mix_targets(
        self, positions: npt.NDArray[np.integer], log_probs_N: Tensor, entropies_N: Tensor
    ) -> Tensor:
        """`mix` from the model's log-probability of each target and its entropy, both float64 and in nats."""
        device = log_probs_N.device
        hit_N = torch.from_numpy(self._orders_T[positions] > 0).to(device)
        shares_N = torch.from_numpy(self._shares_T[positions]).to(device)
        weights_N = count_weights(entropies_N, self._config) * hit_N
        counted_N = torch.log(weights_N) + torch.log(shares_N)
        return -torch.logaddexp(log_probs_N + torch.log1p(-weights_N), counted_N)

    def distribution(self, position: int, logits_V: Tensor) -> npt.NDArray[np.float64]:
        """See Mixer. Recounts by scanning tokens[:position]; takes none of the counts that `mix` uses."""
        check_position(position, self._tokens_T)
        counts_V = np.zeros(self._vocab_size, dtype=np.int64)
        orders = followers_in_prefix(
            self._tokens_T[:position], min_order=self._config.min_order, max_order=self._config.max_order
        )
        for _, followers_F in orders:
            if len(followers_F) >= self._config.min_count:
                counts_V = np.bincount(followers_F, minlength=self._vocab_size)
        return _mixed_distribution(logits_V, counts_V, self._config)


def count_weights(entropies_N: Tensor, config: NgramConfig) -> Tensor:
    """Weight of the counts where there are any: grows with the model's own doubt (PR #940)."""
    gate_N = torch.sigmoid(config.entropy_slope * (entropies_N - config.entropy_centre_nats))
    return config.alpha_low + (config.alpha_high - config.alpha_low) * gate_N


def _mixed_distribution(
    logits_V: Tensor, counts_V: npt.NDArray[np.integer], config: NgramConfig
) -> npt.NDArray[np.float64]:
    model_V, entropy = model_distribution(logits_V)
    total = int(counts_V.sum())
    if not total:
        return model_V
    weight = float(count_weights(torch.tensor(entropy, dtype=torch.float64), config))
    mixed_V: npt.NDArray[np.float64] = (1 - weight) * model_V + weight * (counts_V / total)
    return mixed_V


def model_distribution(logits_V: Tensor) -> tuple[npt.NDArray[np.float64], float]:
    """The model's own distribution in float64 and its entropy in nats."""
    log_probs_V = torch.log_softmax(logits_V.detach().to("cpu", torch.float64), dim=-1)
    probs_V = log_probs_V.exp()
    return probs_V.numpy(), float(-torch.special.xlogy(probs_V, probs_V).sum())


def log_probs_and_entropies(logits_NV: Tensor, columns_NK: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the chosen columns (N x K) and entropies (N), float64, in nats.

    Softmax is taken in float64 over blocks of rows, so that no float64 copy of all logits exists at once.
    """
    block_elements = CPU_BLOCK_ELEMENTS if logits_NV.device.type == "cpu" else GPU_BLOCK_ELEMENTS
    block_rows = max(1, block_elements // logits_NV.shape[1])
    columns_NK = columns_NK.to(logits_NV.device, torch.int64)
    log_probs_NK = torch.empty(columns_NK.shape, dtype=torch.float64, device=logits_NV.device)
    entropies_N = torch.empty(len(logits_NV), dtype=torch.float64, device=logits_NV.device)
    for start in range(0, len(logits_NV), block_rows):
        block = slice(start, start + block_rows)
        shifted_BV = logits_NV[block].to(torch.float64, copy=True)
        shifted_BV -= shifted_BV.amax(dim=1, keepdim=True)
        chosen_BK = shifted_BV.gather(1, columns_NK[block])
        exponentials_BV = shifted_BV.exp()
        sums_B = exponentials_BV.sum(dim=1)
        log_sums_B = sums_B.log()
        shifted_BV.clamp_(min=torch.finfo(torch.float64).min)  # a masked logit is -inf and weighs 0
        entropies_N[block] = log_sums_B - exponentials_BV.mul_(shifted_BV).sum(dim=1) / sums_B
        log_probs_NK[block] = chosen_BK - log_sums_B[:, None]
    return log_probs_NK, entropies_N


def check_position(position: int, tokens_T: npt.NDArray[np.generic]) -> None:
    """Refuse an index outside the stream; raises SetupError."""
    if not 0 <= position < len(tokens_T):
        raise SetupError(
            f"position {position:,} is outside the stream of {len(tokens_T):,} tokens that the n-gram counts "
            "were built on; positions are indices of the targets in it"
        )


def check_targets(
    positions: npt.NDArray[np.integer],
    logits_NV: Tensor,
    targets_N: Tensor,
    tokens_T: npt.NDArray[np.generic],
    vocab_size: int,
) -> None:
    """Refuse logits, positions and targets that do not belong together; raises SetupError."""
    if logits_NV.shape != (len(positions), vocab_size) or targets_N.shape != (len(positions),):
        raise SetupError(
            f"n-gram mixing got {len(positions):,} positions, logits of shape {tuple(logits_NV.shape)} and "
            f"targets of shape {tuple(targets_N.shape)}; it needs ({len(positions)}, {vocab_size}) and "
            f"({len(positions)},)"
        )
    if not len(positions):
        return
    check_position(int(positions.min()), tokens_T)
    check_position(int(positions.max()), tokens_T)
    if targets_N.device.type == "cpu":
        differ_N = tokens_T[positions] != targets_N.numpy()
        if differ_N.any():
            first = int(np.argmax(differ_N))
            raise SetupError(
                f"target {int(targets_N[first])} at position {int(positions[first]):,} is not the stream's "
                f"token {int(tokens_T[positions[first]])}: positions must be indices of the targets, in the "
                "stream that the mixer was built on"
            )


# ---- reference_model.ngrams.growing_mixers ----
# The mixers over a stream that is handed out bit by bit: counts grow with it, distributions are the same.
#
# `ngram_mixing` and `token_tilt` count a known stream at once, which takes a fraction of the time; here every
# token is looked up under its contexts before it is counted. Exact keys, no hashing.
#
# N scored positions, T stream.


def growing_mixer(stream: EvaluatorStream, vocab_size: int, config: NgramConfig) -> Mixer | None:
    """The mixer that the configuration asks for, taking in tokens as `stream` gets them; None for none."""
    backoff = GrowingBackoff(stream.tokens, vocab_size, config)
    stream.listeners.append(backoff.extend)
    return backoff


@dataclass(slots=True)
class ContextCounts:
    """What followed one context so far: how often, which tokens, and which of them first reached the most."""

    total: int = 0
    tokens: dict[int, int] = field(default_factory=dict)
    leader: int = 0
    leader_count: int = 0


class GrowingCounts:
    """Counts of every context of the tokens taken in so far; memory grows with the stream."""

    def __init__(self, *, min_order: int, max_order: int) -> None:
        self._orders = range(max_order, min_order - 1, -1)
        self._contexts: dict[tuple[int, ...], ContextCounts] = {}
        self._tail: tuple[int, ...] = ()
        self.end = 0

    def take(
        self, tokens_T: npt.NDArray[np.generic], end: int
    ) -> Iterator[tuple[int, int, list[tuple[int, ContextCounts]]]]:
        """Count tokens up to `end`, one after another: position, token, and what was known before it.

        The last are pairs of an order and its context's counts, highest order first, of contexts seen before.
        """
        longest = self._orders[0] - 1
        for token in tokens_T[self.end : end].tolist():
            tail, known, new = self._tail, [], []
            for order in self._orders:
                if len(tail) < order - 1:
                    continue
                context = tail[len(tail) - order + 1 :]
                counts = self._contexts.get(context)
                if counts is None:
                    new.append(context)
                else:
                    known.append((order, counts))
            yield self.end, token, known
            for context in new:
                self._contexts[context] = ContextCounts(1, {token: 1}, token, 1)
            for _, counts in known:
                count = counts.tokens[token] = counts.tokens.get(token, 0) + 1
                counts.total += 1
                if count > counts.leader_count:
                    counts.leader, counts.leader_count = token, count
            self._tail = (*tail, token)[-longest:]
            self.end += 1


class GrowingBackoff(BackoffMixer):
    """`BackoffMixer` over `tokens` that are known up to the end last given to `extend`."""

    def __init__(self, tokens: npt.NDArray[np.uint32], vocab_size: int, config: NgramConfig) -> None:
        super().__init__(tokens[:0], vocab_size, config)
        self._tokens_T = tokens
        self._orders_T = self._orders_T.copy()
        self._orders_T.resize(len(tokens))
        self._shares_T = self._shares_T.copy()
        self._shares_T.resize(len(tokens))
        self._counts = GrowingCounts(min_order=config.min_order, max_order=config.max_order)

    def extend(self, end: int) -> None:
        """Take in tokens up to `end`."""
        for position, token, known in self._counts.take(self._tokens_T, end):
            for order, counts in known:
                if counts.total >= self._config.min_count:
                    self._orders_T[position] = order
                    self._shares_T[position] = counts.tokens.get(token, 0) / counts.total
                    break


# ---- reference_model.evaluation.ledger_file ----
# The score ledger as a file: one column per fact, in numpy's zip format without pickle.
#
# Columns: `score_*` (one entry per scored block: rank, sequence, chunk, version, seconds, count of positions,
# count of runs), `run_*` (first, count), `nll` (nats of all blocks end to end), `update_*` (rank, sequence,
# version, seconds, first, end), `head_rank` and `head` (32 bytes each, the newest hash of every rank's chain),
# `format`. The reader replays the entries and refuses a file whose chains come out differently.


LEDGER_FORMAT = 1


_SCORE_COLUMNS = ("rank", "sequence", "chunk", "version", "seconds")


_UPDATE_COLUMNS = ("rank", "sequence", "version", "seconds", "first", "end")


def write_ledger(ledger: ScoreLedger, path: Path) -> None:
    """Store `ledger`; a run that dies meanwhile leaves no half-written file under this name.

    Raises SetupError when that fails.
    """
    try:
        with whole_file(path) as file:
            np.savez(file, allow_pickle=False, **_columns(ledger))
    except OSError as error:
        raise SetupError(
            f"cannot write the score ledger {path}: {error.strerror}; free some space there"
        ) from None


def gathered_ledger(ledger: ScoreLedger, world: World) -> ScoreLedger:
    """All ranks' entries on rank 0, elsewhere the rank's own; every rank must call.

    Each rank keeps its own chain: updates that ranks made together are listed once for each of them.
    """
    if world.size == 1:
        return ledger
    stored = io.BytesIO()
    np.savez(stored, allow_pickle=False, **_columns(ledger))
    sent = torch.frombuffer(bytearray(stored.getvalue()), dtype=torch.uint8).to(world.device)
    sizes = torch.zeros(world.size, dtype=torch.int64, device=world.device)
    sizes[world.rank] = len(sent)
    world.sum_(sizes)
    if not world.is_main:
        dist.send(sent, dst=0)
        return ledger
    merged = ScoreLedger(clock=ledger.clock)
    for rank, size in enumerate(sizes.tolist()):
        part = ledger
        if rank:
            received = torch.empty(size, dtype=torch.uint8, device=world.device)
            dist.recv(received, src=rank)
            part = _replayed(io.BytesIO(received.cpu().numpy().tobytes()))
        merged.blocks += part.blocks
        merged.updates += part.updates
        merged.heads |= part.heads
    return merged


def _columns(ledger: ScoreLedger) -> dict[str, npt.NDArray[Any]]:
    """Every entry of the ledger, as named arrays."""
    blocks, ranks = ledger.blocks, sorted(ledger.heads)
    columns: dict[str, npt.NDArray[Any]] = {"format": np.array(LEDGER_FORMAT)}
    for name in _SCORE_COLUMNS:
        kind = np.float64 if name == "seconds" else np.int64
        columns[f"score_{name}"] = np.array([getattr(block, name) for block in blocks], dtype=kind)
    for name in _UPDATE_COLUMNS:
        kind = np.float64 if name == "seconds" else np.int64
        columns[f"update_{name}"] = np.array([getattr(update, name) for update in ledger.updates], dtype=kind)
    runs = np.concatenate([block.runs for block in blocks]) if blocks else np.zeros((0, 2), dtype=np.int64)
    columns["score_count"] = np.array([len(block.nll) for block in blocks], dtype=np.int64)
    columns["score_runs"] = np.array([len(block.runs) for block in blocks], dtype=np.int64)
    columns["run_first"], columns["run_count"] = runs[:, 0], runs[:, 1]
    columns["nll"] = np.concatenate([block.nll for block in blocks]) if blocks else np.zeros(0)
    columns["head_rank"] = np.array(ranks, dtype=np.int64)
    columns["head"] = np.frombuffer(b"".join(ledger.heads[rank] for rank in ranks), dtype=np.uint8)
    return columns


def _replayed(file: BinaryIO) -> ScoreLedger:
    """A ledger from its columns, chains recomputed and compared."""
    with np.load(file, allow_pickle=False) as stored:
        columns = {name: stored[name] for name in stored.files}
    if int(columns["format"]) != LEDGER_FORMAT:
        raise LedgerError(f"ledger format {int(columns['format'])}; this reader knows {LEDGER_FORMAT}")
    entries: list[ScoredBlock | WeightUpdate] = [*_stored_blocks(columns), *_stored_updates(columns)]
    ledger = ScoreLedger()
    for entry in sorted(entries, key=lambda each: (each.rank, each.sequence)):
        ledger.append(entry)
    _compare_heads(ledger, columns)
    return ledger


def _stored_blocks(columns: dict[str, npt.NDArray[Any]]) -> list[ScoredBlock]:
    facts = zip(*(columns[f"score_{name}"].tolist() for name in _SCORE_COLUMNS), strict=True)
    runs = np.stack([columns["run_first"], columns["run_count"]], axis=1)
    runs_end = np.cumsum(columns["score_runs"]).tolist()
    nll_end = np.cumsum(columns["score_count"]).tolist()
    if (runs_end[-1] if runs_end else 0) != len(runs) or (nll_end[-1] if nll_end else 0) != len(
        columns["nll"]
    ):
        raise LedgerError("its blocks do not add up to the positions and scores it holds")
    blocks = []
    for at, (rank, sequence, chunk, version, seconds) in enumerate(facts):
        own_runs = runs[runs_end[at - 1] if at else 0 : runs_end[at]]
        own_nll = columns["nll"][nll_end[at - 1] if at else 0 : nll_end[at]]
        if own_runs[:, 1].min(initial=1) < 1 or int(own_runs[:, 1].sum()) != len(own_nll):
            raise LedgerError(
                f"its block {at} holds {len(own_nll):,} scores for other than as many positions"
            )
        blocks.append(
            ScoredBlock(
                rank=rank,
                sequence=sequence,
                chunk=chunk,
                version=version,
                seconds=seconds,
                runs=own_runs,
                nll=own_nll,
            )
        )
    return blocks


def _stored_updates(columns: dict[str, npt.NDArray[Any]]) -> list[WeightUpdate]:
    facts = zip(*(columns[f"update_{name}"].tolist() for name in _UPDATE_COLUMNS), strict=True)
    return [WeightUpdate(**dict(zip(_UPDATE_COLUMNS, row, strict=True))) for row in facts]


def _compare_heads(ledger: ScoreLedger, columns: dict[str, npt.NDArray[Any]]) -> None:
    heads = columns["head"].tobytes()
    stored = {int(rank): heads[32 * at : 32 * at + 32] for at, rank in enumerate(columns["head_rank"])}
    for rank in sorted(stored.keys() | ledger.heads.keys()):
        if stored.get(rank) != ledger.heads.get(rank):
            raise LedgerError(
                f"the hash chain of rank {rank} does not match its entries; the file was altered"
            )


# ---- reference_model.network.embeddings ----
# What enters the network besides the token itself: the pair with its predecessor, and the position before.
#
# - BigramHash: a table row chosen by a hash of (previous token, token), projected to the model width (PR #461
#   after #162): bucket (36313 id_t XOR 27191 id_(t-1)) mod (N-1), the last bucket N-1 where there is no
#   predecessor.
# - SmearGate: mixes in the previous position. Convex: (1-g) x_t + g x_(t-1), g = sigmoid of a parameter per
#   channel (PR #461). Gated: x_t + l sigmoid(w . x_t[:12]) x_(t-1), l and w start at zero (PR #1667, #1851,
#   #1855).
# - ValueEmbedding: a token table projected to the width of the values, added to v in chosen layers (PR #461).
#
# With the document fix nothing looks across a BOS token: the previous position's term is dropped at BOS, and
# BigramHash takes its last bucket (#1851 masks the gate, #1855 multiplies; same result).
#
# Shapes: B batch, T time, D model, N buckets, E values (key-value heads x head width).


_TOKEN_FACTOR, _PREVIOUS_FACTOR = 36313, 27191  # PR #461; int32 arithmetic, which wraps for ids above 59,138


_BIGRAM_SCALE = 0.05  # PR #461


class BigramHash(nn.Module):
    """Table of hashed token pairs; starts without effect (zero table)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.buckets = config.bigram_buckets
        self.bos_id = None
        self.embed = nn.Embedding(config.bigram_buckets, config.bigram_dim)
        nn.init.zeros_(self.embed.weight)
        self.proj: CastedLinear | None = None
        if config.bigram_dim != config.model_dim:
            self.proj = CastedLinear(config.bigram_dim, config.model_dim)
        self.scale = nn.Parameter(torch.tensor(_BIGRAM_SCALE))

    def buckets_of(self, tokens_BT: Tensor) -> Tensor:
        """Table row of every position, 0 to N-1."""
        ids_BT = tokens_BT.to(torch.int32)
        mixed_BT = (_TOKEN_FACTOR * ids_BT[:, 1:]) ^ (_PREVIOUS_FACTOR * ids_BT[:, :-1])
        last = self.buckets - 1
        rows_BT = functional.pad(torch.remainder(mixed_BT, last), (1, 0), value=last)
        if self.bos_id is not None:
            rows_BT = rows_BT.masked_fill(tokens_BT == self.bos_id, last)
        return rows_BT.long()

    def forward(self, tokens_BT: Tensor, added_BTD: Tensor) -> Tensor:
        """Returns added + scale * projection of the rows, in the type of `added`."""
        rows = self.embed(self.buckets_of(tokens_BT)).to(added_BTD.dtype)
        if self.proj is None:
            return torch.addcmul(added_BTD, rows, self.scale.to(rows.dtype))
        return self.proj(rows, self.scale, added_BTD)  # type: ignore[no-any-return]


class ConvexSmear(nn.Module):
    """(1-g) x_t + g x_(t-1), zero before the first position; g starts at one half."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.bos_id = None
        self.gate = nn.Parameter(torch.zeros(config.model_dim))

    def forward(self, x_BTD: Tensor, tokens_BT: Tensor) -> Tensor:
        """Shape and type of x."""
        share_D = torch.sigmoid(self.gate).to(x_BTD.dtype)
        previous_BTD = previous_position(x_BTD)
        if self.bos_id is not None:  # at BOS the gate closes: x_t stays whole
            previous_BTD = torch.where((tokens_BT == self.bos_id)[:, :, None], x_BTD, previous_BTD)
        return torch.lerp(x_BTD, previous_BTD, share_D)


def previous_position(x_BTD: Tensor) -> Tensor:
    """Shifts x one position later, zero at the first."""
    return functional.pad(x_BTD[:, :-1], (0, 0, 1, 0))


# ---- reference_model.optimizers.averaging ----
# Averages of the weights over a run: exponential moving average and stochastic weight averaging.
#
# Sources: EMA of the whole state, decay 0.997 per step, started at the initial weights (PR #555, #940); SWA of
# snapshots in the warm-down (PR #461), there of the weights, in PR #940 of the EMA. Averages are kept in fp32
# on the model's device whatever the weights are stored in. (PR #461 adds its bf16 tables up in bf16, on the
# host.)


class ExponentialMovingAverage:
    """avg <- decay * avg + (1 - decay) * weights after every step.

    Without bias correction the average starts at the initial weights and keeps decay^n of them after n steps,
    which ruins runs much shorter than 1 / (1 - decay) steps (PR #1115: 2.10 -> 4.62 nats after 289 steps at
    0.997). With it the average starts at zero and is divided by 1 - decay^n, so that the initial weights have
    no share.
    """

    def __init__(self, model: nn.Module, decay: float, bias_correction: bool) -> None:
        """`decay` in 0 to below 1. Raises ConfigError outside."""
        if not 0 <= decay < 1:
            raise ConfigError(f"averaging.ema_decay is {decay}; it must be 0 or more and below 1")
        self.decay = decay
        self.bias_correction = bias_correction
        self.updates = 0
        self._average = _float_copies(model.state_dict())

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the current weights; call once after every optimiser step."""
        average = list(self._average.values())
        if self.bias_correction and not self.updates:
            torch._foreach_zero_(average)
        current = _in_order(model.state_dict(), self._average)
        # Two passes rather than one lerp: the same roundings as the originals, so averages are bit-equal to
        # theirs.
        torch._foreach_mul_(average, self.decay)
        torch._foreach_add_(average, current, alpha=1.0 - self.decay)
        self.updates += 1

    def weights(self) -> dict[str, Tensor]:
        """The average by name, fp32 copies; before the first update the weights it was built from."""
        if not (self.bias_correction and self.updates):
            return {name: tensor.clone() for name, tensor in self._average.items()}
        share_of_run = 1.0 - self.decay**self.updates
        return {name: tensor / share_of_run for name, tensor in self._average.items()}

    def state_dict(self) -> dict[str, Any]:
        """Copies of everything that `load_state_dict` needs to go on bit-equally."""
        return {"updates": self.updates, "average": {k: v.clone() for k, v in self._average.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; raises ConfigError if it belongs to another model."""
        _copy_into(self._average, state["average"], "moving average")
        self.updates = int(state["updates"])


def _float_copies(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor.detach().to(dtype=torch.float32, copy=True, memory_format=torch.contiguous_format)
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }


def _in_order(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> list[Tensor]:
    """The tensors of `state` in fp32, in the order of `like`."""
    missing = like.keys() - state.keys()
    if missing:
        raise ConfigError(
            f"weight averaging: {len(missing)} of {len(like)} tensors are missing from the weights, "
            f"first {min(missing)!r}; average one model only"
        )
    return [state[name].detach().float() for name in like]


def _copy_into(target: Mapping[str, Tensor], saved: Mapping[str, Tensor], what: str) -> None:
    if target.keys() != saved.keys():
        differing = sorted(target.keys() ^ saved.keys())
        raise ConfigError(
            f"the saved {what} has {len(saved)} tensors, the model {len(target)}; they differ first at "
            f"{differing[0]!r}: resume with the configuration of the checkpoint"
        )
    for name, tensor in target.items():
        tensor.copy_(saved[name])


# ---- reference_model.optimizers.flat_parameters ----
# Parameters laid end to end, and their gradients likewise: one buffer of each per number format.
#
# Adapting at test time takes many small steps (16 sequences each in PR #461's recipe), where a launch, a norm
# and an all-reduce per tensor cost more than the arithmetic. On flat buffers zeroing, clipping, reducing and
# stepping are one operation each, whatever the number of tensors, with the same result element by element.


_ALIGNMENT = 64  # elements; keeps every view on the 16-byte boundary that matrix kernels want


class FlatParameters:
    """Moves `parameters` into flat buffers; `release` gives them the values and gradients they had before.

    `buffers` are leaves with gradients, one per number format, for any element-wise torch.optim optimiser.
    Gradients must be cleared with `zero_gradients`, not by setting them to None, which would part them from
    the buffers.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._before = [(parameter, parameter.data, parameter.grad) for parameter in parameters]
        kinds = dict.fromkeys((data.dtype, data.device) for _, data, _ in self._before)
        self.buffers = [self._laid_end_to_end(*kind) for kind in kinds]

    def _laid_end_to_end(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        own = [
            (parameter, data)
            for parameter, data, _ in self._before
            if (data.dtype, data.device) == (dtype, device)
        ]
        buffer = torch.zeros(sum(_room(data) for _, data in own), dtype=dtype, device=device)
        gradient = torch.zeros_like(buffer)
        offset = 0
        for parameter, data in own:
            part = slice(offset, offset + data.numel())
            buffer[part] = data.reshape(-1)
            parameter.data = buffer[part].view(data.shape)
            parameter.grad = gradient[part].view(data.shape)
            offset += _room(data)
        buffer.requires_grad_(True)
        buffer.grad = gradient
        return buffer

    @property
    def gradients(self) -> list[Tensor]:
        """The gradient of each buffer."""
        return [buffer.grad for buffer in self.buffers if buffer.grad is not None]

    def zero_gradients(self) -> None:
        """Forget the gradients, in place."""
        for gradient in self.gradients:
            gradient.zero_()

    def sum_gradients(self, world: World) -> None:
        """Add up the gradients of all ranks."""
        for gradient in self.gradients:
            world.sum_(gradient)

    def clip_gradients(self, limit: float) -> None:
        """Scale all gradients so that their joint 2-norm is at most `limit`, as torch's clip_grad_norm_
        does.
        """
        exact = [
            torch.linalg.vector_norm(gradient, dtype=torch.promote_types(gradient.dtype, torch.float32))
            for gradient in self.gradients
        ]
        norm = torch.linalg.vector_norm(torch.stack(exact))
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        for gradient in self.gradients:
            gradient.mul_(factor)

    def release(self) -> None:
        """Undo everything: the parameters hold the tensors and gradients they came with."""
        for parameter, data, gradient in self._before:
            parameter.data, parameter.grad = data, gradient


def _room(data: Tensor) -> int:
    return -(-data.numel() // _ALIGNMENT) * _ALIGNMENT


# ---- reference_model.evaluation.test_time_training ----
# Test-time training by chunks, score first: no token is trained on before it was scored.
#
# The stream is cut into chunks. For each chunk in turn all windows that belong to it are scored with the
# present weights, then the weights take a few epochs of steps over the chunk's sequences; the last chunk is
# only scored. Recipe of PR #461: SGD with momentum whose state lives on across chunks, a cosine over the
# chunks, gradients clipped, the first blocks and the cores they use frozen. PR #555 and #940 use AdamW, but
# score after having trained on the whole stream; here AdamW keeps the same legal order.
#
# Why training on chunk c sees scored tokens only: its last target is position (c+1) * chunk_tokens; a window
# belongs to the chunk of the token before its first scored position, and windows score without gaps, so the one
# that scores that position belongs to chunk c or an earlier one. The ledger checks it again for every position.
#
# Differences from the originals, all of cost or of rank count: `batch_seqs` counts the sequences of a step over
# all ranks, so that the result does not depend on their number; gradients live in flat buffers.
#
# B sequences, T tokens of a sequence.


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
    return torch.optim.AdamW(flat.buffers, lr=ttt.lr, weight_decay=ttt.weight_decay)


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


if __name__ == "__main__":
    raise SystemExit(main())
