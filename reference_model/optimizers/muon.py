"""Muon: momentum, orthogonalised, for the matrices of the model; on several ranks each steps a share of them.

Sources: Muon (Jordan et al. 2024) with Nesterov momentum as in the challenge's `train_gpt.py`; decoupled
weight decay as in PR #461. Matrices of one shape are stepped as one stack: a batch of small products costs
less than as many single ones.

Legend: N matrices of one shape, R rows, C columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
import torch.distributed as dist

from reference_model.config import ConfigError
from reference_model.optimizers.newton_schulz import iteration_coefficients, newton_schulz

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, nn

    from reference_model.config import OptimizerConfig
    from reference_model.distributed import World
    from reference_model.optimizers.newton_schulz import Triple


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


class MatrixStepper(Protocol):
    """The four phases of a step of the matrices; what a phase sends travels while others compute."""

    def send_gradients(self) -> None:
        """Start averaging the gradients over the ranks."""

    def gradient_norms(self) -> Tensor:
        """Norm of every matrix's averaged gradient, in the order of the parameters, alike on every rank."""

    def send_updates(self, *, momentum: float, gradient_scale: Tensor | None) -> None:
        """Momentum and orthogonalisation of this rank's share, each gradient times `gradient_scale`."""

    def apply_updates(self, *, lr: float) -> None:
        """Decay the matrices by lr * weight decay, then subtract lr * update."""

    def momentum_by_name(self) -> dict[str, Tensor]:
        """Copies of the momentum of every matrix; every rank must ask."""

    def load_momentum(self, saved: Mapping[str, Tensor]) -> None:
        """Take up momentum saved with any number of ranks; raises ConfigError on other names or shapes."""


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
