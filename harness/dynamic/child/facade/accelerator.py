"""`torch.accelerator` as a build without a GPU has it, whichever build is installed.

A build for CUDA asks its driver there at each step of an optimizer; a machine without a GPU has none.
"""

from __future__ import annotations

from typing import Any

import torch


def install_accelerator() -> None:
    """Leave no accelerator to be found; torch before 2.6 has no such module."""
    accelerator: Any = getattr(torch, "accelerator", None)
    if accelerator is None:
        return
    for name, answer in (("is_available", False), ("current_accelerator", None), ("device_count", 0)):
        if hasattr(accelerator, name):
            setattr(accelerator, name, _answering(answer))


def _answering(answer: Any) -> Any:
    return lambda *_, **__: answer
