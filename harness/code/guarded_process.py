"""Runs one of our own pure functions on untrusted input in a child process with limits.

The input may be made to kill a parser (deep nesting), to fill the memory (a compression bomb) or to take for
ever; then only the child dies, and the caller learns which limit was hit. The child starts without the
caller's environment, open files or site customisations and never runs code of a submission.
A worker lives on between calls, because a fresh interpreter costs more than most calls do; it is replaced
when it dies, when it has grown, and after a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.code.guarded_child import HEADER_BYTES
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Third-party modules a child may need; their folders are named to it, nothing else of site-packages is run.
_OPTIONAL_MODULES = ("brotli", "zstandard", "tree_sitter", "tree_sitter_c")
# Not secrets, and without them an interpreter with shared libraries does not start.
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_START_SECONDS = 60.0  # a busy machine's slowest start seen is 2 s
_CHUNK_BYTES = 2**18
_BOOT = (
    "import json,sys;a=json.loads(sys.argv[1]);sys.path+=a['paths'];from harness.code.guarded_child import "
    "serve;serve(a['function'],a['memory'],a['cpu'])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Limits of one call.

    The largest script of 2,346 in pull requests (1.6 MB) takes 2.7 s and 410 MiB on a busy machine; the
    defaults leave room for a slower one and still end a hostile input soon.
    """

    memory_bytes: int = 2**30
    cpu_seconds: int = 20
    wall_seconds: float = 30.0
    reply_bytes: int = 256 * 2**20


class LimitHit(Exception):  # noqa: N818 - it names what happened; callers turn it into a finding
    """The input made the child hit a limit. `limit` is memory, cpu, wall, depth, reply or crash."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class _Killed(Exception):  # noqa: N818
    """Someone else killed the child: the machine's fault as far as we know."""


def _module_folders() -> list[str]:
    """Where `harness` and the optional modules lie, for a child that knows no site-packages."""
    folders = [str(Path(__file__).resolve().parents[2])]
    for name in _OPTIONAL_MODULES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        folders.append(str(origin.parent.parent if origin.name == "__init__.py" else origin.parent))
    return list(dict.fromkeys(folders))


