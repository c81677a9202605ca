"""The clock a script sees: it walks through its schedule of ten minutes in a few steps, the same each run.

Work takes time by what it is, not by how long it took: a backward pass of training moves the clock by
seconds, one over validation tokens hardly. Asking moves it a little, and ever more when a script does nothing
but ask, so that a loop that waits for a time ends.
"""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

START = 1_760_000_000.0  # seconds since 1970, some day of 2025
_BETWEEN_QUERIES = 1e-4
_PATIENCE = 2_000  # queries without work in between before they count as waiting
_LONGEST_WAIT = 5.0
_NANO = 1e9


class VirtualClock:
    """Seconds since the script's start, as its own actions move them."""

    def __init__(
        self, train_backward: float, val_backward: float, work_done: Callable[[], int] = lambda: 0
    ) -> None:
        """`work_done` is a number that changes whenever the script has computed something."""
        self.seconds = 0.0
        self.is_validation: Callable[[], bool] = lambda: False
        """Whether the last forward pass was over validation tokens; the capture says so."""
        self._train_backward = train_backward
        self._val_backward = val_backward
        self._work_done = work_done
        self._work_at_query = 0
        self._waiting = 0

    def backward(self) -> None:
        """A backward pass was computed."""
        self.seconds += self._val_backward if self.is_validation() else self._train_backward

    def sleep(self, seconds: float) -> None:
        """`time.sleep` without waiting."""
        self.seconds += max(0.0, float(seconds))

    def query(self) -> float:
        """The time now, for one that asks."""
        work = self._work_done()
        self._waiting = self._waiting + 1 if work == self._work_at_query else 0
        self._work_at_query = work
        doublings = min(max(0, self._waiting - _PATIENCE) // 8, 40)
        self.seconds += min(_BETWEEN_QUERIES * 2.0**doublings, _LONGEST_WAIT)
        return self.seconds


def install_clock(clock: VirtualClock) -> None:
    """Let `time` and `datetime.datetime.now` show `clock`; names taken from them before stay real."""

    def now() -> float:
        return START + clock.query()

    def now_ns() -> int:
        return int(now() * _NANO)

    for name in ("perf_counter", "monotonic", "process_time", "thread_time"):
        setattr(time, name, clock.query)
        setattr(time, f"{name}_ns", lambda: int(clock.query() * _NANO))
    time.time = now
    time.time_ns = now_ns
    yield_thread = time.sleep

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        yield_thread(0)  # whoever the script waits for must get its turn

    time.sleep = sleep  # type: ignore[assignment]
    for name in ("localtime", "gmtime"):
        setattr(time, name, _of_now(getattr(time, name), now))
    real_strftime, localtime = time.strftime, time.localtime

    def strftime(form: str, moment: Any = None) -> str:
        return real_strftime(form, localtime() if moment is None else moment)

    time.strftime = strftime

    class ClockedDatetime(datetime.datetime):
        """`datetime.datetime` whose now is the clock's."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(now(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(now(), datetime.UTC).replace(tzinfo=None)

    datetime.datetime = ClockedDatetime  # type: ignore[misc]


def _of_now(convert: Callable[[float], Any], now: Callable[[], float]) -> Callable[..., Any]:
    def converted(seconds: float | None = None) -> Any:
        return convert(now() if seconds is None else seconds)

    return converted
