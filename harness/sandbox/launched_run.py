"""Runs a request in a prepared sandbox: pipes, group and meter around the supervisor, and the probe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.sandbox.confinement import (
    SPARE_TASKS,
    launcher_command,
    launcher_environment,
    plan_of,
    sandbox_user,
)
from harness.sandbox.control_group import make_control_group
from harness.sandbox.disk_meter import DiskMeter
from harness.sandbox.inside_probe import PROBE, probe_answer
from harness.sandbox.landlock import landlock_abi
from harness.sandbox.log_pipe import LogPipe
from harness.sandbox.request import EndKind, Protection, SandboxOutcome
from harness.sandbox.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.sandbox.confinement import Confinement
    from harness.sandbox.inside_probe import ProbeAnswer
    from harness.sandbox.request import SandboxLimits, SandboxRequest

_PROBE_SECONDS = 30.0
_START_OUTPUT_BYTES = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A request made concrete by one kind of sandbox."""

    confinement: Confinement
    package_root: str
    """The folder with our package as the first process sees it."""
    helper: tuple[str, ...] = ()
    """Put before the first process: bubblewrap with its arguments."""
    data_pipes: tuple[int, ...] = ()
    """Descriptors the helper reads; closed when it has started."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the request's where it does not set them."""
    temporary: Path | None = None
    """A private folder, made for this run and removed after it."""


def run_launched(
    request: SandboxRequest,
    launch: Launch,
    known: tuple[Protection, ...],
    on_output: Callable[[float, bytes], None],
    clock: Callable[[], float],
    should_stop: Callable[[], bool],
) -> SandboxOutcome:
    """Run it to its end; `known` are the protections the probe found."""
    try:
        writable, disk = _prepared_folders(request, launch)
    except BaseException:
        _abandon(launch)
        raise
    group = make_control_group()
    limits = request.limits
    group.limit(limits.memory_bytes, limits.processes + SPARE_TASKS if limits.processes is not None else None)
    plan = plan_of(
        replace(request, environment={**launch.environment, **request.environment}),
        launch.confinement,
        has_memory_group=group.limits_memory,
        has_process_group=group.limits_processes,
    )
    start_output = bytearray()

    def hand_on(seconds: float, line: bytes) -> None:
        if supervisor.is_ready:
            on_output(seconds, line)
        elif len(start_output) < _START_OUTPUT_BYTES:
            start_output.extend(line)

    log = LogPipe(limits.log_bytes, hand_on)
    supervisor = Supervisor(
        limits=limits,
        log=log,
        group=group,
        disk=disk,
        writable=writable,
        clock=clock,
        should_stop=should_stop,
    )
    program = launch.helper[0] if launch.helper else sys.executable
    try:
        pipes = (*os.pipe(), *os.pipe(), *launch.data_pipes)
        command = [*launch.helper, *launcher_command(launch.package_root, pipes[0], pipes[3])]
        ending = supervisor.run(command, launcher_environment(), plan, pipes)
        seconds = supervisor.seconds()
    except OSError as error:
        raise SetupError(
            f"cannot start {program}: {error.strerror}. Raise the limits on processes and open files, "
            "free memory, or repair the installation."
        ) from error
    finally:
        log.close()
        group.remove()
        if launch.temporary is not None:
            _remove(launch.temporary)
    detail = ending.detail
    if ending.kind is EndKind.MACHINE_FAULT and start_output:
        detail += ": " + " ".join(start_output.decode("utf-8", "replace").split())[:1_000]
    return SandboxOutcome(
        kind=ending.kind,
        detail=detail,
        exit_code=ending.exit_code,
        signal=ending.signal,
        seconds=seconds,
        log_bytes=log.read_bytes,
        peak_memory_bytes=supervisor.peak_memory_bytes,
        survivors_killed=supervisor.survivors_killed,
        protections=_with_groups(known, memory=group.limits_memory, processes=group.limits_processes),
    )


def _prepared_folders(request: SandboxRequest, launch: Launch) -> tuple[tuple[Path, ...], DiskMeter]:
    """The writable folders, handed to the sandbox user when we are root, and what they hold by now."""
    mounts = [mount for mount in request.mounts if mount.is_writable]
    writable = tuple(mount.host for mount in mounts)
    seen_as = tuple(mount.inside for mount in mounts)
    if launch.temporary is not None:
        writable, seen_as = (*writable, launch.temporary), (*seen_as, "$TMPDIR")
    if os.geteuid() == 0:
        for folder in writable:
            _hand_over(folder, launch.confinement.user or 0)
    disk = DiskMeter(writable, seen_as)
    if disk.uncountable is not None:
        raise SetupError(f"{disk.uncountable} in a writable folder cannot be read; mend it or use a new one.")
    return writable, disk


def _abandon(launch: Launch) -> None:
    """What was made for a run that does not begin."""
    for pipe in launch.data_pipes:
        os.close(pipe)
    if launch.temporary is not None:
        _remove(launch.temporary)


