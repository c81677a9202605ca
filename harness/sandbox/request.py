"""What a sandbox is asked to run, what it may protect against, and what it reports."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MIB = 2**20


class Protection(StrEnum):
    """Something the command cannot do or outlive, as found on this machine for one request."""

    NO_NETWORK = "no-network"
    LOOPBACK_ONLY = "loopback-only"  # implies no-network; ranks of one command reach each other
    OWN_PID_NAMESPACE = "own-pid-namespace"
    READ_ONLY_SYSTEM = "read-only-system"
    HIDDEN_HOST_FILES = "hidden-host-files"  # files that are neither system nor mounted cannot be read
    PRIVATE_TMP = "private-tmp"
    UNPRIVILEGED_USER = "unprivileged-user"
    NO_NESTED_NAMESPACES = "no-nested-namespaces"
    SYSCALL_FILTER = "syscall-filter"
    LANDLOCK = "landlock"
    MEMORY_LIMIT = "memory-limit"
    MEMORY_GROUP = "memory-group"  # the kernel enforces the sum over processes, not a watch
    PROCESS_LIMIT = "process-limit"
    DISK_LIMIT = "disk-limit"
    LOG_LIMIT = "log-limit"
    TIME_LIMIT = "time-limit"
    DIES_WITH_PARENT = "dies-with-parent"
    CLEARED_ENVIRONMENT = "cleared-environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A host file or folder the command may see.

    `inside` is the absolute path it is asked to appear at. A sandbox that cannot rename paths shows it at its
    host path; `Sandbox.seen_at` says which, so a command is built from that.
    A writable folder is handed to the sandbox user for the run and belongs to it afterwards when we are root.
    """

    host: Path
    inside: str
    is_writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What one run may use. None means without limit, and the protection is then not active."""

    wall_seconds: float | None = None
    memory_bytes: int | None = None
    """Of all processes together; address space that is only reserved does not count."""
    processes: int | None = None
    """Processes and threads alive at one time: a rank of torch with 16 threads is 17."""
    open_files: int = 65_536
    """Of each process."""
    file_bytes: int | None = None
    """Largest single file (RLIMIT_FSIZE)."""
    written_bytes: int | None = None
    """Of the writable folders together, beyond what lay there at the start; deleted open files count."""
    temporary_bytes: int = 1024 * MIB
    """Of /tmp and of /dev/shm, each; it is memory and counts against memory_bytes where a group counts it."""
    log_bytes: int = 64 * MIB
    """Standard output and error together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRequest:
    """One command with everything it gets: nothing is inherited from the caller."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()
    workdir: str = "/"
    """As the command sees it: build it with `Sandbox.seen_at`."""
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    wants_gpu: bool = False


class EndKind(StrEnum):
    """How a run ended. Only the first is an end of its own making; `signal` is a crash or its own kill."""

    EXITED = "exited"
    SIGNAL = "signal"
    TIME_LIMIT = "time-limit"
    MEMORY_LIMIT = "memory-limit"
    PROCESS_LIMIT = "process-limit"
    DISK_LIMIT = "disk-limit"
    LOG_LIMIT = "log-limit"
    STOPPED = "stopped"
    MACHINE_FAULT = "machine-fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOutcome:
    """What was measured from outside. When it exists, no process of the command is alive."""

    kind: EndKind
    detail: str
    """One sentence with numbers: which limit, or what failed on this machine."""
    exit_code: int | None
    """Of the command itself when it ended by itself; None when it was ended."""
    signal: int | None
    """The signal that ended the command, sent by us or not; None when it exited."""
    seconds: float
    """By the caller's clock: from before the first process started until every process was dead."""
    log_bytes: int
    """Written by the command to standard output and error, those beyond the limit included once read."""
    peak_memory_bytes: int | None
    """Of all processes together, by the memory group or by the watch (then of its samples)."""
    survivors_killed: int
    """Processes of the command that we had to kill; 0 when it ended and left nothing behind."""
    protections: tuple[Protection, ...]
    """Those in force in this very run."""


class Sandbox(Protocol):
    """Runs untrusted commands one at a time."""

    @property
    def name(self) -> str:
        """`bwrap`, `landlock` or `none`; goes into the record."""
        ...

    def seen_at(self, mount: Mount) -> str:
        """Where the command finds the mount."""
        ...

    def protections(self, request: SandboxRequest) -> tuple[Protection, ...]:
        """Those in force for this request here, found by trying them from inside; the command is not run."""
        ...

    def run(
        self,
        request: SandboxRequest,
        on_output: Callable[[float, bytes], None],
        clock: Callable[[], float] = time.monotonic,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> SandboxOutcome:
        """Run it to its end and kill whatever it leaves.

        `on_output` gets each line with the seconds since the start; it should return soon, for the command
        waits when the pipe is full. Raises `SetupError` when this machine cannot start the sandbox.
        """
        ...
