"""Where a loss of tokens is made, and whether it is the plain cross entropy over all columns."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.audit.scans.loss_values import CROSS_ENTROPY, LossValues, is_read_of_probability
from harness.audit.scans.scanned_program import dotted, full_name
from harness.audit.scans.written_numbers import number
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from harness.audit.scans.scope_nodes import Scope

_FUNCTIONAL = ("torch.nn.functional.", "torch.nn.")
_NARROWS = frozenset(
    {
        "gather",
        "index_select",
        "topk",
        "masked_select",
        "take_along_dim",
        "masked_fill",
        "masked_fill_",
        "scatter",
        "scatter_add",
        "scatter_",
        "where",
        "sort",
        "unique",
    }
)
_TAKES = {"reduction", "input", "target", "ignore_index", "label_smoothing", "weight"}


def why_not_plain_source(
    node: ast.Call | ast.Subscript, path: str, scope: Scope, losses: LossValues
) -> str | None:
    """Why a loss call is not plain, "" for a plain one, None for anything else."""
    if is_read_of_probability(node, scope, losses.locals):
        return ""
    if not isinstance(node, ast.Call):
        return None
    name = full_name(node.func, losses.index.aliases(path))
    last = name.rpartition(".")[2]
    if last not in CROSS_ENTROPY:
        return None
    if not name.startswith(_FUNCTIONAL) and name != "mlx.nn.losses.cross_entropy":
        return "which function this is was not seen"
    words = {word.arg: word.value for word in node.keywords}
    if (
        None in words
        or set(words) - _TAKES
        or len(node.args) > 2
        or any(isinstance(one, ast.Starred) for one in node.args)
    ):
        return "its arguments are not all known"
    given = node.args[0] if node.args else words.get("input")
    if given is None:
        return "its arguments are not all known"
    if not _is_number(words.get("label_smoothing"), lambda value: value == 0):
        return "labels are smoothed"
    if words.get("weight") is not None and not _is_none(words["weight"]):
        return "tokens are weighted"
    if not _is_number(words.get("ignore_index"), lambda value: value < 0):
        return "tokens are left out"
    whole = losses.locals.written_out(given, scope)
    if last == "nll_loss" and not any(
        isinstance(one, ast.Call) and dotted(one.func).rpartition(".")[2] == "log_softmax"
        for one in nodes_below(whole)
    ):
        return "the values it reads were not seen to be normalised"
    return "the columns of the logits are chosen" if _narrowed(whole) else ""


def is_sure(node: ast.Call) -> bool:
    """Whether what keeps the call from being plain stands there as a constant."""
    given = [word.value for word in node.keywords if word.arg in {"label_smoothing", "ignore_index"}]
    return bool(given) and any(number(one) is not None for one in given)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_number(node: ast.expr | None, holds: Any) -> bool:
    """Whether an argument is absent or a number of which `holds` is true."""
    if node is None:
        return True
    value = number(node)
    return value is not None and bool(holds(value))


def _narrowed(logits: ast.expr) -> bool:
    for node in nodes_below(logits):
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in _NARROWS:
            return True
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            last = node.slice.elts[-1] if node.slice.elts else None
            if not isinstance(last, ast.Slice | ast.Constant | ast.UnaryOp) and len(node.slice.elts) > 2:
                return True
    return False
