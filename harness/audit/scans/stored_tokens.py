"""Losses that are wiped out where a stored token equals the target, and where stored tokens come from.

The shape: the losses of positions are multiplied by, or set under, a comparison for equality. Which tokens
are compared is the question for a person; the file they were read from is shown beside it.
"""

from __future__ import annotations

import ast
from typing import Any

from harness.audit.scans.local_values import LocalValues
from harness.audit.scans.scanned_program import FACTS_AT_MOST, FunctionNode, ProgramIndex, dotted, own_nodes

_LOSSES = frozenset({"cross_entropy", "nll_loss", "log_softmax", "logsumexp"})
_UNPACK = frozenset({"decompress", "b85decode", "b64decode", "frombuffer"})
_READS = frozenset({"read_bytes", "read", "open", "fromfile"})


def scan_stored_tokens(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` loss-wiped and stored-tokens (packed bytes that are read and become integers)."""
    facts: list[dict[str, Any]] = []
    values = LocalValues()
    for path, scope in index.reached:
        if not isinstance(scope, FunctionNode):
            continue
        losses = _loss_names(scope)
        for node in own_nodes(scope):
            if _wipes(node, losses, scope, values):
                facts.append({"file": path, "line": node.lineno, "kind": "loss-wiped"})  # type: ignore[attr-defined]
        stored = _stored(scope)
        if stored is not None:
            facts.append({"file": path, "line": stored, "kind": "stored-tokens"})
    return facts[:FACTS_AT_MOST]


def _loss_names(scope: FunctionNode) -> set[str]:
    """Names of losses per position: what a loss function without reduction gives."""
    return {
        target.id
        for node in own_nodes(scope)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
        and any(
            isinstance(one, ast.Call) and dotted(one.func).rpartition(".")[2] in _LOSSES
            for one in ast.walk(node.value)
        )
    }


def _wipes(node: ast.AST, losses: set[str], scope: FunctionNode, values: LocalValues) -> bool:
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mult):
        target, decides = node.target, node.value
    elif (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Subscript)
        and isinstance(node.value, ast.Constant)
        and node.value.value == 0
    ):
        target, decides = node.targets[0], node.targets[0].slice
    else:
        return False
    name = target.value if isinstance(target, ast.Subscript) else target
    if not isinstance(name, ast.Name) or name.id not in losses:
        return False
    compared = values.written_out(decides, scope)
    return any(
        isinstance(one, ast.Compare)
        and isinstance(one.ops[0], ast.Eq)
        and not any(isinstance(side, ast.Constant) for side in one.comparators)
        for one in ast.walk(compared)
    )


def _stored(scope: FunctionNode) -> int | None:
    """The line where bytes of a file are read that the same function unpacks into integers."""
    names = {
        dotted(node.func).rpartition(".")[2]: node.lineno
        for node in own_nodes(scope)
        if isinstance(node, ast.Call)
    }
    reads = [line for name, line in names.items() if name in _READS]
    if reads and "frombuffer" in names and ("decompress" in names or "b85decode" in names):
        return min(reads)
    return None
