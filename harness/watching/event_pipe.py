"""The reading end of what `injected` tells: events with the time of our clock, bounded, never trusted."""

from __future__ import annotations

import json
import os
import selectors
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

INJECTED = Path(__file__).resolve().parent / "injected"
EVENTS_VARIABLE = "GOLF_EVENTS"
KINDS = frozenset({"start", "exit", "read", "write", "socket", "process", "step", "evaluates", "watches"})
MOST_EVENTS = 200_000  # of one run: 20,000 steps told every 20 ms and some files are far fewer
_LONGEST_LINE = 512
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedEvent:
    """Something a process of the submission did.

    `at` is in seconds of our clock since the watch began, `count` how often it happened since it was told
    last. `kind` is one of `KINDS`; `what` a path, the class of an optimizer or of a model that was put
    into evaluation mode, an address or a command.
    """

    at: float
    kind: str
    what: str
    count: int
    pid: int
    rank: int | None

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "at": round(self.at, 4),
            "kind": self.kind,
            "what": self.what,
            "count": self.count,
            "pid": self.pid,
            "rank": self.rank,
        }


class EventPipe:
    """A pipe in `folder` that processes of a submission write to while the `with` block runs.

    `inside` is where the sandbox shows that folder, `injected_inside` where it shows `INJECTED`. After the
    block `events` holds what came, in order of arrival, `refused` counts lines that were no events, and
    `overflowed` says that there were more than `MOST_EVENTS`. Raises `SetupError` where no pipe can be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        inside: str | None = None,
        injected_inside: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = folder / "events"
        self.events: list[WatchedEvent] = []
        self.refused = 0
        self.overflowed = False
        self._inside = inside or str(folder)
        self._injected = injected_inside or str(INJECTED)
        self._clock = clock
        self._stop = threading.Event()
        try:
            os.mkfifo(self.path)
            self.path.chmod(0o622)  # the submission may be another user; it writes and never reads
        except OSError as error:
            raise SetupError(
                f"{self.path}: the pipe for events cannot be made ({error}); it needs a folder of our own on "
                "a file system with pipes"
            ) from error

    def environment(self, python_path: str = "") -> Mapping[str, str]:
        """What the watched processes need; `python_path` is what PYTHONPATH was to be without us."""
        entries = [self._injected, *([python_path] if python_path else [])]
        return {EVENTS_VARIABLE: f"{self._inside}/events", "PYTHONPATH": os.pathsep.join(entries)}

    def __enter__(self) -> EventPipe:
        """Start reading."""
        # Open for both, so that the pipe never ends while one process goes and the next one comes.
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._began = self._clock()
        self._thread = threading.Thread(target=self._read, name="watched events", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read what is left and take the pipe away."""
        self._stop.set()
        self._thread.join()
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._descriptor, selectors.EVENT_READ)
            while True:
                stopping = self._stop.is_set()  # asked before looking: what came before is still read
                if not selector.select(0.0 if stopping else 0.05):
                    if stopping:
                        return
                    continue
                try:
                    part = os.read(self._descriptor, 1 << 16)
                except BlockingIOError:
                    continue
                at = self._clock() - self._began
                *lines, rest = (rest + part).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    self.refused += 1
                    rest = b""
                for line in lines:
                    self._take(line, at)

    def _take(self, line: bytes, at: float) -> None:
        if len(self.events) >= MOST_EVENTS:
            self.overflowed = True
            return
        event = parsed(line, at)
        if event is None:
            self.refused += 1
        else:
            self.events.append(event)


def parsed(line: bytes, at: float) -> WatchedEvent | None:
    """The event of a line that arrived `at` seconds after the start; None for what is none."""
    if len(line) > _LONGEST_LINE:
        return None
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = told.get("kind") if isinstance(told, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        return None
    numbers = {name: told.get(name, 0) for name in ("count", "pid")}
    if not all(
        isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 1 << 40 for one in numbers.values()
    ):
        return None
    ago = told.get("ago", 0.0)
    if isinstance(ago, bool) or not isinstance(ago, (int, float)) or not 0.0 <= ago <= at:
        ago = 0.0  # when it was told is what we know
    rank = told.get("rank")
    return WatchedEvent(
        at=at - ago,
        kind=kind,
        what=str(told.get("what", ""))[:_LONGEST_TEXT],
        count=numbers["count"],
        pid=numbers["pid"],
        rank=rank if isinstance(rank, int) and not isinstance(rank, bool) and 0 <= rank < 1 << 16 else None,
    )
