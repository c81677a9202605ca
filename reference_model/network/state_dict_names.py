"""Tensor names of our state against those of the original scripts.

Ours are the same for every preset: `cores.{u}.` holds attention and MLP, `blocks.{l}.` the layer's controls.
PR #461 names them so too. The baseline, PR #555 and PR #940 have one core per layer and keep both under
`blocks.{l}.`. Every other name is the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reference_model.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_SEPARATE_CORES = {"baseline": False, "pr461": True, "pr555": False, "pr940": False}
_CORE_NAME = re.compile(r"cores\.(\d+)\.(attn|mlp)\.")
_BLOCK_NAME = re.compile(r"blocks\.(\d+)\.(attn|mlp)\.")


def to_original_names(state: Mapping[str, Tensor], system: str) -> dict[str, Tensor]:
    """Our state under the names of a system's script; raises ConfigError if that script cannot hold it."""
    if _has_separate_cores(system):
        return dict(state)
    cores = {match[1] for name in state if (match := _CORE_NAME.match(name))}
    layers = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    if cores != layers:
        raise ConfigError(
            f"{system} has one core per layer; this state has {len(cores)} cores for {len(layers)} layers "
            "(model.unique_layers)"
        )
    return {_CORE_NAME.sub(r"blocks.\1.\2.", name): tensor for name, tensor in state.items()}


def from_original_names(state: Mapping[str, Tensor], system: str) -> dict[str, Tensor]:
    """The state of a system's script under our names; raises ConfigError for a system that is not known."""
    if _has_separate_cores(system):
        return dict(state)
    return {_BLOCK_NAME.sub(r"cores.\1.\2.", name): tensor for name, tensor in state.items()}


def _has_separate_cores(system: str) -> bool:
    if system not in _SEPARATE_CORES:
        raise ConfigError(f"no original system is called {system!r}; there are {', '.join(_SEPARATE_CORES)}")
    return _SEPARATE_CORES[system]