class GuardedWorker:
    """A child process that answers calls of one function, one at a time. Safe to share between threads."""

    def __init__(self, function: str, guard: Guard) -> None:
        """Nothing starts before the first call. `function` is "package.module:name"."""
        self._function = function
        self._guard = guard
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def call(self, argument: object, blobs: Sequence[bytes] = ()) -> Any:
        """The function's result for a JSON-able argument and some bytes.

        Raises `LimitHit` when the input exhausted a limit, `SetupError` when this machine cannot run the
        child (no memory, no processes), RuntimeError with the child's traceback when our function has a bug.
        """
        request = json.dumps({"argument": argument, "blobs": [len(blob) for blob in blobs]}).encode()
        frames = [len(request).to_bytes(HEADER_BYTES, "big") + request, *blobs]
        with self._lock:
            for _ in range(2):
                try:
                    return self._call(frames)
                except _Killed:
                    self.close()
                except (LimitHit, SetupError):
                    raise
                except BaseException:
                    self.close()  # Ctrl-C leaves half a reply in the pipe: the next call must not read it
                    raise
        raise SetupError(
            "the guarded reader was killed twice by this machine (SIGKILL not sent by us, usually the "
            f"out-of-memory killer); it may use {self._guard.memory_bytes:,} bytes. Free memory or lower "
            "--jobs and run again."
        )

    def start(self) -> None:
        """Start the child before the first call needs it. Raises `SetupError` as `call` does."""
        with self._lock, contextlib.suppress(_Killed):
            self._running()

    @property
    def process_id(self) -> int | None:
        """The child's process id while there is one, for measurements."""
        return self._process.pid if self._process is not None else None

    def close(self) -> None:
        """End the child, if any; a later call starts a new one."""
        process, self._process = self._process, None
        if process is None:
            return
        mine = self._owner == os.getpid()
        if mine:
            process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if mine:
            process.wait()

    def _call(self, frames: list[bytes]) -> Any:
        process = self._running()
        deadline = time.monotonic() + self._guard.wall_seconds
        reply = self._exchange(process, frames, deadline)
        answer = json.loads(reply)
        if answer.get("mapped_bytes", 0) > self._guard.memory_bytes // 4 or "limit" in answer:
            self.close()  # the next input starts from the same state as this one did
        if answer.get("limit") == "memory":
            self._raise_memory(answer.get("memory_limit"))
        if answer.get("limit") == "depth":
            raise LimitHit("depth", "nested deeper than the Python parser can follow")
        if "bug" in answer:
            raise RuntimeError(f"{self._function} failed in the guarded process:\n{answer['bug']}")
        return answer["value"]

    def _raise_memory(self, in_force: int | None) -> None:
        allowed = self._guard.memory_bytes
        if in_force is None or in_force < allowed or _available_bytes() < allowed // 4:
            raise SetupError(
                f"this machine ran out of memory before the reader used its {allowed:,} bytes (limit in "
                f"force: {'none' if in_force is None else format(in_force, ',')} bytes, free: "
                f"{_available_bytes():,}). Free memory or raise `ulimit -v` and run again."
            )
        raise LimitHit("memory", f"reading it takes more than {allowed:,} bytes of memory")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and (self._owner != os.getpid() or self._process.poll() is not None):
            self.close()
        if self._process is None:
            self._process = self._start()
            self._owner = os.getpid()
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        settings = json.dumps(
            {
                "paths": _module_folders(),
                "function": self._function,
                "memory": self._guard.memory_bytes,
                "cpu": self._guard.cpu_seconds,
            }
        )
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        # -I: no current folder, no PYTHON* variables; -S: no .pth files, no sitecustomize.
        command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _BOOT, settings]
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                    cwd="/",
                    bufsize=0,
                    start_new_session=True,  # Ctrl-C ends the parent, which ends the child
                )
            except OSError as error:
                raise SetupError(
                    f"cannot start the guarded reader ({sys.executable}): {error}. Raise the limit of "
                    "processes or free memory and run again."
                ) from error
            self._process, self._owner = process, os.getpid()
            try:
                ready = json.loads(self._exchange(process, [], time.monotonic() + _START_SECONDS))
            except (LimitHit, _Killed, ValueError) as error:
                errors.seek(0)
                said = errors.read(20_000).decode("utf-8", "replace").strip().splitlines()
                self.close()
                raise SetupError(
                    f"the guarded reader did not start within {_START_SECONDS:.0f} s: "
                    f"{said[-1] if said else error}. Check that {sys.executable} -I -S runs."
                ) from error
        if not ready.get("ready"):
            self.close()
            raise SetupError(f"the guarded reader answered {ready!r} instead of being ready; reinstall us.")
        return process

    def _exchange(self, process: subprocess.Popen[bytes], frames: list[bytes], deadline: float) -> bytes:
        """Write the frames while reading one reply; neither side can block the other."""
        assert process.stdin is not None
        assert process.stdout is not None
        pending = [memoryview(frame) for frame in frames if frame]
        reply = bytearray()
        os.set_blocking(process.stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if pending:
                selector.register(process.stdin, selectors.EVENT_WRITE)
            while True:
                left = deadline - time.monotonic()
                ready = selector.select(max(left, 0)) if left > 0 else []
                if not ready:
                    self.close()
                    raise LimitHit("wall", f"not read within {self._guard.wall_seconds:.0f} s")
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        pending = _write_some(process.stdin.fileno(), pending)
                        if not pending:
                            selector.unregister(process.stdin)
                        continue
                    chunk = os.read(process.stdout.fileno(), _CHUNK_BYTES)
                    if not chunk:
                        self._raise_death(process)
                    reply += chunk
                if len(reply) >= HEADER_BYTES:
                    size = int.from_bytes(reply[:HEADER_BYTES], "big")
                    if size > self._guard.reply_bytes:
                        self.close()
                        raise LimitHit(
                            "reply",
                            f"its reading has {size:,} bytes; {self._guard.reply_bytes:,} are allowed",
                        )
                    if len(reply) >= HEADER_BYTES + size:
                        return bytes(reply[HEADER_BYTES:])

    def _raise_death(self, process: subprocess.Popen[bytes]) -> None:
        status = process.wait()
        self.close()
        if status == -signal.SIGXCPU:
            raise LimitHit("cpu", f"reading it takes more than {self._guard.cpu_seconds} s of processor time")
        if status == -signal.SIGKILL:
            raise _Killed
        how = f"signal {-status}" if status < 0 else f"status {status}"
        raise LimitHit("crash", f"the Python parser itself crashed on it ({how})")


def _write_some(descriptor: int, pending: list[memoryview]) -> list[memoryview]:
    try:
        written = os.write(descriptor, pending[0][:_CHUNK_BYTES])
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        return []  # the reader of stdout learns why
    rest = pending[0][written:]
    return [rest, *pending[1:]] if rest else pending[1:]


def _available_bytes() -> int:
    """Memory the machine could give now; a large number where the system does not say."""
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as table:
            for row in table:
                if row.startswith("MemAvailable:"):
                    return int(row.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 2**62


@functools.cache
def shared_worker(function: str, guard: Guard) -> GuardedWorker:
    """The process-wide worker of a function; it starts at its first call and ends with this process."""
    worker = GuardedWorker(function, guard)
    atexit.register(worker.close)
    return worker
