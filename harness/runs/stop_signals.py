"""Ctrl-C and SIGTERM while seeds run: the first asks the run to end, so that its attempt gets a record."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _StopHandler:
    """Notes the first signal and tells the handler it stands before; the second one interrupts."""

    def __init__(self) -> None:
        self.came = False
        self.outer: dict[int, Any] = {}

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True
        outer = self.outer.get(number)
        if isinstance(outer, _StopHandler) and not outer.came:
            outer(number, frame)


@contextlib.contextmanager
def stop_asked() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether a signal came; a second one interrupts at once, as usual.

    Blocks may lie in each other: all hear of the signal. Only the main thread is told of signals; elsewhere
    the function stays False and nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    handler = _StopHandler()
    try:
        for number in _SIGNALS:
            handler.outer[number] = signal.signal(number, handler)
        yield lambda: handler.came
    finally:
        for each, outer in handler.outer.items():
            signal.signal(each, outer if outer is not None else signal.SIG_DFL)
