"""The device nodes a command needs for NVIDIA GPUs, and what else of the host it must see for them.

CUDA opens the control nodes first; without one of them, or without /sys, it quietly finds no device and a
program goes on on the processor. So ask from inside how many devices there are before the clock starts.
"""

from __future__ import annotations

from pathlib import Path

_CONTROL_NODES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
_CAPABILITY_FOLDERS = ("nvidia-caps", "nvidia-caps-imex-channels", "nvidia-fs0", "infiniband")


def gpu_nodes(dev: Path = Path("/dev")) -> tuple[str, ...]:
    """Paths below `dev`, sorted: every GPU, the control nodes and capability folders that exist."""
    try:
        names = {entry.name for entry in dev.iterdir()}
    except OSError:
        return ()
    gpus = {name for name in names if name.startswith("nvidia") and name.removeprefix("nvidia").isdigit()}
    others = names & {*_CONTROL_NODES, *_CAPABILITY_FOLDERS} if gpus else set()
    return tuple(str(dev / name) for name in sorted(gpus | others))


def bwrap_gpu_arguments(nodes: tuple[str, ...]) -> list[str]:
    """For bubblewrap, to stand after `--dev /dev`, which would hide nodes bound before it."""
    arguments = ["--ro-bind", "/sys", "/sys"]
    for node in nodes:
        arguments += ["--dev-bind", node, node]
    return arguments
