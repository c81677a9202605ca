"""Modules with parameters of given names and no forward pass, for tests of what works on names alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

SMALL_SHAPES = {
    "cores.0.attn.c_q.weight": (16, 16),
    "cores.0.attn.c_k.weight": (8, 16),
    "cores.0.attn.proj.weight": (16, 16),
    "cores.0.attn.q_gain": (4,),
    "cores.0.mlp.fc.weight": (48, 16),
    "cores.0.mlp.proj.weight": (16, 48),
    "cores.1.attn.c_q.weight": (16, 16),
    "blocks.0.resid_mix": (2, 16),
    "skip_weights": (1, 16),
    "tok_emb.weight": (32, 16),
    "lm_head.weight": (32, 16),
}


def module_of(tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    root = nn.Module()
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        place = root
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        place.register_parameter(last, nn.Parameter(tensor))
    return root


def small_module(seed: int = 0) -> nn.Module:
    return module_of(random_tensors(seed))


def random_tensors(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SMALL_SHAPES.items()}


def set_gradients(module: nn.Module, gradients: Mapping[str, torch.Tensor]) -> None:
    for name, parameter in module.named_parameters():
        parameter.grad = gradients[name].clone().to(parameter.dtype)
