"""What all commands do alike around their work: dates, streams, and an exit status for whatever happens."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import errno
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__
from harness.errors import GolfError, UsageError
from harness.exit_status import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A full or broken disk under the output is the machine's fault; any other error of the system is ours.
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})


def exit_status_of(parser: argparse.ArgumentParser, work: Callable[[], int], *, when_interrupted: str) -> int:
    """The exit status of `work`, its failures told on standard error under the parser's program name.

    `when_interrupted` says what an interrupt leaves behind, by Ctrl-C or by being told to end (SIGTERM). A
    usage error exits through the parser.
    """
    program = parser.prog
    try:
        with _told_to_end_is_interrupted():
            return work()
    except UsageError as error:
        parser.error(str(error))
    except GolfError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return Exit.NOT_CHECKED
    except KeyboardInterrupt:
        print(f"{program}: interrupted; {when_interrupted}", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _close_broken_pipe()
    except OSError as error:
        if error.errno not in _FULL_DISK:
            return _our_fault(program)
        _close_broken_pipe()
        print(f"{program}: cannot write the output: {error.strerror}", file=sys.stderr)
        return Exit.NOT_CHECKED
    except Exception:  # the last line of defence: say that it is our fault
        return _our_fault(program)


@contextlib.contextmanager
def _told_to_end_is_interrupted() -> Iterator[None]:
    """Clean up on SIGTERM as on Ctrl-C; in a thread, where no handler can be set, it ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def day(text: str) -> datetime.date:
    """A date of the command line. Raises what argparse turns into a usage error."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a date; write YYYY-MM-DD") from None


def open_closed_streams() -> None:
    """Give a process started without output (`>&-`) somewhere to write; its exit status still counts."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end


def _close_broken_pipe() -> int:
    """The reader of our output went away (`... | head`): stop quietly, as other tools do."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK


def _our_fault(program: str) -> int:
    """Say that the exception at hand is a bug of the command."""
    import traceback

    traceback.print_exc()
    print(
        f"{program} {__version__}: this is a bug of {program}; please report it with the above",
        file=sys.stderr,
    )
    return Exit.BUG
