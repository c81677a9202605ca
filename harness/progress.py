"""Progress of long work on standard error: a bar on a terminal, a line every tenth elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


def _in_lines(total: int, done_word: str, program: str) -> Callable[[Iterable[T]], Iterator[T]]:
    start = time.monotonic()
    step = max(1, total // 10)

    def advance(items: Iterable[T]) -> Iterator[T]:
        for count, item in enumerate(items, 1):
            if count % step == 0 or count == total:
                spent = time.monotonic() - start
                print(f"{program}: {count:,} of {total:,} {done_word}, {spent:.0f} s", file=sys.stderr)
            yield item

    return advance


@contextlib.contextmanager
def shown_progress(
    total: int, done_word: str, *, quiet: bool, program: str = "golf-check"
) -> Iterator[Callable[[Iterable[T]], Iterator[T]]]:
    """Give a function that passes items through and shows how many of `total` went by."""
    if quiet:
        yield iter
        return
    if not sys.stderr.isatty():
        yield _in_lines(total, done_word, program)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(done_word), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(done_word, total=total)

        def advance(items: Iterable[T]) -> Iterator[T]:
            for item in items:
                bar.advance(task)
                yield item

        yield advance
