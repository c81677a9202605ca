"""Where runs lie: OUT/<submission>/<seed>/, each attempt in a folder of its own, the newest record on top.

    OUT/<submission>/<seed>/run.json        the record of the seed, once an attempt has ended
    OUT/<submission>/<seed>/attempts/<n>/   what attempt n left: run.json, train.log, events.jsonl, artifact/

A record is written beside its place and renamed into it, so it is whole or not there. Attempts are never
deleted and never overwritten; a seed that has a record by its own merits (finished or failed) is not run
again unless asked. One golf-run at a time may write to a seed's folder (a lock that dies with its process).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.runs.run_record import RunRecord, RunStatus, canonical_json, record_of_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_RECORD = 8 << 20
_RECORD = "run.json"
_WAY_OUT = "move it away, and its seed is run anew as a further attempt"


class SeedHeldError(SetupError):
    """Another golf-run, here or on another machine, writes to the seed's folder now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedFolder:
    """The folder of one seed of one submission."""

    path: Path

    @classmethod
    def of(cls, out: Path, submission: str, seed: int) -> SeedFolder:
        """`submission` is a name without slashes. Raises `SetupError` for one that would leave `out`."""
        if not submission or submission in {".", ".."} or "/" in submission or "\0" in submission:
            raise SetupError(f"{submission!r} cannot be the name of a folder of runs")
        return cls(path=out / submission / str(seed))

    def record(self) -> RunRecord | None:
        """The record of the seed; None where there is none yet. Raises `SetupError` for a damaged one."""
        return read_record(self.path / _RECORD)

    def attempts(self) -> tuple[Path, ...]:
        """Folders of the attempts, the first first."""
        try:
            numbered = [each for each in (self.path / "attempts").iterdir() if each.name.isdecimal()]
        except FileNotFoundError:
            return ()
        return tuple(sorted(numbered, key=lambda each: int(each.name)))

    def new_attempt(self) -> Path:
        """A new empty folder, numbered from 1. Raises `SetupError` where it cannot be made."""
        before = self.attempts()
        number = int(before[-1].name) + 1 if before else 1
        path = self.path / "attempts" / str(number)
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise SetupError(f"{path}: cannot be made ({error}); choose another --out") from error
        return path

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the seed's folder for this process. Raises `SeedHeldError` when another golf-run holds it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SetupError(f"{self.path}: cannot be written ({error}); choose another --out") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise SeedHeldError(
                f"{self.path}: another golf-run writes there; wait for it or choose another --out"
            ) from error
        try:
            yield
        finally:
            os.close(descriptor)

    def keep(self, attempt: Path, record: RunRecord) -> None:
        """Write the record of an attempt, and make it the seed's unless the seed has a better one.

        Raises `SetupError` where it cannot be written; what was there before stays whole.
        """
        write_record(attempt / _RECORD, record)
        before = self.record()
        if before is None or not stands(before) or stands(record):
            write_record(self.path / _RECORD, record)

    def needs_run(self) -> bool:
        """Whether the seed has no record by the submission's own merits yet."""
        record = self.record()
        return record is None or not stands(record)


def stands(record: RunRecord) -> bool:
    """Whether the submission ran to an end of its own: a fault of the machine or a stop is tried again."""
    return record.status in {RunStatus.FINISHED, RunStatus.FAILED}


def write_record(path: Path, record: RunRecord) -> None:
    """Write a record and its id as JSON, all or nothing."""
    text = json.dumps({"record_id": record.record_id, **record.as_json()}, indent=1, allow_nan=False) + "\n"
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise SetupError(f"{path}: the record cannot be written ({error}); free space there") from error


def read_record(path: Path) -> RunRecord | None:
    """The record in a file, checked against its id; None where there is no file.

    Raises `SetupError` for a file that is no record, is not regular, too large, or was changed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path}: cannot be read as a run record ({error.strerror}); {_WAY_OUT}") from error
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(LARGEST_RECORD + 1)
    if len(content) > LARGEST_RECORD:
        raise SetupError(f"{path}: more than {LARGEST_RECORD:,} bytes are no run record; {_WAY_OUT}")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SetupError(f"{path}: not a run record: no JSON; {_WAY_OUT}") from error
    told = data.pop("record_id", None) if isinstance(data, dict) else None
    try:
        record = record_of_json(data)
    except SetupError as error:
        raise SetupError(f"{path}: {error}; {_WAY_OUT}") from error
    if record.record_id != told or canonical_json(data) != canonical_json(record.as_json()):
        raise SetupError(
            f"{path}: was changed after it was written (its id is {str(told)[:16]}, its content "
            f"{record.record_id[:16]}); {_WAY_OUT}"
        )
    return record
