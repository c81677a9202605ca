"""`torch.distributed` of a world of one rank: collectives that give each rank its own share back.

Real process groups start threads, which a process that is to fork must not have.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Tensor = torch.Tensor


class DoneWork:
    """What an asynchronous collective returns; it is done."""

    def __init__(self, result: Any = None) -> None:
        self._result = result

    def wait(self, timeout: Any = None) -> bool:
        """Done."""
        return True

    def is_completed(self) -> bool:
        """Done."""
        return True

    def is_success(self) -> bool:
        """Done."""
        return True

    def result(self) -> Any:
        """The tensors that were written."""
        return self._result

    def get_future(self) -> DoneWork:
        """Itself: `wait` and `value` are all that is asked of it."""
        return self

    def value(self) -> Any:
        """The tensors that were written."""
        return self._result


def _work(is_async: bool, result: Any = None) -> DoneWork | None:
    return DoneWork(result) if is_async else None


def _in_place(tensor: Any, *_: Any, async_op: bool = False, **__: Any) -> DoneWork | None:
    """all_reduce, broadcast, reduce: of one rank, what it holds already."""
    return _work(async_op, [tensor])


def _fill(target: Tensor, source: Tensor) -> None:
    with torch.no_grad():
        target.copy_(source.reshape(target.shape))


def _gather_lists(
    tensors: list[Tensor], tensor: Tensor, *_: Any, async_op: bool = False, **__: Any
) -> DoneWork | None:
    for target in tensors or ():
        _fill(target, tensor)
    return _work(async_op, tensors)


def _into(output: Tensor, source: Tensor, *_: Any, async_op: bool = False, **__: Any) -> DoneWork | None:
    """all_gather_into_tensor, reduce_scatter_tensor, all_to_all_single."""
    _fill(output, source)
    return _work(async_op, [output])


def _from_lists(
    output: Tensor, tensors: list[Tensor] | None = None, *_: Any, async_op: bool = False, **__: Any
) -> DoneWork | None:
    """reduce_scatter, scatter."""
    for source in tensors or ():
        _fill(output, source)
    return _work(async_op, [output])


def _gather(
    tensor: Tensor, gather_list: list[Tensor] | None = None, *_: Any, async_op: bool = False, **__: Any
) -> DoneWork | None:
    return _gather_lists(gather_list or [], tensor, async_op=async_op)


def _gather_objects(objects: list[Any], value: Any, *_: Any, **__: Any) -> None:
    objects[:] = [value] * len(objects)


def _gather_object(value: Any, object_gather_list: list[Any] | None = None, *_: Any, **__: Any) -> None:
    if object_gather_list is not None:
        _gather_objects(object_gather_list, value)


def _scatter_objects(outputs: list[Any], inputs: list[Any], *_: Any, **__: Any) -> None:
    outputs[0] = inputs[0]


def _no_peer(*_: Any, **__: Any) -> None:
    raise RuntimeError("the world has one rank: there is none to send to or to receive from")


class OneRankGroup:
    """The only group there is."""

    def size(self) -> int:
        """One."""
        return 1

    def rank(self) -> int:
        """The first."""
        return 0


class OneRankDDP(nn.Module):
    """`DistributedDataParallel` without anyone to average with."""

    def __init__(self, module: nn.Module, *_: Any, **__: Any) -> None:
        super().__init__()
        self.module = module
        self.require_backward_grad_sync = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's."""
        return self.module(*args, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Nothing is synchronised anyway."""
        yield

    def join(self, *_: Any, **__: Any) -> Any:
        """As `no_sync`."""
        return self.no_sync()

    def register_comm_hook(self, *_: Any, **__: Any) -> None:
        """Nothing is communicated."""


def install_one_rank() -> None:
    """Replace the functions of `torch.distributed`, also where its parts name them."""
    state = {"initialized": False}

    def init_process_group(*_: Any, **__: Any) -> None:
        state["initialized"] = True

    def destroy_process_group(group: Any = None) -> None:
        state["initialized"] = False

    group = OneRankGroup()
    names: dict[str, Callable[..., Any]] = {
        "init_process_group": init_process_group,
        "destroy_process_group": destroy_process_group,
        "is_available": lambda: True,
        "is_initialized": lambda: state["initialized"],
        "is_nccl_available": lambda: True,
        "is_torchelastic_launched": lambda: True,
        "get_backend": lambda group=None: "nccl",
        "get_rank": lambda group=None: 0,
        "get_world_size": lambda group=None: 1,
        "get_global_rank": lambda group, rank: rank,
        "get_node_local_rank": lambda fallback=None: 0,
        "new_group": lambda *_, **__: group,
        "barrier": lambda *_, async_op=False, **__: _work(async_op),
        "monitored_barrier": lambda *_, **__: None,
        "all_reduce": _in_place,
        "all_reduce_coalesced": _in_place,
        "broadcast": _in_place,
        "reduce": _in_place,
        "all_gather": _gather_lists,
        "gather": _gather,
        "all_gather_into_tensor": _into,
        "_all_gather_base": _into,
        "reduce_scatter_tensor": _into,
        "_reduce_scatter_base": _into,
        "all_to_all_single": _into,
        "reduce_scatter": _from_lists,
        "scatter": _from_lists,
        "all_gather_object": _gather_objects,
        "gather_object": _gather_object,
        "broadcast_object_list": lambda *_, **__: None,
        "scatter_object_list": _scatter_objects,
        "send": _no_peer,
        "recv": _no_peer,
        "isend": _no_peer,
        "irecv": _no_peer,
    }
    for name, function in names.items():
        for module in (dist, dist.distributed_c10d):
            setattr(module, name, function)
    world: Any = dist.group
    world.WORLD = group
    parallel: Any = nn.parallel
    parallel.DistributedDataParallel = parallel.distributed.DistributedDataParallel = OneRankDDP
