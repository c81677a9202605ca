"""The log and the record of each run of an audit, as files: taken as the run left them, before they are gone.

`plan.json` is what the run was asked to do (`RunPlan`, with the token of each fork), `log.txt` what was
printed; its line `golf-record RANK KEY` tells the key of a record. `events.jsonl.gz` is
the record, each line as in `event_schema.json`, `arrays.f64.gz` the float64 arrays that its lines cite:
unpacked they are what `read_event_record` reads. Other ranks and forks have files of their own.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.dynamic.event_record import MOST_ARRAY_BYTES, MOST_EVENT_BYTES, read_bounded, record_names
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

MOST_RUN_BYTES = 64 << 20
"""Of the files of one run, packed; what is beyond is left out, and `left_out.txt` says so."""
PLAN_NAME = "plan.json"
LOG_NAME = "log.txt"
LEFT_OUT_NAME = "left_out.txt"
_NOT_OF_A_NAME = re.compile(r"[^a-z0-9]+")
_LEVEL = 5  # of gzip: the next run waits for it


class RunFiles:
    """A folder for each run of one audit, below `folder`; threads may ask."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._begun: Counter[str] = Counter()
        self._places: dict[str, Path] = {}

    def place(self, name: str) -> Path:
        """Where the files of a run go that begins now and is called `name`; not made yet."""
        with self._lock:
            self._begun[name] += 1
            number = f"-{self._begun[name]}" if self._begun[name] > 1 else ""
            self._places[name] = self._folder / f"{_NOT_OF_A_NAME.sub('-', name.lower())}{number}"
            return self._places[name]

    def named(self, names: Collection[str]) -> list[Path]:
        """The folders of the runs called so, of several the one begun last; those that left something."""
        with self._lock:
            return [place for name, place in self._places.items() if name in names and place.is_dir()]


def take_files(
    place: Path,
    out: Path,
    lines: Iterable[str],
    processes: Iterable[tuple[int, str]],
    *,
    plan: Mapping[str, Any],
    most_bytes: int = MOST_RUN_BYTES,
) -> None:
    """Put the `plan`, the log `lines` and the records that a dead run left in `out` into the folder `place`.

    `processes` are rank and mark of each process or fork that has a record; `most_bytes` bounds all files
    together. What `place` held is replaced. Raises `SetupError` when nothing can be written there.
    """
    left_out: list[str] = []
    left = most_bytes

    def put(name: str, data: bytes) -> None:
        nonlocal left
        if len(data) > left:
            left_out.append(f"{name} is left out: the files of a run have at most {most_bytes:,} bytes")
            return
        left -= len(data)
        (place / name).write_bytes(data)

    try:
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        put(PLAN_NAME, (json.dumps(plan) + "\n").encode())
        put(LOG_NAME, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        for rank, mark in processes:
            most = (MOST_EVENT_BYTES, MOST_ARRAY_BYTES)
            for name, most_of_file in zip(record_names(rank, mark), most, strict=True):
                data = read_bounded(out / name, most_of_file, left_out)
                if data is not None:
                    put(f"{name}.gz", gzip.compress(data, _LEVEL, mtime=0))
        if left_out:
            (place / LEFT_OUT_NAME).write_text("".join(f"{each}\n" for each in left_out), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{place}: the files of a run cannot be put there ({error.strerror})") from error
