"""Starts the ranks of a plan beside each other, and ends them together.

    python -m harness.dynamic.child.ranks PLAN.json

Each rank is a process of its own with a record of its own. No rank goes on to code of the submission before
all have told the keys of their records, so that none can tell a key in the place of another. Where one fails
the others are killed: they would wait for it. The exit status is that of the first that failed; `ranks.json`
in the plan's output folder names it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from harness.dynamic.run_plan import RunPlan
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

RANKS_NAME = "ranks.json"
_LONGEST_LINE = 1 << 16
_KILLED = 128  # as shells tell a signal
_LAST_LINES_SECONDS = 5.0


class Ranks:
    """The processes of a plan with several ranks."""

    def __init__(self, plan_path: str, plan: RunPlan) -> None:
        self._plan = plan
        self._writing = threading.Lock()
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "harness.dynamic.child", plan_path, str(rank)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for rank in range(plan.world_size)
        ]

    def run(self) -> int:
        """Let them run to their end; the exit status."""
        if self._plan.captures:
            for rank in range(len(self._processes)):
                self._hand_on(_stream(self._processes[rank].stdout).readline(_LONGEST_LINE))
        for process in self._processes:
            with contextlib.suppress(OSError):  # it is dead, and its status will tell
                _stream(process.stdin).write(b"\n")
                _stream(process.stdin).close()
        readers = [
            threading.Thread(target=self._read, args=(one.stdout,), daemon=True) for one in self._processes
        ]
        for reader in readers:
            reader.start()
        failed = self._waited()
        for process in self._processes:
            process.kill()
        for reader in readers:
            reader.join(_LAST_LINES_SECONDS)  # not longer: a program that a rank left may hold its pipe
        if failed is None:
            return 0
        rank, status = failed
        with contextlib.suppress(OSError):  # the place was taken by a script
            (Path(self._plan.out) / RANKS_NAME).write_text(json.dumps({"failed": rank}))
        return status

    def _waited(self) -> tuple[int, int] | None:
        """The first rank that failed and how; None when all ended well."""
        ranks = {process.pid: rank for rank, process in enumerate(self._processes)}
        while ranks:
            number, status = os.wait()
            rank = ranks.pop(number, None)
            if rank is None:
                continue  # a process that a rank left behind
            code = os.waitstatus_to_exitcode(status)
            self._processes[rank].returncode = code
            if code:
                return rank, code if code > 0 else _KILLED - code
        return None

    def _read(self, stream: IO[bytes]) -> None:
        for line in iter(lambda: stream.readline(_LONGEST_LINE), b""):
            self._hand_on(line)

    def _hand_on(self, line: bytes) -> None:
        """Lines of several ranks, each whole."""
        with self._writing:
            view = memoryview(line if line.endswith(b"\n") or not line else line + b"\n")
            while view:
                view = view[os.write(1, view) :]


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def main(arguments: Sequence[str]) -> int:
    """Run the plan that `arguments` names; the exit status."""
    if len(arguments) != 1:
        print("usage: python -m harness.dynamic.child.ranks PLAN.json", file=sys.stderr)
        return 2
    try:
        plan = RunPlan.from_json(json.loads(Path(arguments[0]).read_text()))
    except (OSError, ValueError, SetupError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 2
    return Ranks(arguments[0], plan).run()


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
