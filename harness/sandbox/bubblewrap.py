"""The sandbox of choice: bubblewrap builds a new root with the system read-only and no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.sandbox.confinement import (
    Confinement,
    interpreter_folders,
    others_may_read,
    package_root,
    sandbox_user,
)
from harness.sandbox.gpu_devices import bwrap_gpu_arguments, gpu_nodes
from harness.sandbox.launched_run import Launch, probe_launched, run_launched

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.sandbox.request import Mount, Protection, SandboxOutcome, SandboxRequest

_PACKAGE_INSIDE = "/run/golf-launch"
_HOST_NAME = "golf"
_SYSTEM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC_FILES = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "ssl", "OpenCL")
_WRITABLE_ANYWAY = ("/tmp", "/dev", "/proc")
_FIRST_WITH_DISABLE = (0, 8)
INSTALL_ADVICE = (
    "Install bubblewrap (Debian, Ubuntu: `apt install bubblewrap`; Fedora: `dnf install bubblewrap`) and "
    "allow user namespaces (`sysctl user.max_user_namespaces=15000`; on Ubuntu 24.04 also "
    "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` or a profile for bwrap)."
)


class BubblewrapSandbox:
    """New root, process, network, IPC and host-name namespaces; Landlock and a call filter inside them.

    As root it drops to a user number of its own; as an ordinary user it uses a user namespace.
    """

    name = "bwrap"

    def __init__(self, program: str | None = None) -> None:
        """`program` is looked for in PATH. Raises `SetupError` when there is none."""
        found = shutil.which(program or "bwrap")
        if found is None:
            raise SetupError(f"bubblewrap (`bwrap`) is not installed. {INSTALL_ADVICE}")
        self._program = found
        self._version = _version(found)
        self._found: dict[object, tuple[Protection, ...]] = {}

    def seen_at(self, mount: Mount) -> str:
        """Where it was asked to be."""
        return mount.inside

    def protections(self, request: SandboxRequest) -> tuple[Protection, ...]:
        """Found by a probe, once for requests that differ in nothing that matters to it."""
        limits = request.limits
        key = (limits, request.mounts, request.wants_gpu, frozenset(request.environment))
        if key not in self._found:
            self._found[key] = probe_launched(request, self._launch, time.monotonic)
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

    def _launch(self, request: SandboxRequest) -> Launch:
        for mount in request.mounts:
            if not mount.host.exists():
                raise SetupError(f"{mount.host} does not exist and cannot be mounted at {mount.inside}.")
        user = sandbox_user()
        for mount in request.mounts:
            if user is not None and not mount.is_writable and not others_may_read(mount.host):
                raise SetupError(
                    f"{mount.host} is closed to other users, and as root we run a submission as one of them. "
                    f"Open it: `chmod -R a+rX {mount.host}`."
                )
        files = _etc_files(os.getuid() if user is None else user)
        pipes = {name: _readable_pipe(text) for name, text in files.items()}
        return Launch(
            confinement=Confinement(
                unshares="",
                has_pid_namespace=True,
                has_network_namespace=True,
                user=user,
                readable=("/",),
                writable=(*_WRITABLE_ANYWAY, *(one.inside for one in request.mounts if one.is_writable)),
            ),
            package_root=_PACKAGE_INSIDE,
            helper=(self._program, *self._arguments(request, pipes, is_root=user is not None), "--"),
            data_pipes=tuple(pipes.values()),
        )

    def _arguments(self, request: SandboxRequest, pipes: dict[str, int], *, is_root: bool) -> list[str]:
        arguments = namespace_arguments(is_root=is_root, version=self._version)
        size = str(request.limits.temporary_bytes)
        # First of all, because an interpreter or a mount may lie below it.
        arguments += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp"]
        arguments += system_arguments()
        for name, pipe in pipes.items():
            arguments += ["--perms", "0644", "--ro-bind-data", str(pipe), f"/etc/{name}"]
        arguments += ["--proc", "/proc", "--dev", "/dev"]
        if request.wants_gpu:
            arguments += bwrap_gpu_arguments(gpu_nodes())
        else:
            arguments += parent_arguments("/sys/devices/system")
            arguments += ["--ro-bind-try", "/sys/devices/system", "/sys/devices/system"]
        arguments += ["--perms", "1777", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
        for mount in request.mounts:
            arguments += parent_arguments(mount.inside)
            option = "--bind" if mount.is_writable else "--ro-bind"
            arguments += [option, str(mount.host), mount.inside]
        return [*arguments, "--remount-ro", "/", "--chdir", "/"]


def namespace_arguments(*, is_root: bool, version: tuple[int, int]) -> list[str]:
    """Namespaces and identity. Root keeps the right to become someone else, for our first process only."""
    arguments = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    arguments += ["--die-with-parent", "--as-pid-1", "--hostname", _HOST_NAME]
    if is_root:
        arguments += ["--cap-drop", "ALL"]
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            arguments += ["--cap-add", capability]
        return arguments
    arguments += ["--unshare-user", "--uid", str(os.getuid()), "--gid", str(os.getgid())]
    return [*arguments, "--disable-userns"] if version >= _FIRST_WITH_DISABLE else arguments


def system_arguments() -> list[str]:
    """The system's programs and libraries, our interpreter and the package of the first process."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for folder in _SYSTEM_FOLDERS:
        if Path(folder).is_symlink():
            arguments += ["--symlink", str(Path(folder).readlink()), folder]
        elif Path(folder).exists():
            arguments += ["--ro-bind", folder, folder]
    arguments += parent_arguments("/etc/passwd")
    for name in _ETC_FILES:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for folder in interpreter_folders():
        arguments += parent_arguments(folder)
        arguments += ["--ro-bind", folder, folder]
    package = Path(package_root()) / "harness"
    arguments += parent_arguments(f"{_PACKAGE_INSIDE}/harness/sandbox")
    for part in ("__init__.py", "sandbox"):
        arguments += ["--ro-bind", str(package / part), f"{_PACKAGE_INSIDE}/harness/{part}"]
    return arguments


def parent_arguments(inside: str) -> list[str]:
    """The folders above a mount, open to pass for everyone: bubblewrap's own would be for root only."""
    arguments: list[str] = []
    for folder in reversed(Path(inside).parents[:-1]):
        arguments += ["--perms", "0755", "--dir", str(folder)]
    return arguments


def _etc_files(user: int) -> dict[str, bytes]:
    """Small tables that name nobody of the host; torch asks for the user's and the host's name."""
    return {
        "passwd": f"root:x:0:0::/:/bin/sh\ngolf:x:{user}:{user}::/tmp:/bin/sh\n".encode(),
        "group": f"root:x:0:\ngolf:x:{user}:\n".encode(),
        "hosts": f"127.0.0.1 localhost {_HOST_NAME}\n".encode(),
        "nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files\n",
    }


def _readable_pipe(text: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    return reading


def _version(program: str) -> tuple[int, int]:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True)
        major, minor = said.stdout.split()[-1].split(".")[:2]
        return int(major), int(minor)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise SetupError(f"`{program} --version` failed: {error}. {INSTALL_ADVICE}") from error
