"""Averages of the weights over a run: exponential moving average and stochastic weight averaging.

Sources: EMA of the whole state, decay 0.997 per step, started at the initial weights (PR #555, #940); SWA of
snapshots in the warm-down (PR #461), there of the weights, in PR #940 of the EMA. Averages are kept in fp32
on the model's device whatever the weights are stored in. (PR #461 adds its bf16 tables up in bf16, on the
host.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from reference_model.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


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


class StochasticWeightAverage:
    """Mean of snapshots of a state dict, each with equal weight."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, state: Mapping[str, Tensor]) -> None:
        """Take one snapshot; raises ConfigError if its names differ from those of the earlier ones."""
        if not self._sum:
            self._sum = _float_copies(state)
        else:
            snapshot = _in_order(state, self._sum)
            if next(iter(self._sum.values())).device != snapshot[0].device:
                # resumed from a checkpoint that was read into host memory
                self._sum = {name: tensor.to(snapshot[0].device) for name, tensor in self._sum.items()}
            torch._foreach_add_(list(self._sum.values()), snapshot)
        self.count += 1

    def weights(self) -> dict[str, Tensor]:
        """The mean by name, fp32 copies; raises ConfigError if no snapshot was taken."""
        if not self.count:
            raise ConfigError(
                "stochastic weight averaging took no snapshot: the learning-rate scale never fell below "
                "averaging.swa_start_scale on a multiple of averaging.swa_every; raise that"
            )
        return {name: tensor / self.count for name, tensor in self._sum.items()}

    def state_dict(self) -> dict[str, Any]:
        """Copies of everything that `load_state_dict` needs to go on bit-equally."""
        return {"count": self.count, "sum": {name: tensor.clone() for name, tensor in self._sum.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.count = int(state["count"])
        self._sum = {name: tensor.clone() for name, tensor in state["sum"].items()}


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
