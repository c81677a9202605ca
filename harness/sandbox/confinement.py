"""What the first process inside a sandbox is told to do, and how it is started."""

from __future__ import annotations

import os
import platform
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.sandbox.request import SandboxLimits, SandboxRequest

# The watch ends a run that has more than its limit; the kernel refuses a few tasks later, so that a run is
# ended with a reason instead of failing in a way that its own log has to explain.
SPARE_TASKS = 8
_ENTRY = (
    "import sys;sys.path.insert(0,sys.argv[1]);from harness.sandbox.launch import main;"
    "main(int(sys.argv[2]),int(sys.argv[3]))"
)
# Not secrets, and without them an interpreter with shared libraries does not start.
_KEPT_VARIABLES = ("LD_LIBRARY_PATH",)
_UIDS_FROM = 1_879_048_192  # 0x70000000: no system gives out numbers there; processes of one run count alone
_UIDS = 65_536
_NAMESPACE_COUNTS_SINCE = (5, 14)  # Linux: RLIMIT_NPROC counts per user namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What the first process does to its child before it becomes the command."""

    unshares: str
    """`user` (through a user namespace), `root` (directly), or empty (none, or a helper did it)."""
    has_pid_namespace: bool
    has_network_namespace: bool
    user: int | None
    """User and group number to become; None to stay who we are."""
    readable: tuple[str, ...] | None
    """For Landlock; None to leave it out."""
    writable: tuple[str, ...] = ()
    """For Landlock: devices too."""
    writable_mounts: tuple[str, ...] = ()
    """Folders that stay writable when the first process makes mounts of its own."""
    hidden: tuple[str, ...] = ()
    """Folders covered by an empty one when the first process makes mounts of its own."""
    keeps_metadata: bool = False
    """Changing permissions, owners and times does nothing: no mount protects those of other files."""
    shows_own_proc: bool = True
    has_filter: bool = True
    drops_capabilities: bool = True


def plan_of(
    request: SandboxRequest, confinement: Confinement, *, has_memory_group: bool, has_process_group: bool
) -> dict[str, Any]:
    """The message of the caller to the first process, as JSON values."""
    landlock = None
    if confinement.readable is not None:
        landlock = {
            "readable": list(confinement.readable),
            "writable": list(confinement.writable),
            "own_proc": confinement.shows_own_proc,
            "allows_tcp": confinement.has_network_namespace,
        }
    return {
        "command": list(request.command),
        "environment": dict(request.environment),
        "workdir": request.workdir,
        "unshares": confinement.unshares,
        "has_pid_namespace": confinement.has_pid_namespace,
        "user": confinement.user,
        "drops_capabilities": confinement.drops_capabilities,
        "temporary_bytes": request.limits.temporary_bytes,
        "limits": _process_limits(
            request.limits,
            confinement,
            has_memory_group=has_memory_group,
            has_process_group=has_process_group,
        ),
        "landlock": landlock,
        "writable_mounts": list(confinement.writable_mounts),
        "hidden": list(confinement.hidden),
        "filter": {
            "allows_internet": confinement.has_network_namespace,
            "keeps_metadata": confinement.keeps_metadata,
        }
        if confinement.has_filter
        else None,
    }


def _process_limits(
    limits: SandboxLimits, confinement: Confinement, *, has_memory_group: bool, has_process_group: bool
) -> dict[str, int]:
    """Names of `resource` with their values."""
    values = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": limits.open_files}
    if limits.file_bytes is not None:
        values["RLIMIT_FSIZE"] = limits.file_bytes
    if limits.memory_bytes is not None and not has_memory_group:
        # Reserved memory counts here, used memory in the watch: twice the limit stops a process that outruns
        # the watch and leaves the others alone.
        values["RLIMIT_DATA"] = 2 * limits.memory_bytes
    if limits.processes is not None and not has_process_group:
        values["RLIMIT_NPROC"] = limits.processes + SPARE_TASKS + _others_counted(confinement)
    return values


def _others_counted(confinement: Confinement) -> int:
    """Tasks of this user outside the sandbox that count against RLIMIT_NPROC inside it."""
    is_own_namespace = confinement.unshares == "user" or (
        not confinement.unshares and confinement.has_pid_namespace
    )
    if confinement.user is not None or (is_own_namespace and kernel_version() >= _NAMESPACE_COUNTS_SINCE):
        return 0
    user, tasks = os.getuid(), 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == user:
                    tasks += len(list((entry / "task").iterdir()))
            except OSError:
                continue
    return tasks


def kernel_version() -> tuple[int, int]:
    """Major and minor number of the running kernel."""
    major, minor = platform.release().split(".")[:2]
    return int(major), int("".join(mark for mark in minor if mark.isdigit()) or 0)


def launcher_command(package_root: str, control: int, status: int) -> list[str]:
    """Our interpreter with the first process; `package_root` holds `harness` as seen from where it starts."""
    # -I: no current folder, no PYTHON* variables; -S: no .pth files, no sitecustomize.
    options = ("-I", "-S", "-B", "-X", "utf8", "-c")
    return [sys.executable, *options, _ENTRY, package_root, str(control), str(status)]


def launcher_environment() -> dict[str, str]:
    """For our own process only; the command gets the request's."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}


def package_root() -> str:
    """The folder that holds the `harness` package on the host."""
    return str(Path(__file__).resolve().parents[2])


def sandbox_user() -> int | None:
    """A user number for one run when we are root; None for an ordinary user, or where no number is free."""
    if os.geteuid() != 0:
        return None
    wanted = _UIDS_FROM + os.getpid() % _UIDS
    try:
        rows = [row.split() for row in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()]
    except OSError:
        return None
    ranges = [(int(first), int(count)) for first, _, count in rows]
    for user in (wanted, 65_534):
        if any(first <= user < first + count for first, count in ranges):
            return user
    return None


def others_can_reach(path: str) -> bool:
    """Whether a user without rights of its own can open `path`: each folder above lets everyone pass."""
    try:
        real = Path(path).resolve(strict=True)
        above_open = all(folder.stat().st_mode & 0o001 for folder in real.parents)
        return above_open and bool(real.stat().st_mode & (0o001 if real.is_dir() else 0o004))
    except OSError:
        return False


def others_may_read(path: Path) -> bool:
    """Whether the mode of this very file or folder lets everyone read it."""
    status = path.stat()
    wanted = 0o005 if stat.S_ISDIR(status.st_mode) else 0o004
    return status.st_mode & wanted == wanted


def interpreter_folders() -> tuple[str, ...]:
    """Folders our interpreter needs that are not part of /usr, real and as named."""
    executable = Path(sys.executable)
    candidates: Sequence[str] = (
        sys.prefix,
        sys.base_prefix,
        str(Path(sys.base_prefix).resolve()),
        str(executable.resolve().parent.parent),
    )
    found = [folder for folder in dict.fromkeys(candidates) if not (folder + "/").startswith("/usr/")]
    return tuple(folder for folder in found if folder != "/" and Path(folder).is_dir())
