"""Facts that a syntax tree gives without interpretation, found inside the guarded child process.

`scan_sources` runs every scan over the sources of one submission. Facts are plain data with `file` and
`line`, bounded in number; rules read them as `case.audit.scans`. A scan that fails costs its own facts only:
its name is then in `not_scanned` with the reason, and the rules that need it are not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.audit.scans.before_the_clock import scan_before_the_clock
from harness.audit.scans.bits_per_byte import scan_bits_per_byte
from harness.audit.scans.byte_counting import scan_byte_counting
from harness.audit.scans.byte_tables import scan_byte_tables
from harness.audit.scans.c_target_gate import scan_c_target_gates
from harness.audit.scans.hidden_code import scan_hidden_code
from harness.audit.scans.loss_arithmetic import scan_loss_arithmetic
from harness.audit.scans.network_calls import scan_network_calls
from harness.audit.scans.previous_token import scan_previous_token
from harness.audit.scans.scanned_program import ProgramIndex, ScannedProgram
from harness.audit.scans.seeds import scan_seeds
from harness.audit.scans.stored_targets import scan_stored_targets
from harness.audit.scans.training_reads import scan_training_reads
from harness.audit.scans.validation_caps import scan_validation_caps
from harness.audit.scans.validation_choices import scan_validation_choices
from harness.audit.scans.validation_order import scan_validation_order
from harness.audit.scans.validation_parts import scan_validation_parts
from harness.audit.scans.validation_stored import scan_validation_stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.program import Program

SCANS: dict[str, Callable[[ProgramIndex], Any]] = {
    "before_the_clock": scan_before_the_clock,
    "byte_tables": scan_byte_tables,
    "byte_counting": scan_byte_counting,
    "bits_per_byte": scan_bits_per_byte,
    "c_target_gates": scan_c_target_gates,
    "hidden_code": scan_hidden_code,
    "loss_arithmetic": scan_loss_arithmetic,
    "network_calls": scan_network_calls,
    "previous_token": scan_previous_token,
    "seeds": scan_seeds,
    "stored_targets": scan_stored_targets,
    "training_reads": scan_training_reads,
    "validation_caps": scan_validation_caps,
    "validation_choices": scan_validation_choices,
    "validation_order": scan_validation_order,
    "validation_parts": scan_validation_parts,
    "validation_stored": scan_validation_stored,
}


def scan_sources(program: Program) -> dict[str, Any]:
    """The facts of every scan by its name, `not_scanned` (name and reason), and `scanned` files."""
    index = ProgramIndex(ScannedProgram(program))
    facts: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name, scan in SCANS.items():
        try:
            facts[name] = scan(index)
        except Exception as error:  # noqa: BLE001,RUF100 - our own bug must not cost the other scans
            failed[name] = f"{type(error).__name__}: {error}"[:300]
    return {**facts, "not_scanned": failed, "scanned": sorted(index.trees)}
