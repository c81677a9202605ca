"""The language model: embeddings, layers with U-Net skips, softcapped head.

x = rms(embedding + bigram), smeared; x0 = x. The first half of the layers push their output, the second half
pop one each before they run, scaled per channel. logits = c tanh(rms(x) E^T / c) (main; techniques cite their
source in their own modules). Every technique is a switch of `ModelConfig`; the parameters' names do not
depend on the preset.

Number formats: matrices are stored fp32 and cast at use, embedding tables are stored bf16 when the model
computes in bf16, vectors and control tensors stay fp32 (main).

Shapes: B batch, T time, Q the final positions that are asked for, N = B Q, D model, V vocabulary.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_model.config import ComputeType, LinearInit, Smear
from reference_model.network.attention import AttentionContext
from reference_model.network.block import BlockCore, LayerControls
from reference_model.network.cross_entropy import softcapped, softcapped_mean_nll, softcapped_nll
from reference_model.network.linear import CastedLinear
from reference_model.network.normalization import rms_norm
from reference_model.network.rotary import rotary_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_model.config import ModelConfig

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
        self.lm_head = None if config.tie_embeddings else CastedLinear(dim, config.vocab_size)
        self._add_embeddings(config)
        if config.sidecar_layers:
            from reference_model.network.sidecar import SharedSidecar

            self.shared_sparse = SharedSidecar(config)
            self.shared_sparse_scale = nn.Parameter(torch.zeros(len(config.sidecar_layers), dim))
        initialize_weights(self)
        self._share_gradients()

    def _add_embeddings(self, config: ModelConfig) -> None:
        if config.bigram_buckets:
            from reference_model.network.embeddings import BigramHash

            self.bigram = BigramHash(config)
        if config.smear is Smear.CONVEX:
            from reference_model.network.embeddings import ConvexSmear

            self.smear: nn.Module = ConvexSmear(config)
        if config.smear is Smear.GATED:
            from reference_model.network.embeddings import GatedSmear

            self.smear = GatedSmear(config)
        if config.value_embedding_layers:
            from reference_model.network.embeddings import ValueEmbedding

            self.ve_shared = ValueEmbedding(config)
            self.ve_layer_scales = nn.ParameterList(torch.ones(1) for _ in config.value_embedding_layers)

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
        if config.value_embedding_layers:
            value_embedding = self.ve_shared(tokens_BT, x_BTD.dtype)
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
            if config.value_residual and first_value is None:
                first_value = raw_value
            if layer in config.sidecar_layers:
                site = config.sidecar_layers.index(layer)
                x_BTD = self.shared_sparse(x_BTD, site, self.shared_sparse_scale[site])
            if after_half < 0:
                skips.append(x_BTD)
        return rms_norm(x_BTD[:, -asked:])

    def _kept(self, layer: int, asked: int, length: int) -> int:
        """Final positions of a layer's output that anything later needs."""
        if layer < self.config.num_layers - 1:
            return length
        if layer in self.config.sidecar_layers:
            from reference_model.network.sidecar import SIDECAR_REACH

            return min(asked + SIDECAR_REACH, length)
        return asked

    def _layer_value_embedding(self, layer: int, value_embedding: Tensor | None) -> Tensor | None:
        if value_embedding is None or layer not in self.config.value_embedding_layers:
            return None
        scale: Tensor = self.ve_layer_scales[self.config.value_embedding_layers.index(layer)]
        return value_embedding * scale.to(value_embedding.dtype)

    def _embedded(self, tokens_BT: Tensor) -> Tensor:
        """What enters the first layer, (B, T, D)."""
        x_BTD: Tensor = self.tok_emb(tokens_BT).to(self.activations or self.tok_emb.weight.dtype)
        if self.config.bigram_buckets:
            x_BTD = self.bigram(tokens_BT, x_BTD)
        x_BTD = rms_norm(x_BTD)
        if self.config.smear is not Smear.NONE:
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
    if config.tie_embeddings:
        nn.init.normal_(model.tok_emb.weight, std=config.embed_init_std)
    else:
        nn.init.zeros_(model.lm_head.weight)  # type: ignore[union-attr]
    for name, module in model.named_modules():
        if not isinstance(module, CastedLinear) or module is model.lm_head:
            continue
        if name.endswith(("attn.proj", "mlp.proj")):
            nn.init.zeros_(module.weight)
        elif config.linear_init is LinearInit.ORTHOGONAL and min(module.weight.shape) >= _ORTHOGONAL_FROM:
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
