"""The training clock: monotonic, stopped during validation and checkpoints, and the cap it is held against.

The challenge stops training by a clock of 600 s (README, "FAQ"; MAX_WALLCLOCK_SECONDS of `train_gpt.py`). Its
scripts look at the clock after a step and so overrun by up to one; `stop_before_cap` does not begin a step
that would overrun. All times in ms.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from reference_model.config import ScheduleConfig

# The longest of so many last steps is what the next one is expected to take.
STEPS_REMEMBERED = 20


class TrainingClock:
    """Counts while it runs; starts stopped, at what an earlier part of the run had counted."""

    def __init__(self, device: torch.device, elapsed_ms: float = 0.0) -> None:
        self._device = device
        self._counted_ms = elapsed_ms
        self._since: float | None = None

    @property
    def elapsed_ms(self) -> float:
        """What the clock shows now."""
        running = 0.0 if self._since is None else 1000.0 * (time.monotonic() - self._since)
        return self._counted_ms + running

    def run(self) -> None:
        """Start, or go on."""
        self._wait_for_device()
        self._since = time.monotonic()

    def pause(self) -> None:
        """Stop once the device has done what it was given: work in flight belongs to training."""
        self._wait_for_device()
        self._counted_ms = self.elapsed_ms
        self._since = None

    def _wait_for_device(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class WallClockCap:
    """Says after each step whether it was the last one that the cap allows.

    `steps_in_flight` further steps run before the answer is acted upon, because a GPU is told what to do
    before it has finished what it was told.
    """

    def __init__(self, schedule: ScheduleConfig, *, steps_in_flight: int = 0) -> None:
        self._cap_ms = 1000.0 * schedule.max_wallclock_seconds
        self._stops_before = schedule.stop_before_cap
        self._ahead = (
            1 + 2 * steps_in_flight
        )  # steps begun, steps unfinished when the clock is read, the next
        self._last_ms: deque[float] = deque(maxlen=STEPS_REMEMBERED)
        self._read_at_ms: float | None = None

    def is_reached(self, elapsed_ms: float) -> bool:
        """Whether to stop, the clock showing `elapsed_ms` right after a step; ask once per step."""
        if self._read_at_ms is not None:
            self._last_ms.append(elapsed_ms - self._read_at_ms)
        self._read_at_ms = elapsed_ms
        if not self._cap_ms:
            return False
        reserve_ms = self._ahead * max(self._last_ms, default=0.0) if self._stops_before else 0.0
        return elapsed_ms + reserve_ms >= self._cap_ms
