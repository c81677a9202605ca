"""A machine that cannot run a sandbox says so as its own fault, with what to do; never as a failed run."""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SetupError, UsageError
from harness.sandbox import bubblewrap, confined, launched_run, supervisor
from harness.sandbox.bubblewrap import BubblewrapSandbox
from harness.sandbox.choose import choose_sandbox
from harness.sandbox.confined import BareRun, LandlockSandbox
from harness.sandbox.request import EndKind, Mount, Protection, Sandbox, SandboxLimits, SandboxRequest
from tests.harness.sandbox.sandboxes import run_program, sandbox_here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRUE = SandboxRequest(command=("true",), environment={})


def fake_bwrap(folder: Path, lines: str) -> str:
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'bubblewrap 0.8.0' && exit 0\n{lines}\n")
    program.chmod(0o755)
    return str(program)


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def broken() -> Sandbox:
    raise SetupError("it is broken.")


def makers(**chosen: Callable[[], Sandbox]) -> Mapping[str, Callable[[], Sandbox]]:
    return {"bwrap": broken, "landlock": broken, "none": BareRun, **chosen}


def test_missing_bubblewrap_names_what_to_install() -> None:
    with pytest.raises(SetupError, match="apt install bubblewrap"):
        BubblewrapSandbox("no-such-bwrap")


def test_missing_user_namespaces_are_quoted_from_bubblewrap(tmp_path: Path) -> None:
    program = fake_bwrap(tmp_path, "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    with pytest.raises(SetupError, match="No permissions to create new namespace"):
        BubblewrapSandbox(program).protections(TRUE)


def test_bubblewrap_that_says_no_version_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(SetupError, match="--version"):
        BubblewrapSandbox(str(program))


def test_kernel_without_landlock_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "landlock_abi", lambda: 0)
    with pytest.raises(SetupError, match="no Landlock"):
        LandlockSandbox()


def test_auto_takes_landlock_when_bubblewrap_does_not_work() -> None:
    assert choose_sandbox("auto", makers(landlock=lambda: sandbox_here("landlock-alone"))).name == "landlock"


def test_auto_never_goes_without_a_sandbox() -> None:
    with pytest.raises(SetupError, match=r"bwrap: it is broken\. landlock: it is broken\..*apt install"):
        choose_sandbox("auto", makers())


def test_none_is_taken_when_it_is_named() -> None:
    assert choose_sandbox("none").name == "none"


def test_named_sandbox_is_not_replaced_by_another() -> None:
    with pytest.raises(SetupError, match="it is broken"):
        choose_sandbox("bwrap", makers(landlock=BareRun))


def test_unknown_sandbox_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="auto, bwrap, landlock, none"):
        choose_sandbox("docker")


def test_mount_that_is_missing_is_a_setup_error(any_sandbox: Sandbox, tmp_path: Path) -> None:
    mount = Mount(host=tmp_path / "no-data", inside="/data", is_writable=False)
    request = SandboxRequest(command=("true",), environment={}, mounts=(mount,))
    with pytest.raises(SetupError, match="no-data does not exist"):
        any_sandbox.run(request, lambda _seconds, _line: None)


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user runs the command as itself")
def test_mount_closed_to_other_users_is_a_setup_error_for_root(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    mount = Mount(host=tmp_path, inside="/data", is_writable=False)
    request = SandboxRequest(command=("true",), environment={}, mounts=(mount,))
    with pytest.raises(SetupError, match=r"chmod -R a\+rX"):
        sandbox_here("bwrap").run(request, lambda _seconds, _line: None)


def test_no_space_for_temporary_files_is_a_setup_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = sandbox_here("landlock-alone")

    def refuse(**_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(launched_run.tempfile, "mkdtemp", refuse)
    with pytest.raises(SetupError, match=r"No space left on device.*TMPDIR"):
        sandbox.run(TRUE, lambda _seconds, _line: None)


def test_disk_that_runs_full_is_not_the_commands_fault(
    any_sandbox: Sandbox, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1_000})
    any_sandbox.protections(TRUE)
    monkeypatch.setattr(supervisor.shutil, "disk_usage", lambda _folder: usage)
    monkeypatch.setattr(type(any_sandbox), "protections", lambda _self, _request: ())
    ran = run_program(any_sandbox, "raise SystemExit(1)", out=out, limits=SandboxLimits(wall_seconds=60.0))
    assert ran.outcome.kind is EndKind.MACHINE_FAULT
    assert "no space left on this machine" in ran.outcome.detail


def test_machine_that_can_start_no_process_is_a_setup_error(
    any_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_sandbox.protections(TRUE)
    before = open_descriptors()

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(SetupError, match=r"cannot start .*temporarily unavailable"):
        any_sandbox.run(TRUE, lambda _seconds, _line: None)
    assert open_descriptors() == before


def test_runs_leave_no_descriptors_open(any_sandbox: Sandbox) -> None:
    any_sandbox.run(TRUE, lambda _seconds, _line: None)
    before = open_descriptors()
    any_sandbox.run(TRUE, lambda _seconds, _line: None)
    assert open_descriptors() == before


def test_old_bubblewrap_goes_without_the_flag_it_lacks() -> None:
    assert "--disable-userns" not in bubblewrap.namespace_arguments(is_root=False, version=(0, 7))
    assert "--disable-userns" in bubblewrap.namespace_arguments(is_root=False, version=(0, 8))


def test_protection_that_fails_on_this_machine_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor whose system calls we have no table for."""
    sandbox_here("landlock-alone")
    sandbox = LandlockSandbox("")
    launch_of = sandbox._launch

    def without_filter(request: SandboxRequest) -> launched_run.Launch:
        launch = launch_of(request)
        return replace(launch, confinement=replace(launch.confinement, has_filter=False))

    monkeypatch.setattr(sandbox, "_launch", without_filter)
    assert Protection.SYSCALL_FILTER not in sandbox.protections(TRUE)
    assert Protection.LANDLOCK in sandbox.protections(TRUE)
