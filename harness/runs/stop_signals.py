"""Ctrl-C and SIGTERM while a seed runs: the first asks the run to end, so that its attempt gets a record."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stop_asked() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether a signal came; a second one interrupts at once, as usual.

    Only the main thread is told of signals; elsewhere the function stays False and nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []
    before = {}

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if came:
            raise KeyboardInterrupt
        came.append(number)

    try:
        for number in _SIGNALS:
            before[number] = signal.signal(number, note)
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
