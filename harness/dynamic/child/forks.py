"""Forks a run before its evaluation, once for each set of tokens that could have come in the stream.

Fork after fork, one at a time: each finds the machine as it was, with its tokens in memory and on disk, goes
on with the script, and leaves a record of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from time import monotonic, sleep  # real ones: imported before the script's clock is put in their place
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.child.ending import ending_of, write_ending
from harness.dynamic.child.stream_copies import StreamCopies
from harness.dynamic.fork_plan import ForkPlan, branch_mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.dynamic.child.capture.recorder import Recorder
    from harness.dynamic.run_plan import RunPlan

_HEADER_BYTES = 1024  # official shards: 256 int32, then uint16 tokens
_LOOK_SECONDS = 0.005


class ForkServer:
    """Waits for the printed line, forks, and ends the run that it waited in."""

    def __init__(self, plan: RunPlan, forks: ForkPlan, recorder: Recorder, stream: np.ndarray) -> None:
        self._out = plan.out
        self._val_files = tuple(Path(each) for each in plan.val_files)
        self._forks = forks
        self._recorder = recorder
        self._stream = stream
        self._lines = 0
        self._is_done = False

    def after_line(self) -> None:
        """To be called behind every line that is told. Returns in forks, and before their line is there."""
        if self._is_done or os.getpid() != self._recorder.owner:
            return  # workers that the script started print as well
        self._lines += 1
        if self._lines < self._forks.after_line:
            return
        self._is_done = True
        error: BaseException | None = None
        try:
            forks = self._forks
            copies = StreamCopies(self._stream, {place for each in forks.positions for place in each})
            for index in range(len(forks.tokens)):
                if self._is_fork(index, copies):
                    return
        except OSError as caught:
            error = caught
        self._recorder.close()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        write_ending(self._out, ending_of(error))
        os._exit(0 if error is None else 1)

    def _is_fork(self, index: int, copies: StreamCopies) -> bool:
        """Fork; True in the fork, whose stream has its tokens. The parent waits until it is over."""
        changes = self._forks.changes(index)
        before, own = self._on_disk(changes), os.getpid()
        try:
            child = os.fork()
            if child == 0:
                _silence()
                self._recorder.branch(branch_mark(index), most_events=self._forks.most_events[index])
                self._recorder.event("fork", copies=copies.write(changes))
                return True
            _wait(child, self._forks.seconds)
        finally:
            if os.getpid() == own:  # a fork keeps its tokens on disk
                self._on_disk(before)
        return False

    def _on_disk(self, changes: Mapping[int, int]) -> dict[int, int]:
        """Write tokens into their shards, by position; what was there."""
        return {place: self._token_on_disk(place, token) for place, token in changes.items()}

    def _token_on_disk(self, position: int, token: int) -> int:
        place = position
        for path in self._val_files:
            count = (path.stat().st_size - _HEADER_BYTES) // 2
            if place < count:
                with path.open("r+b") as shard:
                    shard.seek(_HEADER_BYTES + 2 * place)
                    before = int(np.frombuffer(shard.read(2), dtype="<u2")[0])
                    shard.seek(_HEADER_BYTES + 2 * place)
                    shard.write(np.array([token], dtype="<u2").tobytes())
                return before
            place -= count
        raise OSError(f"position {position} lies behind the validation shards")


def _silence() -> None:
    """What a fork prints is in its record; the log of the run is that of the run itself."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _wait(child: int, seconds: float) -> None:
    limit = monotonic() + seconds
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if monotonic() > limit:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        sleep(_LOOK_SECONDS)
