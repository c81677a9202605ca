"""Reads the record of a run, which lay in reach of untrusted code: bounded, checked, never believed blindly.

`problems` says what is wrong with it. A record with a problem has no power: a probe that finds nothing in it
has found nothing out. The published form of a line is `event_schema.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from harness.dynamic.event_lines import BUILDERS
from harness.dynamic.events import Event, ForwardEvent, LossEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SCHEMA_PATH = Path(__file__).with_name("event_schema.json")
RECORD_VERSION = 1
MOST_EVENT_BYTES = 64 << 20
MOST_ARRAY_BYTES = 32 << 20
MOST_LINE_BYTES = 1 << 20
_KEY_LINE = re.compile(r"golf-record (\d{1,4}) ([0-9a-f]{32})")
_NOT_A_LINE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a line raises that our recorder did not write."""
_Kind = TypeVar("_Kind", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventRecord:
    """The events of one process in order, and what keeps them from being believed.

    `dropped` counts what did not get in, by site or kind. `sealed` is True when every line fits the chain of
    the key that the run told before any code of the submission ran, None when no key was at hand. `reached`
    are places where the script reached for what watches it, `unseen` limits in its source that it did not
    come to.

    `rank_union` puts those of several ranks together: `ranks` counts them, `rounds` (int64, one per event,
    whose number is its place) how many exchanges of all ranks came before an event, and `unordered` says why
    that is not the whole order.
    """

    events: tuple[Event, ...]
    rank: int = 0
    problems: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    sealed: bool | None = None
    reached: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    ranks: int = 1
    rounds: np.ndarray | None = None
    unordered: str = ""

    def is_before(self, earlier: Event, later: Event) -> bool:
        """Whether `later` could know of `earlier`: on one rank it came later, else ranks met in between."""
        if earlier.rank == later.rank or self.rounds is None:
            return earlier.number < later.number
        return bool(self.rounds[earlier.number] < self.rounds[later.number])

    def of(self, kind: type[_Kind]) -> Iterator[_Kind]:
        """The events of one kind."""
        return (event for event in self.events if isinstance(event, kind))

    def why_powerless(self, sites: Sequence[str] = ()) -> str | None:
        """Why nothing can be concluded from what is absent here, or None.

        `sites` are those a probe looks at: what was dropped elsewhere does not matter to it.
        """
        if self.problems:
            return f"the record of the run is unsound: {self.problems[0]}"
        if self.reached:
            return f"the script reaches into the audit and could write its record itself: {self.reached[0]}"
        for what in ("events", "writes"):
            if self.dropped.get(what):
                return f"the record of the run is full: {self.dropped[what]:,} {what} were dropped"
        for site in sites:
            if self.dropped.get(site):
                return (
                    f"the record of {site} is coarse: {self.dropped[site]:,} of its values are only summed up"
                )
        return None


def take_keys(lines: Sequence[str]) -> tuple[dict[int, str], list[str]]:
    """The keys of the ranks' records, and the lines of the log without theirs.

    Only the first line for a rank counts: it is printed before any code of the submission runs.
    """
    keys: dict[int, str] = {}
    rest: list[str] = []
    for line in lines:
        match = _KEY_LINE.fullmatch(line.strip())
        if match is not None and int(match[1]) not in keys:
            keys[int(match[1])] = match[2]
        else:
            rest.append(line)
    return keys, rest


def record_names(rank: int, branch: str = "") -> tuple[str, str]:
    """Names of the files that hold the events and the arrays of `rank`; `branch` is the mark of a fork."""
    mark = branch if rank == 0 else f".rank{rank}{branch}"
    return f"events{mark}.jsonl", f"arrays{mark}.f64"


def read_event_record(
    folder: Path,
    *,
    rank: int = 0,
    key: str | None = None,
    branch: str = "",
    validation_tokens: int | None = None,
) -> EventRecord:
    """The record that rank `rank` left in `folder`, or a fork of it. Never raises for what the files hold.

    A line that tells of more than `validation_tokens` tokens of the validation stream is no event.
    """
    events_name, arrays_name = record_names(rank, branch)
    reading = _Reading(rank, bytes.fromhex(key) if key else None, validation_tokens)
    arrays = read_bounded(folder / arrays_name, MOST_ARRAY_BYTES, reading.problems)
    lines = read_bounded(folder / events_name, MOST_EVENT_BYTES, reading.problems)
    if lines is None or arrays is None:
        return EventRecord(events=(), rank=rank, problems=tuple(reading.problems))
    reading.read(lines, arrays)
    return EventRecord(
        events=tuple(reading.events),
        rank=rank,
        problems=tuple(reading.problems),
        dropped=reading.dropped,
        sealed=None if key is None else not reading.is_torn,
        reached=reading.remarks["reached"],
        unseen=reading.remarks["unseen"],
    )


class _Reading:
    def __init__(self, rank: int, key: bytes | None, validation_tokens: int | None) -> None:
        self.problems: list[str] = []
        self.events: list[Event] = []
        self.dropped: dict[str, int] = {}
        self.remarks: dict[str, tuple[str, ...]] = {"reached": (), "unseen": ()}
        self.is_torn = key is not None
        self._rank = rank
        self._key = key
        self._validation_tokens = validation_tokens
        self._chain = b""

    def read(self, lines: bytes, arrays: bytes) -> None:
        kept = _Arrays(arrays)
        ended = False
        for number, line in enumerate(lines.split(b"\n")[:-1]):
            if ended:
                self.problems.append("lines follow its end")
                return
            try:
                data = self._checked(number, line)
                ended = self._take(data, kept)
            except _NOT_A_LINE as error:
                self.problems.append(f"line {number + 1} is no event ({str(error)[:120]})")
                return
        if not ended:
            self.problems.append("it has no end: the run was cut off, or its descriptor was closed")
            return
        self.is_torn = False

    def _checked(self, number: int, line: bytes) -> dict[str, Any]:
        if len(line) > MOST_LINE_BYTES:
            raise ValueError(f"{len(line):,} bytes")
        at = line.rfind(b',"m":"')
        data = json.loads(line)
        if not isinstance(data, dict) or at < 0:
            raise ValueError("not an object with a checksum")
        if data["n"] != number:
            raise ValueError(f"number {data['n']!r} where {number} was due")
        if self._key is not None:
            if data["k"] == "array":
                digest = bytes.fromhex(data["digest"])
                self._chain = _mac(self._chain + digest, self._key)
            self._chain = _mac(self._chain + line[:at], self._key)
            if data["m"] != self._chain.hex():
                raise ValueError("its checksum does not fit: forged, or lines before it are missing")
        return data

    def _take(self, data: dict[str, Any], kept: _Arrays) -> bool:
        kind = data["k"]
        if kind == "start":
            if data["version"] != RECORD_VERSION or data["rank"] != self._rank:
                raise ValueError(f"version {data['version']!r} of rank {data['rank']!r}")
            return False
        if kind == "array":
            kept.check(data["at"], data["digest"])
            return False
        if kind == "end":
            self.dropped = {str(name)[:200]: int(count) for name, count in data["dropped"].items()}
            for kind in self.remarks:
                self.remarks[kind] = tuple(str(each)[:200] for each in list(data.get(kind, ()))[:20])
            return True
        event = BUILDERS[kind](data, kept)
        if isinstance(event, ForwardEvent | LossEvent) and self._validation_tokens is not None:
            ends = (row.start + row.length for row in event.rows if row.split == "val")
            if max(ends, default=0) > self._validation_tokens:
                raise ValueError(f"tokens beyond the {self._validation_tokens:,} of the stream")
        self.events.append(event)
        return False


class _Arrays:
    """Arrays by place; an event may only cite what was announced with a checksum that fits."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._known: dict[tuple[int, int], np.ndarray] = {}

    def check(self, at: Any, digest: str) -> None:
        first, count = int(at[0]), int(at[1])
        if first < 0 or count < 0 or 8 * (first + count) > len(self._data):
            raise ValueError(f"array {first}+{count} lies outside the file")
        piece = self._data[8 * first : 8 * (first + count)]
        if hashlib.blake2b(piece, digest_size=16).hexdigest() != digest:
            raise ValueError(f"array {first}+{count} is not what was written")
        self._known[first, count] = np.frombuffer(piece, dtype="<f8")

    def cited(self, at: Any) -> np.ndarray | None:
        return None if at is None else self._known[int(at[0]), int(at[1])]


def _mac(data: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(data, key=key, digest_size=8).digest()


def read_bounded(path: Path, most: int, problems: list[str]) -> bytes | None:
    """The content of a file in reach of untrusted code; None where it is none of at most `most` bytes.

    Then a sentence is added to `problems`. Links are not followed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        problems.append(f"{path.name} cannot be read ({error.strerror})")
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_size > most:
            problems.append(f"{path.name} is no ordinary file of at most {most:,} bytes")
            return None
        return file.read(most + 1)
