"""Where a token's loss is set to nothing because a stored token equals the target.

The shape: losses per token (`reduction="none"`), changed by a factor or a choice that comes from comparing
the target argument of that loss with another tensor. Comparing with a constant is padding and stays silent,
and so does a tensor made from logits, which is a guess and no store.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.scanned_program import FACTS_AT_MOST
from harness.audit.scans.scope_nodes import FunctionNode, called_name
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.scans.scanned_program import ProgramIndex

_ROUNDS = 4
_GUESSES = {"argmax", "topk", "max", "multinomial", "sample", "generate"}
_MEASURES = {"numel", "shape", "size", "device", "dtype", "ndim"}
_LOSSES = {"cross_entropy", "nll_loss"}


def scan_stored_targets(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts with file, line (of the changed loss) and compared (the line of the comparison)."""
    found: list[dict[str, Any]] = []
    for path, scope in index.reached:
        if isinstance(scope, FunctionNode):
            found.extend({"file": path, **fact} for fact in _in_function(scope, index))
    return found[:FACTS_AT_MOST]


def _in_function(scope: FunctionNode, index: ProgramIndex) -> Iterator[dict[str, int]]:
    if not _LOSSES & index.own.called(scope).keys():
        return
    made: dict[str, list[ast.expr]] = {}
    for node in index.own.of(scope, ast.Assign):
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            made.setdefault(node.targets[0].id, []).append(node.value)
    losses: dict[str, set[str]] = {}
    for name, values in made.items():
        for value in values:
            losses.setdefault(name, set()).update(_targets(value))
    if not any(losses.values()):
        return
    for change in index.own.of(scope, ast.AugAssign, ast.Assign):
        changed = _changed(change)
        if changed is None:
            continue
        name, factor = changed
        compared = _comparison(factor, losses.get(name, set()), made)
        if compared is not None:
            yield {"line": change.lineno, "compared": compared.lineno}


def _targets(value: ast.expr) -> set[str]:
    """The names in the target argument of a loss per token, none for other values."""
    for call in nodes_below(value):
        if not isinstance(call, ast.Call) or called_name(call) not in _LOSSES:
            continue
        kinds = [key.value for key in call.keywords if key.arg == "reduction"]
        per_token = any(isinstance(kind, ast.Constant) and kind.value == "none" for kind in kinds)
        targets = call.args[1:2] or [key.value for key in call.keywords if key.arg == "target"]
        if per_token and targets:
            return _names(targets[0])
    return set()


def _changed(node: ast.AugAssign | ast.Assign) -> tuple[str, ast.expr] | None:
    """The loss that a statement scales or replaces, and by what."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mult):
        target = node.target.value if isinstance(node.target, ast.Subscript) else node.target
        return (target.id, node.value) if isinstance(target, ast.Name) else None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        first = node.targets[0]
        target = first.value if isinstance(first, ast.Subscript) else first
        if isinstance(target, ast.Name) and target.id in _names(node.value):
            return target.id, node.value
        if isinstance(first, ast.Subscript) and isinstance(target, ast.Name):
            return target.id, first.slice  # loss[mask] = 0
    return None


def _comparison(factor: ast.expr, targets: set[str], made: dict[str, list[ast.expr]]) -> ast.Compare | None:
    """An equality behind the factor, of the loss's targets with a tensor that is no guess."""
    if not targets:
        return None
    waiting, seen = [factor], set[str]()
    for _ in range(_ROUNDS):
        for expression in waiting:
            for node in nodes_below(expression):
                if isinstance(node, ast.Compare) and _is_store(node, targets, made):
                    return node
        names = {name for expression in waiting for name in _names(expression)} - seen
        seen |= names
        waiting = [value for name in sorted(names) for value in made.get(name, ())]
    return None


def _is_store(node: ast.Compare, targets: set[str], made: dict[str, list[ast.expr]]) -> bool:
    if not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return False
    for one, other in ((node.left, node.comparators[0]), (node.comparators[0], node.left)):
        behind = _behind(other, made)
        is_tensor = any(isinstance(each, ast.Subscript) for each in behind)
        if _names_behind(one, made) & targets and is_tensor and not _names_behind(other, made) & targets:
            return not any(
                isinstance(node, ast.Call) and called_name(node) in _GUESSES
                for each in behind
                for node in nodes_below(each)
            )
    return False


def _behind(node: ast.expr, made: dict[str, list[ast.expr]]) -> list[ast.AST]:
    """All nodes of an expression and of what its names were made from, one step back."""
    every = [node, *(value for name in sorted(_names(node)) for value in made.get(name, ())[:4])]
    return [child for each in every for child in nodes_below(each)]


def _names_behind(node: ast.expr, made: dict[str, list[ast.expr]]) -> set[str]:
    """Names whose values are inside; `y.numel()` is no value of y."""
    behind = _behind(node, made)
    measured = {
        id(each.value) for each in behind if isinstance(each, ast.Attribute) and each.attr in _MEASURES
    }
    return {each.id for each in behind if isinstance(each, ast.Name) and id(each) not in measured}


def _names(node: ast.AST) -> set[str]:
    return {child.id for child in nodes_below(node) if isinstance(child, ast.Name)}
