"""Whether the counted loss is the plain negative log-probability of a token, from the loss call to the sum.

Two things are told of reached code. `sources`: every call that makes a loss of tokens, `plain` when it is the
library's cross entropy over the columns of the logits, or reads a log-softmax. `changes`: operations on a
value that holds such a loss which leave it no log-probability (`changed`: scaled by a constant, shifted,
clipped) or of which that cannot be said (`open`). Adding up, averaging over counts, casting, slicing, a
factor that is divided out again and the turn from nats to bits are neither. `begin` and `end` are the lines
of the function around it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.loss_changes import change_of
from harness.audit.scans.loss_sources import is_sure, why_not_plain_source
from harness.audit.scans.loss_values import LossValues
from harness.audit.scans.scanned_program import FACTS_AT_MOST
from harness.audit.scans.scope_nodes import FunctionNode, Scope
from harness.audit.scans.written_numbers import undone_scalings

if TYPE_CHECKING:
    from harness.audit.scans.scanned_program import ProgramIndex

_CHANGING = (ast.Assign, ast.AugAssign, ast.BinOp, ast.Call, ast.Subscript)


def scan_loss_arithmetic(index: ProgramIndex) -> dict[str, Any]:
    """`sources` and `changes`; `is_cut` when there are more of them than are kept."""
    losses = LossValues(index)
    sources: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for path, scope in index.reached:
        if id(scope) not in losses.scopes:
            continue
        learns = _only_learned_from(scope, index)
        undone = undone_scalings(index.own.of(scope, ast.BinOp), scope, losses.locals)
        for node in index.own.of(scope, *_CHANGING, is_main=path == index.entry):
            if id(node) in learns:
                continue
            if isinstance(node, ast.Call | ast.Subscript):
                why = why_not_plain_source(node, path, scope, losses)
                if why is not None:
                    sure = isinstance(node, ast.Call) and is_sure(node)
                    sources.append({"plain": not why, "why": why, "sure": sure, **_where(path, scope, node)})
            found = None if id(node) in undone else change_of(node, scope, losses)
            if found is not None:
                changes.append({"kind": found[0], "what": found[1], **_where(path, scope, node)})
    is_cut = len(sources) > 4 * FACTS_AT_MOST or len(changes) > 4 * FACTS_AT_MOST
    return {
        "sources": sources[: 4 * FACTS_AT_MOST],
        "changes": changes[: 4 * FACTS_AT_MOST],
        "is_cut": is_cut or losses.is_cut,
    }


def _where(path: str, scope: Scope, node: ast.AST) -> dict[str, Any]:
    begin, end = 1, 10**9
    if isinstance(scope, FunctionNode):
        begin, end = scope.lineno, scope.end_lineno or scope.lineno
    line = getattr(node, "lineno", begin)
    return {
        "file": path,
        "line": line,
        "last": getattr(node, "end_lineno", line) or line,
        "begin": begin,
        "end": end,
    }


def _only_learned_from(scope: Scope, index: ProgramIndex) -> set[int]:
    """Nodes of statements whose loss goes into a gradient and nowhere else."""
    found: set[int] = set()
    loads: dict[str, list[ast.AST]] = {}
    backward: dict[str, int] = {}
    for call in index.own.called(scope).get("backward", ()):
        if not isinstance(call.func, ast.Attribute):
            continue
        if isinstance(call.func.value, ast.Name):
            backward[call.func.value.id] = backward.get(call.func.value.id, 0) + 1
        else:
            found.update(id(one) for one in index.order.below(call.func.value))
    for name in index.own.of(scope, ast.Name) if backward else ():
        if isinstance(name.ctx, ast.Load):
            loads.setdefault(name.id, []).append(name)
    for node in index.own.of(scope, ast.Assign) if backward else ():
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Name) and target.id in backward:
            inside = {id(one) for one in index.order.below(node.value)}
            others = [one for one in loads.get(target.id, ()) if id(one) not in inside]
            if len(others) == backward[target.id]:
                found |= inside
    return found
