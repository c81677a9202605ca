"""The ranks of a run: one process, or several under torchrun (gloo on CPU, NCCL on GPU)."""

from __future__ import annotations

import contextlib
import datetime
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """This process among the ranks; collectives do nothing when it is alone."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def is_main(self) -> bool:
        """Rank 0 writes files and lines."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for every rank."""
        if self.size > 1:
            dist.barrier()

    def sum_(self, tensor: torch.Tensor) -> torch.Tensor:
        """Add up `tensor` over the ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor, op=dist.ReduceOp.SUM)
        return tensor

    def any(self, flag: bool) -> bool:
        """Whether any rank says so; every rank must ask."""
        if self.size == 1:
            return flag
        told = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(told, op=dist.ReduceOp.MAX)
        return bool(told.item())

    def broadcast_(self, tensor: torch.Tensor) -> torch.Tensor:
        """Give every rank what rank 0 holds, in place."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)
        return tensor


def chosen_device(local_rank: int = 0) -> torch.device:
    """The GPU of this rank where there is one, else the CPU."""
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


@contextlib.contextmanager
def joined_world(device: torch.device | None = None, *, timeout_seconds: float = 600.0) -> Iterator[World]:
    """The ranks torchrun started (RANK, WORLD_SIZE, LOCAL_RANK), left again at the end.

    A collective that waits for another rank longer than `timeout_seconds` fails with a RuntimeError.

    Raises SetupError when the variables disagree, there are fewer GPUs than local ranks or the ranks do not
    meet.
    """
    try:
        rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    except ValueError as error:
        raise SetupError(
            f"RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers: {error}; start with torchrun"
        ) from None
    if not 0 <= rank < size:
        raise SetupError(f"RANK {rank} is outside WORLD_SIZE {size}; start the ranks with torchrun")
    if device is None:
        if torch.cuda.is_available() and local_rank >= torch.cuda.device_count():
            raise SetupError(
                f"rank {rank} wants GPU {local_rank}; this machine has {torch.cuda.device_count()}"
            )
        device = chosen_device(local_rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if size == 1:
        yield World(device=device)
        return
    timeout = datetime.timedelta(seconds=timeout_seconds)
    try:
        if device.type == "cuda":
            dist.init_process_group(backend="nccl", device_id=device, timeout=timeout)
        else:
            dist.init_process_group(backend="gloo", timeout=timeout)
    except (RuntimeError, ValueError, OverflowError) as error:  # no such address, or ranks that never came
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise SetupError(
            f"rank {rank} of {size} did not meet the others: {reason}. Start them together with torchrun"
        ) from None
    try:
        yield World(rank=rank, size=size, device=device)
    finally:
        dist.destroy_process_group()
