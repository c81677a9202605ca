"""Writes what a run did: one JSON object per line, and the arrays beside them.

Both files are opened before the script starts and written through descriptors kept here, so a script that
replaces or removes them by name changes nothing that is read. Every line carries a keyed checksum over itself
and all lines before it; the key is drawn at random and told once, as the first line of standard output,
before any code of the submission runs. Lines that were forged, dropped or reordered by somebody without the
key do not fit the chain. Code that walks this interpreter can find the key: a clean record is evidence, not
proof.

An array is a run of little-endian float64 in `arrays.f64`, cited as [first element, count].
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import secrets
import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECORD_VERSION = 1
KEY_LINE = "golf-record"
"""First word of the line that tells the key: `golf-record RANK KEY`."""
MOST_EVENTS = 200_000
MOST_EVENT_BYTES = 40 << 20
MOST_ARRAY_BYTES = 24 << 20
MOST_SITE_ARRAY_BYTES = 6 << 20
MOST_SITE_EVENTS = 25_000
"""Of one line of the source: a byte-wise scorer of 2,048 tokens adds some 8,000 times at one place."""
MOST_REMARKS = 20
_LONGEST_REMARK = 200
_LONGEST_TEXT = 2_000
_FLUSH_BYTES = 1 << 16
_WHOLE = ("arrays", "events", "writes")  # what was dropped of everything is told before what was of one place
_FIRST_DESCRIPTOR = 200  # above what scripts open and sometimes close by number


def events_name(rank: int, branch: str = "") -> str:
    """File of the events of `rank`; `branch` is the mark of a fork."""
    return f"events{branch}.jsonl" if rank == 0 else f"events.rank{rank}{branch}.jsonl"


def arrays_name(rank: int, branch: str = "") -> str:
    """File of the arrays of `rank`; `branch` is the mark of a fork."""
    return f"arrays{branch}.f64" if rank == 0 else f"arrays.rank{rank}{branch}.f64"


class Recorder:
    """The record of one process. `virtual_seconds` reads the virtual clock, real seconds are our own.

    Everything here may be called from code of the submission, so nothing raises: what cannot be written is
    counted as dropped and the record says so at its end.
    """

    def __init__(self, folder: Path, *, rank: int, world_size: int, tell_key: bool = True) -> None:
        self.virtual_seconds: Callable[[], float] = lambda: 0.0
        self.learns_from: Callable[[], str] = lambda: "none"
        """Split of the last tokens that went through a model with gradients: the clock asks."""
        self.is_open = True
        self.event_number = 0
        self._began = perf_counter()
        self._folder, self._rank, self._world_size = folder, rank, world_size
        self._most_events = MOST_EVENTS
        self._ends_process = False
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._key = secrets.token_bytes(16)
        self._chain = b""
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._event_bytes = 0
        self._array_items = 0
        self._array_of: dict[bytes, tuple[int, int]] = {}
        self._site_events: dict[str, int] = {}
        self._site_array_bytes: dict[str, int] = {}
        self._dropped: dict[str, int] = {}
        self._remarks: dict[str, list[str]] = {}
        self._events_at = _opened(folder / events_name(rank))
        self._arrays_at = _opened(folder / arrays_name(rank))
        if tell_key:
            os.write(1, f"{KEY_LINE} {rank} {self._key.hex()}\n".encode())
        self.event("start", version=RECORD_VERSION, rank=rank, world=world_size)

    @property
    def owner(self) -> int:
        """The process whose record this is."""
        return self._owner

    def branch(self, mark: str, *, most_events: int) -> None:
        """Be the record of this process, a fork of the one before: own files, own chain, the same key.

        The process ends with its event number `most_events`.
        """
        for descriptor in (self._events_at, self._arrays_at):
            os.close(descriptor)
        self._owner = os.getpid()
        self._events_at = _opened(self._folder / events_name(self._rank, mark))
        self._arrays_at = _opened(self._folder / arrays_name(self._rank, mark))
        self._chain, self._pending, self._array_of = b"", [], {}
        self._pending_bytes = self._event_bytes = self._array_items = self.event_number = 0
        self._site_events, self._site_array_bytes, self._dropped = {}, {}, {}
        self._most_events = min(most_events, MOST_EVENTS)
        self._ends_process = True
        self.event("start", version=RECORD_VERSION, rank=self._rank, world=self._world_size)

    @property
    def key(self) -> str:
        """The key of the chain, in hexadecimal."""
        return self._key.hex()

    def event(self, kind: str, *, site: str | None = None, **fields: Any) -> int | None:
        """Write an event; its number, or None when it was dropped. `site` events are capped per site."""
        if not self.is_open or os.getpid() != self._owner:
            return None
        with self._lock:
            if site is not None:
                seen = self._site_events.get(site, 0)
                if seen >= MOST_SITE_EVENTS:
                    self.dropped(site)
                    return None
                self._site_events[site] = seen + 1
                fields["site"] = site
            if self.event_number >= self._most_events and self._ends_process:
                self.close()
                os._exit(0)
            if self.event_number >= self._most_events or self._event_bytes >= MOST_EVENT_BYTES:
                self.dropped("events")
                return None
            return self._write(kind, fields)

    def is_full(self, site: str) -> bool:
        """Whether events of `site` are dropped from now on."""
        return (
            self._site_events.get(site, 0) >= MOST_SITE_EVENTS
            or self.event_number >= MOST_EVENTS
            or self._event_bytes >= MOST_EVENT_BYTES
        )

    def array(self, values: np.ndarray, *, site: str) -> list[int] | None:
        """Keep `values` as float64; [first element, count], or None when there is no room.

        The same content is kept once: sums of a tensor and the loss that made it cite one array.
        """
        if not self.is_open or os.getpid() != self._owner:
            return None
        data = np.ascontiguousarray(values, dtype="<f8").tobytes()
        digest = hashlib.blake2b(data, digest_size=16).digest()
        with self._lock:
            known = self._array_of.get(digest)
            if known is not None:
                return list(known)
            used = self._site_array_bytes.get(site, 0) + len(data)
            if used > MOST_SITE_ARRAY_BYTES or 8 * self._array_items + len(data) > MOST_ARRAY_BYTES:
                self.dropped(f"array {site}")
                return None
            if not _written(self._arrays_at, data):
                self.dropped("arrays")
                return None
            self._site_array_bytes[site] = used
            cited = (self._array_items, len(data) // 8)
            self._array_items += cited[1]
            self._array_of[digest] = cited
            self._chain = hashlib.blake2b(self._chain + digest, key=self._key, digest_size=8).digest()
            self._write("array", {"at": list(cited), "digest": digest.hex()})
            return list(cited)

    def dropped(self, what: str) -> None:
        """Count something that did not get into the record; the record tells it at its end."""
        self._dropped[what] = self._dropped.get(what, 0) + 1

    def remark(self, kind: str, what: str) -> None:
        """Tell something at the end of the record: what the script "reached" for, what is "unseen"."""
        told = self._remarks.setdefault(kind, [])
        if len(told) < MOST_REMARKS and what[:_LONGEST_REMARK] not in told:
            told.append(what[:_LONGEST_REMARK])

    def flush(self) -> None:
        """Write what is pending."""
        with self._lock:
            if self._pending and os.getpid() == self._owner:
                if not _written(self._events_at, b"".join(self._pending)):
                    self.dropped("writes")
                self._pending.clear()
                self._pending_bytes = 0

    def close(self) -> None:
        """Write the end: how many events there were and what was dropped."""
        if not self.is_open or os.getpid() != self._owner:
            return
        with self._lock:
            dropped = sorted(self._dropped.items(), key=lambda each: (each[0] not in _WHOLE, each[0]))
            self._write("end", {"events": self.event_number, "dropped": dict(dropped[:500]), **self._remarks})
            self.flush()
            self.is_open = False
            for descriptor in (self._events_at, self._arrays_at):
                with contextlib.suppress(OSError):  # a script closed it
                    os.close(descriptor)

    def _write(self, kind: str, fields: dict[str, Any]) -> int:
        number = self.event_number
        event = {
            "n": number,
            "k": kind,
            "w": round(perf_counter() - self._began, 5),
            "vt": round(float(self.virtual_seconds()), 5),
            **{name: _plain(value) for name, value in fields.items()},
        }
        body = json.dumps(event, separators=(",", ":"), allow_nan=False)[:-1].encode()
        self._chain = hashlib.blake2b(self._chain + body, key=self._key, digest_size=8).digest()
        line = body + b',"m":"' + self._chain.hex().encode() + b'"}\n'
        self.event_number = number + 1
        self._event_bytes += len(line)
        self._pending.append(line)
        self._pending_bytes += len(line)
        if self._pending_bytes > _FLUSH_BYTES:
            self.flush()
        return number


def _plain(value: Any) -> Any:
    """JSON has no infinities: they are the words a reader turns back."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _opened(path: Path) -> int:
    low = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        return fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
    finally:
        os.close(low)


def _written(descriptor: int, data: bytes) -> bool:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        return False
    return True
