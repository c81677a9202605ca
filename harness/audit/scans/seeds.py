"""How a script seeds its random numbers: not at all, with a constant, or with the seed it is given."""

from __future__ import annotations

import ast
from typing import Any

from harness.audit.scans.scanned_program import ProgramIndex, dotted

_SEEDS_TORCH = frozenset({"manual_seed", "manual_seed_all", "seed_everything", "set_seed", "PRNGKey"})
_SEEDS = _SEEDS_TORCH | {"seed"}


def scan_seeds(index: ProgramIndex) -> dict[str, Any]:
    """`calls` (each constant or not) that seed the generator of the network, `reads` of a setting SEED."""
    calls: list[dict[str, Any]] = []
    reads: list[dict[str, Any]] = []
    for path, scope in index.reached:
        for read in index.own.of(scope, ast.Constant):
            if read.value == "SEED" and len(reads) < 4:
                reads.append({"file": path, "line": read.lineno})
        if not _SEEDS & index.own.called(scope).keys():
            continue
        for node in index.own.of(scope, ast.Call):
            if len(calls) >= 12:
                break
            parts = dotted(node.func).split(".")
            is_global = parts[-1] in _SEEDS_TORCH and parts[0] in {"torch", "mx", "jax", parts[-1]}
            if is_global or dotted(node.func) in {"mx.random.seed", "mlx.core.random.seed"}:
                constant = bool(node.args) and isinstance(node.args[0], ast.Constant)
                calls.append({"file": path, "line": node.lineno, "constant": constant})
    return {"calls": calls, "reads": reads}
