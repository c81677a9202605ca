"""One frozen configuration for model, training, artifact and evaluation; every technique is a switch of it.

A run is its configuration: nothing reads the environment while it runs. `config_overrides` lays settings of
the command line and of the environment on a preset; the variable that a field answers to stands beside it.

Units: lengths and batches in tokens, times in seconds, sizes in bytes, learning rates per step.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from harness.errors import UsageError


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
