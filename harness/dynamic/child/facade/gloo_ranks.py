"""`torch.distributed` of several ranks on the CPU: gloo in the place of NCCL, with the same collectives.

The ranks are processes of one sandbox and meet on its own loopback. Gloo starts threads, so a process with
several ranks cannot be forked.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_A_GPU = ("device_id", "device_ids", "pg_options")


def install_gloo_ranks() -> None:
    """Let process groups be gloo's, whatever backend is asked for."""
    init = dist.init_process_group

    def init_process_group(backend: Any = None, *args: Any, **kwargs: Any) -> None:
        init("gloo", *args, **_without_gpu(kwargs))

    names: dict[str, Any] = {
        "init_process_group": init_process_group,
        "new_group": _of_gloo(dist.new_group),
        "barrier": _of_gloo(dist.barrier),
        "get_backend": lambda group=None: "nccl",
        "is_nccl_available": lambda: True,
    }
    for name, function in names.items():
        for module in (dist, dist.distributed_c10d):
            setattr(module, name, function)
    construct = nn.parallel.DistributedDataParallel.__init__

    def on_cpu(self: Any, module: nn.Module, *_: Any, **kwargs: Any) -> None:
        construct(self, module, **{**_without_gpu(kwargs), "output_device": None})

    parallel: Any = nn.parallel.DistributedDataParallel
    parallel.__init__ = on_cpu


def _without_gpu(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _OF_A_GPU}


def _of_gloo(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, backend: Any = None, **kwargs: Any) -> Any:
        return function(*args, **_without_gpu(kwargs))

    return called
