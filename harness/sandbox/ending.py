"""Why a run ended, before it becomes an outcome."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from harness.sandbox.request import EndKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a run ended and how the command itself did."""

    kind: EndKind
    detail: str
    exit_code: int | None = None
    signal: int | None = None


def ending_of(code: int) -> Ending:
    """Of a command that ended by itself; a negative code is the signal that ended it."""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return Ending(kind=EndKind.SIGNAL, detail=f"ended by {name}", signal=-code)
    return Ending(kind=EndKind.EXITED, detail=f"exit status {code}", exit_code=code)
