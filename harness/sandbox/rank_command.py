"""The command that starts one or more ranks of a training script where no host name can be looked up.

`torchrun --standalone` resolves the machine's own name and waits minutes for it without a network; a static
meeting point on the loopback address needs no name and no service.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
USUAL_PORT = 29_500  # torch's own default; always free in a network namespace of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCommand:
    """A command and the variables its ranks need to find each other; add them to the request's."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def rank_command(
    python: str, script: str, arguments: tuple[str, ...] = (), *, ranks: int, port: int = USUAL_PORT
) -> RankCommand:
    """`ranks` processes of a script by torchrun, all on this machine; 0 is the script alone without torchrun.

    Scripts choose between one process and many by whether torchrun's variables are set, so a single rank
    under torchrun and a script alone are different things.
    """
    if ranks < 0:
        raise ValueError(f"{ranks} ranks were asked for")
    if ranks == 0:
        return RankCommand(command=(python, script, *arguments), environment=MappingProxyType({}))
    launcher = (
        python,
        "-P",  # not the folder it starts in: a package `torch` of the submission is not torch
        "-m",
        "torch.distributed.run",
        "--nnodes=1",
        "--node-rank=0",
        f"--nproc-per-node={ranks}",
        f"--master-addr={LOOPBACK}",
        f"--master-port={port}",
        f"--local-addr={LOOPBACK}",
    )
    environment = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo", "TP_SOCKET_IFNAME": "lo"}
    return RankCommand(command=(*launcher, script, *arguments), environment=MappingProxyType(environment))


def free_port() -> int:
    """A port nobody uses now, for a sandbox that shares this machine's network; another may take it next."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])
