"""`torch.distributed` of several ranks on the CPU: gloo in the place of NCCL, with the same collectives.

The ranks are processes of one sandbox; they meet in a file and talk on its own loopback. Gloo starts threads,
so a process with several ranks cannot be forked. Every exchange is told: what this rank gave and what it got,
where that is a few numbers.
"""

from __future__ import annotations

import functools
import os
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn

from harness.dynamic.child.facade.told import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.dynamic.run_plan import RunPlan

MOST_VALUES = 64
"""Elements of a tensor whose values are told: sums and counts, not gradients."""
_OF_A_GPU = ("device_id", "device_ids", "pg_options")
_TO_ALL = (
    "all_reduce", "all_reduce_coalesced", "reduce", "broadcast", "all_gather", "gather", "scatter",
    "all_gather_into_tensor", "_all_gather_base", "reduce_scatter", "reduce_scatter_tensor",
    "_reduce_scatter_base", "all_to_all", "all_to_all_single", "barrier", "monitored_barrier",
    "all_gather_object", "gather_object", "scatter_object_list", "broadcast_object_list",
)  # fmt: skip
_TO_ONE = ("send", "recv", "isend", "irecv", "batch_isend_irecv", "send_object_list", "recv_object_list")
_REDUCING = frozenset({"all_reduce", "reduce"})


def install_gloo_ranks(plan: RunPlan) -> None:
    """Let process groups be gloo's, whatever backend is asked for, and tell every exchange."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    init = dist.init_process_group
    meetings = count()

    def init_process_group(backend: Any = None, *_: Any, **__: Any) -> None:
        place = f"{plan.out}/ranks.{next(meetings)}.store"
        store = dist.FileStore(place, plan.world_size)  # type: ignore[attr-defined]
        init("gloo", store=store, rank=plan.rank, world_size=plan.world_size)

    names: dict[str, Any] = {
        "init_process_group": init_process_group,
        "new_group": _of_gloo(dist.new_group),
        "barrier": _of_gloo(dist.barrier),
        "get_backend": lambda group=None: "nccl",
        "is_nccl_available": lambda: True,
        "is_torchelastic_launched": lambda: True,
    }
    for name, function in names.items():
        _put(name, function)
    exchanges = _Exchanges()
    for name in (*_TO_ALL, *_TO_ONE):
        if hasattr(dist.distributed_c10d, name):
            _put(name, exchanges.told(name, getattr(dist.distributed_c10d, name)))
    _install_parallel(exchanges)


def _put(name: str, function: Any) -> None:
    for module in (dist, dist.distributed_c10d):
        if hasattr(module, name):
            setattr(module, name, function)


class _Exchanges:
    """Wraps collectives so that each is told once, not again where one is made of others."""

    def __init__(self) -> None:
        self._inside = threading.local()

    def told(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._inside, "is_on", False):
                return function(*args, **kwargs)
            self._inside.is_on = True
            try:
                tensor = args[0] if args else kwargs.get("tensor")
                given = _values(tensor) if name in _REDUCING else None
                result = function(*args, **kwargs)
                is_done = not kwargs.get("async_op") and len(args) < 4
                self._tell(name, args, kwargs, tensor, given, _values(tensor) if given and is_done else None)
                return result
            finally:
                self._inside.is_on = False

        return called

    def _tell(
        self, name: str, args: Any, kwargs: Any, tensor: Any, given: list[float] | None, got: Any
    ) -> None:
        group = kwargs.get("group")
        if group is None:
            group = next((each for each in args if isinstance(each, dist.ProcessGroup)), None)
        tell(
            "exchange",
            op=name,
            reduction=_reduction(args, kwargs) if name in _REDUCING else "",
            size=tensor.numel() if isinstance(tensor, torch.Tensor) else 0,
            given=given,
            got=got,
            all=name in _TO_ALL and (group is None or group.size() == dist.get_world_size()),
        )

    def averaged(self, bucket: Any) -> Any:
        """What `DistributedDataParallel` does with gradients, told."""
        tensor = bucket.buffer().div_(dist.get_world_size())
        tell("exchange", op="ddp", reduction="", size=tensor.numel(), given=None, got=None, all=True)
        self._inside.is_on = True
        try:
            work: Any = dist.all_reduce(tensor, async_op=True)
        finally:
            self._inside.is_on = False
        return work.get_future().then(lambda done: done.value()[0])


def _install_parallel(exchanges: _Exchanges) -> None:
    parallel: Any = nn.parallel.DistributedDataParallel
    construct, hook = parallel.__init__, parallel.register_comm_hook

    def on_cpu(self: Any, module: nn.Module, *_: Any, **kwargs: Any) -> None:
        construct(self, module, **{**_without_gpu(kwargs), "output_device": None})
        hook(self, None, lambda state, bucket: exchanges.averaged(bucket))
        tell("exchange", op="ddp", reduction="", size=0, given=None, got=None, all=True)

    parallel.__init__ = on_cpu
    parallel.register_comm_hook = lambda *_, **__: None  # how gradients are packed changes no score here


def _values(tensor: Any) -> list[float] | None:
    if not isinstance(tensor, torch.Tensor) or not 1 <= tensor.numel() <= MOST_VALUES:
        return None
    if tensor.dtype == torch.bool or tensor.is_complex():
        return None
    values: list[float] = tensor.detach().to(torch.float64).reshape(-1).tolist()
    return values


def _reduction(args: Any, kwargs: Any) -> str:
    op = kwargs.get("op")
    if op is None:
        op = next((each for each in args[1:] if isinstance(each, dist.ReduceOp.RedOpType)), dist.ReduceOp.SUM)
    return str(op).rsplit(".", 1)[-1].lower()


def _without_gpu(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _OF_A_GPU}


def _of_gloo(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, backend: Any = None, **kwargs: Any) -> Any:
        return function(*args, **_without_gpu(kwargs))

    return called
