"""Sandboxes without bubblewrap: Landlock with what namespaces the kernel gives us, and none at all."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.sandbox.confinement import Confinement, interpreter_folders, others_can_reach, package_root
from harness.sandbox.gpu_devices import gpu_nodes
from harness.sandbox.landlock import landlock_abi
from harness.sandbox.launched_run import Launch, private_folder, probe_launched, run_launched, usable_user
from harness.sandbox.request import Protection, SandboxRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.sandbox.request import Mount, SandboxOutcome

_SYSTEM_READABLE = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/sys", "/dev/urandom",
    "/dev/random", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
    "/etc/localtime", "/etc/ssl", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf",
    "/etc/OpenCL",
)  # fmt: skip
_DEVICES_WRITABLE = ("/dev/null", "/dev/zero", "/dev/full")
_SERVICE_SOCKETS = "/run"
NAMESPACE_CHOICES = ("root", "user", "")
"""Ways to get namespaces, best first; the last is to go without."""


class _LaunchedSandbox(ABC):
    """What the two have in common: files are seen where they lie, because nothing is mounted."""

    name = ""

    def __init__(self) -> None:
        self._found: dict[object, tuple[Protection, ...]] = {}

    def seen_at(self, mount: Mount) -> str:
        """Its place on the host."""
        return str(mount.host)

    def protections(self, request: SandboxRequest) -> tuple[Protection, ...]:
        """Found by a probe, once for requests that differ in nothing that matters to it."""
        key = (request.limits, request.mounts, request.wants_gpu, frozenset(request.environment))
        if key not in self._found:
            self._found[key] = self._only_claimed(probe_launched(request, self._launch, time.monotonic))
        return self._found[key]

    def run(
        self,
        request: SandboxRequest,
        on_output: Callable[[float, bytes], None],
        clock: Callable[[], float] = time.monotonic,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> SandboxOutcome:
        """See `Sandbox.run`."""
        known = self.protections(request)
        return run_launched(request, self._launch(request), known, on_output, clock, should_stop)

    @abstractmethod
    def _launch(self, request: SandboxRequest) -> Launch:
        """The request with this sandbox's means."""

    def _only_claimed(self, found: tuple[Protection, ...]) -> tuple[Protection, ...]:
        return found


class LandlockSandbox(_LaunchedSandbox):
    """Landlock for files and TCP, a call filter, and namespaces where the kernel allows them.

    Without namespaces the command gets no internet sockets at all (Landlock does not bound UDP), so several
    ranks cannot meet; and its processes are found by descent instead of by namespace.
    """

    name = "landlock"

    def __init__(self, unshares: str | None = None) -> None:
        """`unshares` is one of `NAMESPACE_CHOICES`; None tries them in that order.

        Raises `SetupError` when the kernel has no Landlock.
        """
        super().__init__()
        if landlock_abi() == 0:
            raise SetupError(
                "this kernel has no Landlock (Linux 5.13 with `landlock` in its boot parameter `lsm=`)."
            )
        self._unshares = unshares if unshares is not None else _possible_namespaces(self._works)

    def _launch(self, request: SandboxRequest) -> Launch:
        return self._launch_with(request, self._unshares)

    def _works(self, unshares: str) -> bool:
        request = SandboxRequest(command=("true",), environment={})
        try:
            probe_launched(request, lambda wanted: self._launch_with(wanted, unshares), time.monotonic)
        except SetupError:
            return False
        return True

    def _launch_with(self, request: SandboxRequest, unshares: str) -> Launch:
        _check_mounts(request.mounts)
        hosts = tuple(str(mount.host) for mount in request.mounts)
        temporary = private_folder()
        devices = gpu_nodes() if request.wants_gpu else ()
        readable = (*_SYSTEM_READABLE, *interpreter_folders(), *hosts)
        own = (*(str(mount.host) for mount in request.mounts if mount.is_writable), str(temporary))
        writable = (*own, *_DEVICES_WRITABLE, *devices, *(("/dev/shm",) if unshares else ()))
        needed = (sys.executable, *interpreter_folders(), *hosts, tempfile.gettempdir())
        return Launch(
            confinement=Confinement(
                unshares=unshares,
                has_pid_namespace=bool(unshares),
                has_network_namespace=bool(unshares),
                user=usable_user(needed, others_can_reach) if unshares != "user" else None,
                readable=readable,
                writable=writable,
                writable_mounts=own,
                hidden=_hidden((*readable, *own)),
                keeps_metadata=not unshares,
                shows_own_proc=bool(unshares),
            ),
            package_root=package_root(),
            environment={"TMPDIR": str(temporary)},
            temporary=temporary,
        )


class BareRun(_LaunchedSandbox):
    """No sandbox: the command may do what we may. It still has a clock, a log limit, and dies as a whole."""

    name = "none"

    def _launch(self, request: SandboxRequest) -> Launch:
        _check_mounts(request.mounts)
        return Launch(
            confinement=Confinement(
                unshares="",
                has_pid_namespace=False,
                has_network_namespace=False,
                user=None,
                readable=None,
                has_filter=False,
                drops_capabilities=False,
            ),
            package_root=package_root(),
        )

    def _only_claimed(self, found: tuple[Protection, ...]) -> tuple[Protection, ...]:
        # That this machine happens to have no route, or its user no rights, is not a protection of ours.
        accidental = {Protection.NO_NETWORK, Protection.LOOPBACK_ONLY, Protection.READ_ONLY_SYSTEM}
        return tuple(one for one in found if one not in accidental)


def _possible_namespaces(works: Callable[[str], bool]) -> str:
    for choice in NAMESPACE_CHOICES:
        if works(choice):
            return choice
    raise SetupError(
        "Landlock is present but a command confined by it does not start; run with --sandbox bwrap, or "
        "see why with `strace -f`."
    )


def _hidden(needed: Sequence[str]) -> tuple[str, ...]:
    """Landlock lets a process connect to any named socket it can walk to; most services keep theirs here."""
    if any(os.path.realpath(path).startswith(f"{_SERVICE_SOCKETS}/") for path in needed):
        return ()
    return (_SERVICE_SOCKETS,) if Path(_SERVICE_SOCKETS).is_dir() else ()


def _check_mounts(mounts: Sequence[Mount]) -> None:
    for mount in mounts:
        if not mount.host.exists():
            raise SetupError(f"{mount.host} does not exist and cannot be shown to the command.")