def probe_launched(
    request: SandboxRequest, prepare: Callable[[SandboxRequest], Launch], clock: Callable[[], float]
) -> tuple[Protection, ...]:
    """Run the probe under the request's mounts and limits and say what it found.

    Raises `SetupError` with the reason when the sandbox does not start or does not let its probe answer.
    """
    output = bytearray()
    limits = replace(request.limits, wall_seconds=_PROBE_SECONDS, log_bytes=2**20)
    with tempfile.TemporaryDirectory(prefix="golf-canary-") as folder:
        Path(folder).chmod(0o755)
        canary = Path(folder) / "canary"
        canary.write_text("visible", encoding="ascii")
        probe = replace(
            request,
            command=(sys.executable, "-I", "-S", "-B", "-c", PROBE, str(canary)),
            workdir="/",
            limits=limits,
        )
        launch = prepare(probe)
        outcome = run_launched(
            probe, launch, (), lambda _, line: output.extend(line), clock, should_stop=lambda: False
        )
    answer = probe_answer(bytes(output))
    if answer is None:
        said = output.decode("utf-8", "replace").strip().splitlines()
        raise SetupError(
            f"the sandbox does not work on this machine: {said[-1][:300] if said else outcome.detail}"
        )
    found = _found(answer, launch, request)
    return _with_groups(
        tuple(found),
        memory=Protection.MEMORY_GROUP in outcome.protections,
        processes=Protection.PROCESS_LIMIT in outcome.protections,
    )


def _found(answer: ProbeAnswer, launch: Launch, request: SandboxRequest) -> list[Protection]:
    limits = request.limits
    allowed = {*request.environment, *launch.environment, "LC_CTYPE"}  # Python sets the last one itself
    no_rights = answer.user != 0 and set(answer.capabilities) == {"0"}
    bounded = limits.processes is not None and answer.user != 0
    facts = {
        Protection.NO_NETWORK: not answer.internet,
        Protection.LOOPBACK_ONLY: not answer.internet and answer.loopback,
        Protection.OWN_PID_NAMESPACE: answer.parent_is_1 and launch.confinement.has_pid_namespace,
        Protection.READ_ONLY_SYSTEM: not answer.writes_system,
        Protection.HIDDEN_HOST_FILES: not answer.reads_canary,
        Protection.PRIVATE_TMP: not answer.sees_canary and answer.writes_temporary,
        Protection.UNPRIVILEGED_USER: no_rights,
        Protection.NO_NESTED_NAMESPACES: not answer.new_user_namespace,
        Protection.SYSCALL_FILTER: answer.filter == "2",
        Protection.LANDLOCK: launch.confinement.readable is not None and landlock_abi() > 0,
        Protection.PROCESS_LIMIT: bounded and answer.tasks >= 0,
        Protection.CLEARED_ENVIRONMENT: answer.environment <= allowed,
        **_watched(limits),
    }
    return [protection for protection in Protection if facts.get(protection, False)]


def _watched(limits: SandboxLimits) -> dict[Protection, bool]:
    """Those the supervisor gives to every sandbox, by what was asked for."""
    return {
        Protection.MEMORY_LIMIT: limits.memory_bytes is not None,
        Protection.DISK_LIMIT: limits.written_bytes is not None or limits.file_bytes is not None,
        Protection.LOG_LIMIT: True,
        Protection.TIME_LIMIT: limits.wall_seconds is not None,
        Protection.DIES_WITH_PARENT: True,
    }


def _with_groups(found: tuple[Protection, ...], *, memory: bool, processes: bool) -> tuple[Protection, ...]:
    added = {Protection.MEMORY_GROUP: memory, Protection.PROCESS_LIMIT: processes}
    return tuple(one for one in Protection if one in found or added.get(one, False))


def usable_user(needed: tuple[str, ...], can_reach: Callable[[str], bool]) -> int | None:
    """A user number of its own for the run when we are root and that user could open all it needs."""
    user = sandbox_user()
    return user if user is not None and all(can_reach(path) for path in needed) else None


def private_folder() -> Path:
    """A new folder for temporary files; raises `SetupError` when the disk refuses."""
    try:
        return Path(tempfile.mkdtemp(prefix="golf-run-"))
    except OSError as error:
        raise SetupError(
            f"cannot make a temporary folder in {tempfile.gettempdir()}: {error.strerror}. Free space there "
            "or set TMPDIR to a disk with room."
        ) from error


def _hand_over(folder: Path, user: int) -> None:
    """Give a writable folder and what is in it to the sandbox user; links are not followed."""
    os.lchown(folder, user, user)
    if not folder.is_dir():
        return
    for _, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, user, user, dir_fd=descriptor, follow_symlinks=False)


def _remove(folder: Path) -> None:
    """Whatever a hostile command left there: folders closed to their owner, or nested a million deep."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, capture_output=True)
