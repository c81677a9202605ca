"""Low-rank adapters on queries, values and the MLP, one set per document of a batch.

Each adapted matrix W acts on row b of the batch as W + B_b A_b: A (r x inputs) starts uniform in
+-1/sqrt(inputs), B (outputs x r) at zero, so a document begins with the model as it is (PR #77, arXiv
2106.09685). A starts the same for every document, drawn from the run's seed. PR #77 adapts queries, values
and the head; here the MLP's first matrix stands in for the head, whose product is fused with the loss.
Adapters hang on the modules as forward hooks: the model's own tensors are not touched, and layers that share
a core share its adapters.

B documents, T time, I inputs, O outputs, r rank.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from types import TracebackType

    from torch import Tensor
    from torch.utils.hooks import RemovableHandle

    from reference_model.network.gpt import GPT

ADAPTED_MATRICES = ("attn.c_q", "attn.c_v", "mlp.fc")


class DocumentAdapters:
    """Adapters of `documents` documents on every core of `model`, in effect inside a `with` block.

    `active` is the number of documents, from the first, that the next forward pass has rows for.
    """

    def __init__(self, model: GPT, *, documents: int, rank: int, seed: int, device: torch.device) -> None:
        self.active = documents
        generator = torch.Generator().manual_seed(seed)
        self._adapters = {
            name: _MatrixAdapter(module, documents, rank, generator, device)
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and name.endswith(ADAPTED_MATRICES)
        }
        self._modules = dict(model.named_modules())
        self._handles: list[RemovableHandle] = []

    @property
    def parameters(self) -> list[nn.Parameter]:
        """A and B of every adapter; row b of each belongs to document b alone."""
        return [matrix for adapter in self._adapters.values() for matrix in (adapter.down, adapter.up)]

    def __enter__(self) -> DocumentAdapters:
        """Put the adapters into effect."""
        for name, adapter in self._adapters.items():
            self._handles.append(self._modules[name].register_forward_hook(self._hook(adapter)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the model as it was."""
        while self._handles:
            self._handles.pop().remove()

    def _hook(self, adapter: _MatrixAdapter) -> _AdapterHook:
        return _AdapterHook(self, adapter)


class _MatrixAdapter:
    """A (B x r x I) and B (B x O x r) of one matrix."""

    def __init__(
        self, matrix: nn.Linear, documents: int, rank: int, generator: torch.Generator, device: torch.device
    ) -> None:
        bound = 1.0 / math.sqrt(matrix.in_features)
        start_rI = torch.empty(rank, matrix.in_features).uniform_(-bound, bound, generator=generator)
        start_rI = start_rI.to(device)
        self.down = nn.Parameter(start_rI.expand(documents, -1, -1).clone())
        self.up = nn.Parameter(torch.zeros(documents, matrix.out_features, rank, device=device))


class _AdapterHook:
    """Adds B A x to a module's output, for the documents that are active."""

    def __init__(self, owner: DocumentAdapters, adapter: _MatrixAdapter) -> None:
        self._owner, self._adapter = owner, adapter

    def __call__(self, _module: nn.Module, inputs: tuple[Tensor, ...], output_BTO: Tensor) -> Tensor:
        x_BTI, rows = inputs[0], self._owner.active
        down_BIr = self._adapter.down[:rows].to(x_BTI.dtype).transpose(1, 2)
        up_BrO = self._adapter.up[:rows].to(x_BTI.dtype).transpose(1, 2)
        return torch.baddbmm(output_BTO, torch.bmm(x_BTI, down_BIr), up_BrO)
