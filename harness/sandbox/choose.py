"""Which sandbox this machine gets: bubblewrap, else Landlock, else a reason and a way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import SetupError, UsageError
from harness.sandbox.bubblewrap import INSTALL_ADVICE, BubblewrapSandbox
from harness.sandbox.confined import BareRun, LandlockSandbox
from harness.sandbox.request import SandboxRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.sandbox.request import Sandbox

SANDBOX_NAMES = ("auto", "bwrap", "landlock", "none")
_MAKERS: Mapping[str, Callable[[], Sandbox]] = {
    "bwrap": BubblewrapSandbox,
    "landlock": LandlockSandbox,
    "none": BareRun,
}


def choose_sandbox(name: str, makers: Mapping[str, Callable[[], Sandbox]] = _MAKERS) -> Sandbox:
    """The named sandbox, tried out; `auto` takes the first of bwrap and landlock that works.

    `none` is never taken by itself. Raises `SetupError` (the machine's fault, never a submission's) when what
    was asked for does not work here, with the reason and what to install; `UsageError` for an unknown name.
    """
    if name not in SANDBOX_NAMES:
        raise UsageError(f"unknown sandbox {name!r}; one of {', '.join(SANDBOX_NAMES)}.")
    if name != "auto":
        return _tried(makers[name])
    reasons: list[str] = []
    for candidate in ("bwrap", "landlock"):
        try:
            return _tried(makers[candidate])
        except SetupError as error:
            reasons.append(f"{candidate}: {error}")
    raise SetupError(
        "this machine has no working sandbox for untrusted code. " + " ".join(reasons) + f" {INSTALL_ADVICE} "
        "`--sandbox none` runs without one; the record says so and cannot count as a verified run."
    )


def _tried(make: Callable[[], Sandbox]) -> Sandbox:
    sandbox = make()
    sandbox.protections(SandboxRequest(command=("true",), environment={}))
    return sandbox
