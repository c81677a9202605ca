"""How many bytes of long work are done, on standard error: a bar on a terminal, else lines."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINES_AFTER_SECONDS = 2.0  # quick work needs no lines in a log


def _told_in_lines(total: int, label: str) -> Callable[[int], None]:
    start = time.monotonic()
    step = max(1, total // 10)
    told = 0

    def show(done: int) -> None:
        nonlocal told
        spent = time.monotonic() - start
        if done // step > told and spent >= _LINES_AFTER_SECONDS:
            told = done // step
            print(f"golf-data: {label}: {done:,} of {total:,} bytes, {spent:.0f} s", file=sys.stderr)

    return show


@contextlib.contextmanager
def shown_bytes(total: int, label: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many of `total` bytes are done so far."""
    if quiet:
        yield lambda done: None
        return
    if not sys.stderr.isatty():
        yield _told_in_lines(total, label)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)
