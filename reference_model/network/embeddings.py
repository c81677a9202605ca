"""What enters the network besides the token itself: the pair with its predecessor, and the position before.

- BigramHash: a table row chosen by a hash of (previous token, token), projected to the model width (PR #461
  after #162): bucket (36313 id_t XOR 27191 id_(t-1)) mod (N-1), the last bucket N-1 where there is no
  predecessor.
- SmearGate: mixes in the previous position. Convex: (1-g) x_t + g x_(t-1), g = sigmoid of a parameter per
  channel (PR #461). Gated: x_t + l sigmoid(w . x_t[:12]) x_(t-1), l and w start at zero (PR #1667, #1851,
  #1855).
- ValueEmbedding: a token table projected to the width of the values, added to v in chosen layers (PR #461).

With the document fix nothing looks across a BOS token: the previous position's term is dropped at BOS, and
BigramHash takes its last bucket (#1851 masks the gate, #1855 multiplies; same result).

Shapes: B batch, T time, D model, N buckets, E values (key-value heads x head width).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_model.network.linear import CastedLinear

if TYPE_CHECKING:
    from reference_model.config import ModelConfig

_TOKEN_FACTOR, _PREVIOUS_FACTOR = 36313, 27191  # PR #461; int32 arithmetic, which wraps for ids above 59,138
_BIGRAM_SCALE = 0.05  # PR #461
_VALUE_TABLE_STD, _VALUE_SCALE = 0.01, 0.1  # PR #461
_GATE_CHANNELS = 12  # PR #1667


class BigramHash(nn.Module):
    """Table of hashed token pairs; starts without effect (zero table)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.buckets = config.bigram_buckets
        self.bos_id = config.bos_id if config.document_fix else None
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
        self.bos_id = config.bos_id if config.document_fix else None
        self.gate = nn.Parameter(torch.zeros(config.model_dim))

    def forward(self, x_BTD: Tensor, tokens_BT: Tensor) -> Tensor:
        """Shape and type of x."""
        share_D = torch.sigmoid(self.gate).to(x_BTD.dtype)
        previous_BTD = previous_position(x_BTD)
        if self.bos_id is not None:  # at BOS the gate closes: x_t stays whole
            previous_BTD = torch.where((tokens_BT == self.bos_id)[:, :, None], x_BTD, previous_BTD)
        return torch.lerp(x_BTD, previous_BTD, share_D)


class GatedSmear(nn.Module):
    """x_t + strength * sigmoid(w . first channels of x_t) * x_(t-1); starts as the identity."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.bos_id = config.bos_id if config.document_fix else None
        self.channels = min(_GATE_CHANNELS, config.model_dim)
        self.weight = nn.Parameter(torch.zeros(self.channels))
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x_BTD: Tensor, tokens_BT: Tensor) -> Tensor:
        """Shape and type of x."""
        gate_BT1 = torch.sigmoid((x_BTD[..., : self.channels] * self.weight).sum(dim=-1, keepdim=True))
        gate_BT1 = gate_BT1 * self.strength
        if self.bos_id is not None:
            gate_BT1 = gate_BT1.masked_fill((tokens_BT == self.bos_id)[:, :, None], 0.0)
        return torch.addcmul(x_BTD, gate_BT1.to(x_BTD.dtype), previous_position(x_BTD))


class ValueEmbedding(nn.Module):
    """Token table for the values of chosen layers; each layer has its own factor beside `scale`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.vocab_size, config.value_embedding_dim)
        nn.init.normal_(self.embed.weight, std=_VALUE_TABLE_STD)
        self.proj: CastedLinear | None = None
        if config.value_embedding_dim != config.kv_dim:
            self.proj = CastedLinear(config.value_embedding_dim, config.kv_dim)
            nn.init.zeros_(self.proj.weight)
        self.scale = nn.Parameter(torch.tensor(_VALUE_SCALE))

    def forward(self, tokens_BT: Tensor, dtype: torch.dtype) -> Tensor:
        """(B, T, E) in `dtype`."""
        rows: Tensor = self.embed(tokens_BT).to(dtype)
        if self.proj is None:
            return rows * self.scale.to(dtype)
        return self.proj(rows, self.scale)  # type: ignore[no-any-return]


def previous_position(x_BTD: Tensor) -> Tensor:
    """Shifts x one position later, zero at the first."""
    return functional.pad(x_BTD[:, :-1], (0, 0, 1, 0))
