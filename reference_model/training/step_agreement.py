"""What the ranks tell each other after every step: loss, end of time, a wish to stop (such as a signal).

One small all-reduce per step. On a GPU its answer is read one step later, so that the host never waits for
the step it has just given out; on the CPU at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from torch import Tensor

    from reference_model.distributed import World


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """A finished step, the same on every rank: mean loss in nats per token, and what any rank wants."""

    step: int
    loss: float
    elapsed_ms: float
    is_out_of_time: bool
    is_interrupted: bool


class StepAgreement:
    """Collects what ranks tell; `steps_in_flight` (0 or 1) is how late the answer comes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.steps_in_flight = 1 if world.device.type == "cuda" else 0
        self._waiting: list[tuple[int, float, Tensor, torch.cuda.Event | None]] = []

    def tell(
        self, step: int, loss: Tensor, elapsed_ms: float, *, is_out_of_time: bool, is_interrupted: bool
    ) -> StepReport | None:
        """Tell of the step just given out (`loss`: scalar on the device); returns the report now due."""
        on_gpu = self._world.device.type == "cuda"
        told = torch.tensor([0.0, float(is_out_of_time), float(is_interrupted)], pin_memory=on_gpu)
        told = told.to(self._world.device, non_blocking=True)
        told[0] = loss
        answer = self._world.sum_(told).to("cpu", non_blocking=True)
        event = None
        if on_gpu:
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._waiting.append((step, elapsed_ms, answer, event))
        return self._next() if len(self._waiting) > self.steps_in_flight else None

    def rest(self) -> StepReport | None:
        """The report still under way, once training has ended."""
        return self._next() if self._waiting else None

    def _next(self) -> StepReport:
        step, elapsed_ms, answer, event = self._waiting.pop(0)
        if event is not None:
            event.synchronize()
        loss_sum, out_of_time, interrupted = answer.tolist()
        return StepReport(
            step=step,
            loss=loss_sum / self._world.size,
            elapsed_ms=elapsed_ms,
            is_out_of_time=out_of_time > 0,
            is_interrupted=interrupted > 0,
        )


class StopRequest:
    """Whether somebody asked the process to stop."""

    def __init__(self) -> None:
        self.is_asked = False


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a wish, granted after the step; a second one stops at once.

    Does nothing outside the main thread, where Python takes no signals.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        if request.is_asked:
            raise KeyboardInterrupt
        request.is_asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
