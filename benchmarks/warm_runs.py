"""Runs scripts of ours for the dynamic audit without starting Python and torch each time: most of their work.

No sandbox: it protects against nothing, and takes the place of one only where the script is our own.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.sandbox.request import EndKind, Mount, Protection, SandboxOutcome, SandboxRequest

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = Path(__file__).resolve().parents[1]


class WarmRuns:
    """A process that has imported torch and forks for each run, in the form of a sandbox."""

    name = "none"

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from benchmarks.warm_runs import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(_ROOT),
                "PYTHONHASHSEED": "0",
                "OMP_NUM_THREADS": "1",
                "MKL_NUM_THREADS": "1",
            },
        )

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def seen_at(self, mount: Mount) -> str:
        """Where it lies: nothing is renamed."""
        return str(mount.host)

    def protections(self, request: SandboxRequest) -> tuple[Protection, ...]:
        """None."""
        return ()

    def run(
        self,
        request: SandboxRequest,
        on_output: Callable[[float, bytes], None],
        clock: Callable[[], float] = time.monotonic,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> SandboxOutcome:
        """Fork for the request, which is one of the child of the dynamic audit, and wait."""
        began = clock()
        with tempfile.TemporaryDirectory(prefix="warm-run-") as folder:
            log = Path(folder) / "log"
            asked = {
                "plan": request.command[-1],
                "environment": dict(request.environment),
                "workdir": request.workdir,
                "log": str(log),
                "seconds": request.limits.wall_seconds or 0.0,
            }
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer:
                raise SetupError("the process that runs scripts is gone")
            written = log.read_bytes()
        status = int(answer)
        for line in written.splitlines():
            on_output(0.0, line)
        ended = os.WIFEXITED(status)
        return SandboxOutcome(
            kind=EndKind.EXITED if ended else EndKind.TIME_LIMIT,
            detail="ran without a sandbox",
            exit_code=os.WEXITSTATUS(status) if ended else None,
            signal=None if ended else os.WTERMSIG(status),
            seconds=clock() - began,
            log_bytes=len(written),
            peak_memory_bytes=None,
            survivors_killed=0,
            protections=(),
        )


def serve() -> None:
    """Read requests, one JSON object a line; answer each with the status of its fork."""
    import numpy as np  # noqa: F401 - what scripts import is here before they fork
    import sentencepiece  # noqa: F401
    import torch

    from harness.dynamic.child import capture, facade

    for package in (capture, facade):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    torch.set_num_threads(1)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(asked)
        print(_waited(child, float(asked["seconds"])), flush=True)


def _run(asked: dict[str, object]) -> None:
    """The fork: what `python -m harness.dynamic.child` does, in this process."""
    log = os.open(str(asked["log"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    environment = asked["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(asked["workdir"]))
    from harness.dynamic.child.__main__ import main

    status = main([str(asked["plan"])])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _waited(child: int, seconds: float) -> int:
    deadline = time.monotonic() + seconds if seconds else float("inf")
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
