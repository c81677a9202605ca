"""Sandboxes of this machine for tests, and small untrusted programs run in them."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.sandbox.bubblewrap import BubblewrapSandbox
from harness.sandbox.confined import BareRun, LandlockSandbox
from harness.sandbox.request import (
    Mount,
    Protection,
    Sandbox,
    SandboxLimits,
    SandboxOutcome,
    SandboxRequest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MAKERS: dict[str, Callable[[], Sandbox]] = {
    "bwrap": BubblewrapSandbox,
    "landlock": lambda: LandlockSandbox("root" if os.geteuid() == 0 else "user"),
    "landlock-alone": lambda: LandlockSandbox(""),
    "none": BareRun,
}
MIB = 2**20


@functools.cache
def sandbox_or_reason(name: str) -> Sandbox | str:
    """The sandbox, or why this machine has none of the kind."""
    try:
        sandbox = MAKERS[name]()
        sandbox.protections(SandboxRequest(command=("true",), environment={}))
    except SetupError as error:
        return str(error)
    return sandbox


def sandbox_here(name: str) -> Sandbox:
    """The sandbox; skips the test with the reason where it does not work."""
    found = sandbox_or_reason(name)
    if isinstance(found, str):
        pytest.skip(f"{name} does not work here: {found}")
    return found


@dataclass(frozen=True)
class Ran:
    """An outcome with what the program printed."""

    outcome: SandboxOutcome
    output: str
    lines: tuple[tuple[float, bytes], ...]

    def has(self, protection: Protection) -> bool:
        return protection in self.outcome.protections


def run_program(
    sandbox: Sandbox,
    program: str,
    *,
    out: Path | None = None,
    limits: SandboxLimits | None = None,
    arguments: tuple[str, ...] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Ran:
    """Run Python text as the untrusted command; `out` is a writable folder and its working folder."""
    mounts = (Mount(host=out, inside="/out", is_writable=True),) if out is not None else ()
    request = SandboxRequest(
        command=(sys.executable, "-I", "-S", "-B", "-c", program, *arguments),
        environment={"PATH": "/usr/bin:/bin"},
        mounts=mounts,
        workdir=sandbox.seen_at(mounts[0]) if mounts else "/",
        limits=limits or SandboxLimits(wall_seconds=60.0),
    )
    lines: list[tuple[float, bytes]] = []
    outcome = sandbox.run(
        request, lambda seconds, line: lines.append((seconds, line)), should_stop=should_stop
    )
    output = b"".join(line for _, line in lines).decode("utf-8", "replace")
    return Ran(outcome=outcome, output=output, lines=tuple(lines))


def living(mark: str) -> list[int]:
    """Processes of this machine that carry the mark in their command line, ended ones left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            state = (
                (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            )
        except OSError:
            continue
        if mark.encode() in words and state not in "ZX":
            found.append(int(entry.name))
    return found
