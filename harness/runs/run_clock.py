"""One zero for all watches of a run: files, steps and the process itself are put in order by it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RunClock:
    """Seconds since `start`; zero before, so that watches which begin one after another share their zero."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None

    def start(self) -> None:
        """Let the time run: the process is about to start."""
        self._began = self._clock()

    def __call__(self) -> float:
        """Seconds since the start."""
        return 0.0 if self._began is None else self._clock() - self._began
