"""Low-rank adapters on queries, values and the head, one set per document of a batch.

Each adapted matrix W acts on row b of the batch as W + B_b A_b: A (r x inputs) starts uniform in
+-1/sqrt(inputs), B (outputs x r) at zero, so a document begins with the model as it is (PR #77, arXiv
2106.09685). The head's part is added before the softcap. A starts the same for every document, drawn from the
run's seed, so that scores do not depend on how documents are batched; PR #77 draws it for each row.

Adapters hang on the modules as forward hooks: the model's own tensors are not touched, and layers that share
a core share its adapters.

B documents, T time, S final positions that are asked for, D model, V vocabulary, I inputs, O outputs, r rank.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from reference_model.network.cross_entropy import softcapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from torch import Tensor
    from torch.utils.hooks import RemovableHandle

    from reference_model.network.gpt import GPT

ADAPTED_MATRICES = ("attn.c_q", "attn.c_v")  # of every core, and the head


class DocumentAdapters:
    """Adapters of `documents` documents on `model`, in effect inside a `with` block."""

    def __init__(self, model: GPT, *, documents: int, rank: int, seed: int, device: torch.device) -> None:
        self._model = model
        self._active = documents  # from the first, that the forward pass has rows for
        generator = torch.Generator().manual_seed(seed)
        self._adapters = {
            name: _MatrixAdapter(module.weight, documents, rank, generator, device)
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and name.endswith(ADAPTED_MATRICES)
        }
        head_VD = model.head_weight(torch.float32)
        self._head = _MatrixAdapter(head_VD, documents, rank, generator, device)
        self._handles: list[RemovableHandle] = []

    @property
    def parameters(self) -> list[nn.Parameter]:
        """A and B of every adapter; row b of each belongs to document b alone."""
        adapters = (*self._adapters.values(), self._head)
        return [matrix for adapter in adapters for matrix in (adapter.down, adapter.up)]

    def logits(self, tokens_BT: Tensor, *, last: int) -> Tensor:
        """Softcapped fp32 logits (B, S, V) of the final `last` positions of the first B documents."""
        self._active = len(tokens_BT)
        h_BSD = self._model.hidden(tokens_BT, last=last)
        raw_BSV = functional.linear(h_BSD, self._model.head_weight(h_BSD.dtype))
        raw_BSV = self._head.added(raw_BSV, h_BSD, self._active)
        return softcapped(raw_BSV, self._model.config.logit_softcap).float()

    def __enter__(self) -> DocumentAdapters:
        """Put the adapters into effect."""
        modules = dict(self._model.named_modules())
        for name, adapter in self._adapters.items():
            self._handles.append(modules[name].register_forward_hook(self._hook(adapter)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the model as it was."""
        while self._handles:
            self._handles.pop().remove()

    def _hook(self, adapter: _MatrixAdapter) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def add_to_output(_module: nn.Module, inputs: tuple[Tensor, ...], output_BTO: Tensor) -> Tensor:
            return adapter.added(output_BTO, inputs[0], self._active)

        return add_to_output


class _MatrixAdapter:
    """A (B x r x I) and B (B x O x r) of one matrix."""

    def __init__(
        self, matrix_OI: Tensor, documents: int, rank: int, generator: torch.Generator, device: torch.device
    ) -> None:
        outputs, inputs = matrix_OI.shape
        bound = 1.0 / math.sqrt(inputs)
        start_rI = torch.empty(rank, inputs).uniform_(-bound, bound, generator=generator).to(device)
        self.down = nn.Parameter(start_rI.expand(documents, -1, -1).clone())
        self.up = nn.Parameter(torch.zeros(documents, outputs, rank, device=device))

    def added(self, output_BTO: Tensor, x_BTI: Tensor, active: int) -> Tensor:
        """The output plus B A x of the first `active` documents, whose rows these are."""
        down_BIr = self.down[:active].to(x_BTI.dtype).transpose(1, 2)
        up_BrO = self.up[:active].to(x_BTI.dtype).transpose(1, 2)
        return torch.baddbmm(output_BTO, torch.bmm(x_BTI, down_BIr), up_BrO)
