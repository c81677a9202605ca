"""The same randomness in every run: what the system would give by chance comes from a fixed stream."""

from __future__ import annotations

import hashlib
import os
import random


class FixedBytes:
    """`os.urandom` as a stream of digests of a counter."""

    def __init__(self) -> None:
        self._asked = 0

    def __call__(self, size: int, /) -> bytes:
        """The next `size` bytes."""
        self._asked += 1
        return hashlib.shake_256(f"{self._asked}".encode()).digest(size)


def install_randomness(rank: int) -> None:
    """Fix `os.urandom` (run ids are made of it) and what `random`, numpy and torch draw without a seed."""
    fixed = FixedBytes()
    os.urandom = fixed
    random._urandom = fixed  # type: ignore[attr-defined]
    random.seed(rank)
    import numpy as np
    import torch

    def seed() -> int:
        return torch.manual_seed(rank).initial_seed()

    np.random.seed(rank)
    torch.seed = seed
