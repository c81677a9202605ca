"""Watches one started sandbox from outside: our clock, its output, what it uses; ends it, whole.

One thread, one loop. Nothing in it waits for the command: the pipes are read without blocking and folders are
counted in slices, so that neither a flood of output nor silence delays the clock.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import selectors
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from harness.sandbox.ending import Ending, ending_of
from harness.sandbox.launch import LENGTH_BYTES
from harness.sandbox.process_tree import (
    descendants,
    kill_descendants,
    process_1_below,
    proportional_bytes,
    tree_use,
)
from harness.sandbox.request import EndKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from harness.sandbox.control_group import ControlGroup
    from harness.sandbox.disk_meter import DiskMeter
    from harness.sandbox.log_pipe import LogPipe
    from harness.sandbox.request import SandboxLimits

_TICK_SECONDS = 0.05
_WATCH_SECONDS = 0.1
_DISK_SECONDS = 0.5
_START_SECONDS = 60.0
_BURY_SECONDS = 15.0
_FULL_DISK_BYTES = 4 * 2**20


class Supervisor:
    """One run from the start of its first process to the death of its last."""

    def __init__(
        self,
        *,
        limits: SandboxLimits,
        log: LogPipe,
        group: ControlGroup,
        disk: DiskMeter,
        writable: tuple[Path, ...],
        clock: Callable[[], float],
        should_stop: Callable[[], bool],
    ) -> None:
        """Starts nothing. `disk` has counted what the `writable` folders held before."""
        self._limits, self._log, self._group, self._disk = limits, log, group, disk
        self._writable, self._clock, self._should_stop = writable, clock, should_stop
        self._started = self._last_watch = self._last_disk = clock()
        self._status = bytearray()
        self._peak_bytes = 0
        self._first: int | None = None
        self._first_handle: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.survivors_killed = 0
        self.is_ready = False
        """Whether the command itself may have begun; output before that is the sandbox's own."""

    @property
    def peak_memory_bytes(self) -> int | None:
        """The most seen at one time, by the group if there is one."""
        return self._group.peak_memory_bytes() or self._peak_bytes or None

    def seconds(self) -> float:
        """Since just before the first process was started."""
        return self._clock() - self._started

    def run(
        self, command: list[str], environment: Mapping[str, str], plan: dict[str, Any], pipes: tuple[int, ...]
    ) -> Ending:
        """Start `command`, whose first process reads the plan; returns when everything below it is dead.

        `pipes` are control (both ends) and status (both ends) as `os.pipe` gives them, then anything else to
        hand over; this closes them all.
        Raises OSError when the process cannot be started at all.
        """
        _, control_write, status_read, *_ = pipes
        kept = {control_write, status_read}
        self._started = self._last_watch = self._last_disk = self._clock()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log.write_end,
                stderr=self._log.write_end,
                env=environment,
                cwd="/",
                pass_fds=[pipe for pipe in pipes if pipe not in kept],
                start_new_session=True,  # Ctrl-C reaches us only; we end it in order
            )
        except BaseException:
            for pipe in pipes:
                os.close(pipe)
            raise
        for pipe in pipes:
            if pipe not in kept:
                os.close(pipe)
        self._log.close_write_end()
        os.set_blocking(status_read, False)
        try:
            ending = self._watch(control_write, status_read, plan)
            if ending.kind is EndKind.EXITED and ending.exit_code != 0:
                ending = self._explained(ending)
        finally:
            survivors = self._end_all(control_write)
            os.close(status_read)
        self._log.finish(self.seconds())
        if survivors:
            return Ending(
                kind=EndKind.MACHINE_FAULT,
                detail=f"{survivors} processes could not be killed within {_BURY_SECONDS:.0f} s",
            )
        return ending

    def _watch(self, control: int, status: int, plan: dict[str, Any]) -> Ending:
        message = marshal.dumps(plan)
        _write_all(control, len(message).to_bytes(LENGTH_BYTES, "big") + message)
        with selectors.DefaultSelector() as selector:
            selector.register(self._log.read_end, selectors.EVENT_READ)
            selector.register(status, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(_TICK_SECONDS):
                    if key.fd == status:
                        ending = self._heard(status, control)
                        if ending is not None:
                            return ending
                    elif not self._log.read(self.seconds()) and not self._log.is_open:
                        selector.unregister(self._log.read_end)  # the command closed its output and works on
                ending = self._limit_reached()
                if ending is not None:
                    return ending

    def _heard(self, status: int, control: int) -> Ending | None:
        """A message of the first process: it is ready, the command has ended, or something failed."""
        try:
            chunk = os.read(status, 2**16)
        except BlockingIOError:
            return None
        if not chunk:
            return self._gone()
        self._status += chunk
        while b"\n" in self._status:
            line, _, rest = bytes(self._status).partition(b"\n")
            self._status = bytearray(rest)
            word, _, more = line.decode("utf-8", "replace").partition(" ")
            if word == "fault":
                return Ending(kind=EndKind.MACHINE_FAULT, detail=f"the sandbox did not start: {more}")
            if word == "ready":
                self._let_go(control)
            if word == "ended":
                code, peak_bytes = more.split()
                self._peak_bytes = max(self._peak_bytes, int(peak_bytes))
                return ending_of(int(code))
        return None

    def _let_go(self, control: int) -> None:
        assert self._process is not None
        self.is_ready = True
        self._first = process_1_below(self._process.pid) or self._process.pid
        self._first_handle = os.pidfd_open(self._first)
        self._group.add(self._first)
        _write_all(control, b"g")

    def _gone(self) -> Ending:
        """The first process closed its pipe without a word: it was killed, or never came to be."""
        assert self._process is not None
        if self._group.memory_kills():
            return self._over_memory("the kernel killed it")
        try:
            code = self._process.wait(_BURY_SECONDS)
        except subprocess.TimeoutExpired:
            code = 0
        said = "before it was ready" if not self.is_ready else "while the command ran"
        return Ending(
            kind=EndKind.MACHINE_FAULT,
            detail=f"the sandbox's first process ended {said} (status {code}); its output says more",
        )

    def _limit_reached(self) -> Ending | None:
        now = self.seconds()
        limits = self._limits
        if limits.wall_seconds is not None and now >= limits.wall_seconds:
            return Ending(kind=EndKind.TIME_LIMIT, detail=f"not ended within {limits.wall_seconds:,.1f} s")
        if not self.is_ready and now >= _START_SECONDS:
            return Ending(kind=EndKind.MACHINE_FAULT, detail=f"no sandbox within {_START_SECONDS:.0f} s")
        if self._log.is_over:
            return Ending(
                kind=EndKind.LOG_LIMIT, detail=f"wrote more than {limits.log_bytes:,} bytes of output"
            )
        if self._should_stop():
            return Ending(kind=EndKind.STOPPED, detail=f"stopped from outside after {now:,.1f} s")
        clock = self._clock()
        if self._first is not None and clock - self._last_watch >= _WATCH_SECONDS:
            ending = self._processes_over(self._first)
            self._last_watch = self._clock()
            if ending is not None:
                return ending
        return self._disk_over() if clock - self._last_disk >= _DISK_SECONDS else None

    def _processes_over(self, first: int) -> Ending | None:
        use = tree_use(first)
        self._peak_bytes = max(self._peak_bytes, use.resident_bytes)
        limits = self._limits
        if limits.processes is not None and (use.tasks > limits.processes or self._group.refused_forks()):
            detail = f"{use.tasks:,} processes and threads; {limits.processes:,} are allowed"
            return Ending(kind=EndKind.PROCESS_LIMIT, detail=detail)
        if self._group.memory_kills():
            return self._over_memory("the kernel killed one of its processes")
        if limits.memory_bytes is not None and use.resident_bytes > limits.memory_bytes:
            proportional = proportional_bytes(first)
            used = use.resident_bytes if proportional is None else proportional
            if used > limits.memory_bytes:
                return self._over_memory(f"{used:,} bytes in use")
        return None

    def _over_memory(self, what: str) -> Ending:
        allowed = self._limits.memory_bytes
        return Ending(
            kind=EndKind.MEMORY_LIMIT, detail=f"{what}; {allowed or 0:,} bytes of memory are allowed"
        )

    def _disk_over(self) -> Ending | None:
        if not self._disk.step(self._first):
            return None
        self._last_disk = self._clock()
        allowed = self._limits.written_bytes
        if allowed is not None and self._disk.uncountable is not None:
            detail = f"what it wrote cannot be counted: {self._disk.uncountable}"
            return Ending(kind=EndKind.DISK_LIMIT, detail=detail)
        if allowed is not None and self._disk.written_bytes > allowed:
            detail = f"{self._disk.written_bytes:,} bytes written; {allowed:,} are allowed"
            return Ending(kind=EndKind.DISK_LIMIT, detail=detail)
        return self._full_disk()

    def _full_disk(self) -> Ending | None:
        """The machine ran out of space before the command used what it may."""
        for folder in self._writable:
            free = shutil.disk_usage(folder).free
            if free < _FULL_DISK_BYTES:
                detail = f"{folder} has {free:,} bytes free: no space left on this machine"
                return Ending(kind=EndKind.MACHINE_FAULT, detail=detail)
        return None

    def _explained(self, ending: Ending) -> Ending:
        """A command that failed by itself, seen with what the watch knows since its last look."""
        limits = self._limits
        if limits.memory_bytes is not None and (
            self._group.memory_kills() or self._peak_bytes > limits.memory_bytes
        ):
            over = self._over_memory(f"{self._peak_bytes:,} bytes were in use when it failed")
            return Ending(kind=over.kind, detail=over.detail, exit_code=ending.exit_code)
        if limits.processes is not None and self._group.refused_forks():
            detail = f"it failed after asking for more than {limits.processes:,} processes and threads"
            return Ending(kind=EndKind.PROCESS_LIMIT, detail=detail, exit_code=ending.exit_code)
        return self._full_disk() or ending

    def _end_all(self, control: int) -> int:
        """Kill everything below the first process and itself; how many would not die."""
        process = self._process
        assert process is not None
        alive = 0
        if self._first is None:
            process.kill()
        elif self._first == process.pid:
            self.survivors_killed = len(descendants(self._first))
            alive = kill_descendants(self._first, _BURY_SECONDS)
            process.terminate()  # it may be about to start the command: it ends what it starts, then itself
        else:
            assert self._first_handle is not None
            self.survivors_killed = len(descendants(self._first))
            with contextlib.suppress(ProcessLookupError):  # ended: the kernel has ended the rest with it
                signal.pidfd_send_signal(self._first_handle, signal.SIGKILL)
        os.close(control)
        try:
            process.wait(_BURY_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            alive = max(alive, 1)
        if self._first_handle is not None:
            os.close(self._first_handle)
        self._group.remove()
        return alive


def _write_all(descriptor: int, data: bytes) -> None:
    """To a pipe whose reader is our own first process; if it is gone, the status pipe tells."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        return
