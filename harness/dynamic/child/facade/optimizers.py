"""Optimizers without the kernels of a GPU: fused and capturable are off, so each takes its plain steps."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch

_GPU_ONLY = ("fused", "capturable")


def install_optimizers() -> None:
    """Wrap the constructors of `torch.optim`."""
    for kind in vars(torch.optim).values():
        if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer):
            known = set(inspect.signature(kind.__init__).parameters) & {*_GPU_ONLY, "foreach"}
            if known:
                _wrap(kind, known)


def _wrap(kind: Any, known: set[str]) -> None:
    construct = kind.__init__

    @functools.wraps(construct)
    def plain(self: Any, *args: Any, **kwargs: Any) -> None:
        kwargs.update((name, False) for name in _GPU_ONLY if name in known and name in kwargs)
        construct(self, *args, **kwargs)

    kind.__init__ = plain
