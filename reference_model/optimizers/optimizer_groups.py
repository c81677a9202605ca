"""Which optimiser steps which parameter, and one training step of all of them.

The partition of the challenge's `train_gpt.py`, decided by name and shape alone:

1. `lm_head.weight` (untied output): AdamW without weight decay, `head_lr`.
2. tables indexed by token or bigram (`tok_emb`, `bigram.embed`, `ve_shared.embed`): AdamW, `token_lr`.
3. other 2-D tensors, unless their name marks gains, mixes or gates (`CONTROL_NAME_PARTS`): Muon, `matrix_lr`.
The
   3 x 48 site embedding of PR #555's sidecar is among them, as there; PR #940's attention gate is not.
4. everything else (vectors, scalars, gains, the sidecar's 3-D convolution): AdamW, `scalar_lr`.

The baseline uses Adam, which is AdamW with weight decay 0.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from reference_model.config import ConfigError, MatrixOptimizer
from reference_model.optimizers.muon import Muon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from reference_model.config import OptimizerConfig
    from reference_model.distributed import World
    from reference_model.optimizers.muon import MatrixStepper

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
    if config.matrix_optimizer is MatrixOptimizer.MUON_BANKS:
        from reference_model.optimizers.parameter_banks import BankMuon

        matrices = BankMuon(groups.matrix, config, world, dtype=matrix_dtype, compiled=compile_newton_schulz)
    else:
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
