"""Muon on parameter banks: matrices of one shape form a 3-D bank whose slices are shared out among the ranks.

Source: parallel Muon of PR #399 and #549. There the banks (query/output, key/value, MLP up, MLP down) are the
parameters; here the parameters keep their 2-D names and banks are gathered when a step begins, which gives
the same four and one more for every other shape, and costs one copy of the gradients.

A step: reduce-scatter every bank, largest first, padded to a multiple of W slices; orthogonalise the slices
of this rank as one batch; all-gather each bank's updates while the next bank is orthogonalised.

Legend: N slices of a bank with padding, n slices of one rank (N / W), R rows, C columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from reference_model.optimizers.muon import (
    MatrixStack,
    StackedMuon,
    gradient_of,
    names_by_shape,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    from reference_model.config import OptimizerConfig
    from reference_model.distributed import World


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterBank:
    """All matrices of one shape, in model order."""

    parameters: tuple[nn.Parameter, ...]
    slices_per_rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingExchange:
    """A tensor on its way and the collective that fills it; None = it is there."""

    tensor: Tensor
    work: dist.Work | None = None


class BankMuon(StackedMuon):
    """Rank r steps slices r n to (r+1) n of every bank; reduce-scatter in, all-gather out."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        config: OptimizerConfig,
        world: World,
        *,
        dtype: torch.dtype = torch.bfloat16,
        compiled: bool = False,
    ) -> None:
        """`dtype`: of the iteration and of everything exchanged. `compiled`: torch.compile the iteration."""
        super().__init__(parameters, config, world, dtype=dtype, compiled=compiled)
        self._banks: list[ParameterBank] = []
        shapes = names_by_shape(self._parameters, list(self._parameters))
        for (rows, columns), names in sorted(
            shapes.items(), key=lambda item: -len(item[1]) * item[0][0] * item[0][1]
        ):
            share = -(-len(names) // world.size)
            padded = names + [None] * (share * world.size - len(names))
            members = tuple(self._parameters[name] for name in names)
            self._banks.append(ParameterBank(parameters=members, slices_per_rank=share))
            self._stacks.append(
                MatrixStack(
                    names=tuple(padded[world.rank * share : (world.rank + 1) * share]),
                    momenta=members[0].detach().new_zeros(share, rows, columns),
                )
            )
        self._pending: list[PendingExchange] = []

    @torch.no_grad()
    def send_gradients(self) -> None:
        """Start averaging every bank into the ranks' shares, largest bank first."""
        self._pending = [self._sent_bank(bank) for bank in self._banks]

    def _receive_gradients(self) -> list[Tensor]:
        pending, self._pending = self._pending, []
        return [self._own_average(each, stack) for each, stack in zip(pending, self._stacks, strict=True)]

    @torch.no_grad()
    def send_updates(self, *, momentum: float, gradient_scale: Tensor | None) -> None:
        """Orthogonalise this rank's slices bank by bank, each all-gather running beside the next bank."""
        for stack, gradient_nRC in zip(self._stacks, self._scaled_gradients(gradient_scale), strict=True):
            update_nRC = self._update(stack, gradient_nRC, momentum)
            if self._world.size == 1:
                self._pending.append(PendingExchange(tensor=update_nRC))
                continue
            slices, rows, columns = update_nRC.shape
            update_NRC = update_nRC.new_empty(slices * self._world.size, rows, columns)
            work = gather_slices()(update_NRC, update_nRC, async_op=True)
            self._pending.append(PendingExchange(tensor=update_NRC, work=work))

    @torch.no_grad()
    def apply_updates(self, *, lr: float) -> None:
        """Decay the matrices by lr * weight decay, then subtract lr * update."""
        for bank, pending in zip(self._banks, self._pending, strict=True):
            wait_for(pending.work)
            parameters: list[Tensor] = list(bank.parameters)
            updates = pending.tensor[: len(parameters)].to(parameters[0].dtype).unbind(0)
            self._decay_and_subtract(parameters, list(updates), lr)
        self._pending = []

    def _sent_bank(self, bank: ParameterBank) -> PendingExchange:
        gradients = [gradient_of(parameter) for parameter in bank.parameters]
        if self._world.size == 1:
            return PendingExchange(tensor=torch.stack(gradients))
        slices = bank.slices_per_rank * self._world.size
        bank_NRC = gradients[0].new_zeros((slices, *gradients[0].shape), dtype=self._dtype)
        torch._foreach_copy_(list(bank_NRC[: len(gradients)].unbind(0)), gradients)
        if not reduce_scatter_averages():
            return PendingExchange(tensor=bank_NRC, work=dist.all_reduce(bank_NRC, async_op=True))
        share_nRC = bank_NRC.new_empty(bank.slices_per_rank, *bank_NRC.shape[1:])
        work = scatter_average()(share_nRC, bank_NRC, op=dist.ReduceOp.AVG, async_op=True)
        return PendingExchange(tensor=share_nRC, work=work)

    def _own_average(self, pending: PendingExchange, stack: MatrixStack) -> Tensor:
        wait_for(pending.work)
        share = stack.momenta.size(0)
        mean = pending.tensor
        if mean.size(0) != share:  # summed in full by a backend without averaging
            mean = mean[self._world.rank * share : (self._world.rank + 1) * share] / self._world.size
        return mean.to(stack.momenta.dtype)


def gather_slices() -> Callable[..., dist.Work | None]:
    """All-gather into one tensor, under the name this torch has for it; newer ones warn about the older."""
    return getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor


def scatter_average() -> Callable[..., dist.Work | None]:
    """Reduce-scatter from one tensor, under the name this torch has for it."""
    return getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor


def reduce_scatter_averages() -> bool:
    """Whether the ranks' backend averages while it reduce-scatters (NCCL); others all-reduce instead."""
    return bool(dist.get_backend() == dist.Backend.NCCL)
