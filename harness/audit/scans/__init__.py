"""Facts that a syntax tree gives without interpretation, found inside the guarded child process.

`scan_sources` runs every scan over the sources of one submission. Facts are plain data with `file` and `line`,
bounded in number; rules read them as `case.audit.scans`. A scan that fails costs its own facts only: its name
is then in `not_scanned` with the reason, and the rules that need it are not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.audit.scans.byte_tables import scan_byte_tables
from harness.audit.scans.previous_token import scan_previous_token
from harness.audit.scans.scanned_program import ProgramIndex, ScannedProgram
from harness.audit.scans.stored_targets import scan_stored_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.program import Program

SCANS: dict[str, Callable[[ProgramIndex], Any]] = {
    "byte_tables": scan_byte_tables,
    "previous_token": scan_previous_token,
    "stored_targets": scan_stored_targets,
}


def scan_sources(program: Program) -> dict[str, Any]:
    """The facts of every scan by its name, and `not_scanned`."""
    index = ProgramIndex(ScannedProgram(program))
    facts: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name, scan in SCANS.items():
        try:
            facts[name] = scan(index)
        except Exception as error:  # noqa: BLE001,RUF100 - our own bug must not cost the other scans
            failed[name] = f"{type(error).__name__}: {error}"[:300]
    return {**facts, "not_scanned": failed}
