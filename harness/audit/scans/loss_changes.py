"""What an operation does to a loss that goes into it: nothing, something that leaves no loss, or unknown."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.scans.scanned_program import dotted
from harness.audit.scans.written_numbers import is_step_of_slices, is_unit, number

if TYPE_CHECKING:
    from harness.audit.scans.loss_values import LossValues
    from harness.audit.scans.scope_nodes import Scope

_KEEPS = frozenset(
    {
        "to",
        "double",
        "float",
        "half",
        "bfloat16",
        "item",
        "sum",
        "mean",
        "nanmean",
        "nansum",
        "cumsum",
        "detach",
        "cpu",
        "cuda",
        "numpy",
        "tolist",
        "clone",
        "contiguous",
        "type",
        "astype",
        "reshape",
        "view",
        "flatten",
        "ravel",
        "squeeze",
        "unsqueeze",
        "permute",
        "transpose",
        "expand",
        "expand_as",
        "repeat",
        "add_",
        "copy_",
        "zero_",
        "append",
        "extend",
        "cat",
        "concat",
        "concatenate",
        "stack",
        "tensor",
        "as_tensor",
        "array",
        "asarray",
        "from_numpy",
        "split",
        "chunk",
        "unbind",
        "all_reduce",
        "all_gather",
        "all_gather_object",
        "reduce",
        "gather_object",
        "broadcast",
        "broadcast_object_list",
        "items",
        "values",
        "get",
        "pop",
        "setdefault",
        "zip",
        "enumerate",
        "list",
        "tuple",
        "dict",
        "str",
        "reversed",
        "isfinite",
        "isnan",
        "isinstance",
        "print",
        "format",
        "join",
        "numel",
        "size",
        "dim",
        "backward",
        "len",
        "fsum",
        "record_stream",
        "masked_select",
        "narrow",
        "synchronize",
        "barrier",
        "range",
        "id",
        "repr",
        "write",
        "info",
        "debug",
        "flush",
    }
)
_CLIPS = frozenset(
    {
        "clamp",
        "clip",
        "clamp_",
        "clamp_max",
        "clamp_min",
        "minimum",
        "maximum",
        "fmin",
        "fmax",
        "sqrt",
        "square",
        "pow",
        "tanh",
        "sigmoid",
        "relu",
        "softplus",
        "mul_",
        "sub_",
        "pow_",
        "sqrt_",
    }
)
_COUNTS = frozenset({"numel", "size", "len", "sum", "item", "count_nonzero", "nelement", "bincount", "shape"})
_DEPTH = 6


def change_of(node: ast.AST, scope: Scope, losses: LossValues) -> tuple[str, str] | None:
    """What an operation does to a loss that goes into it, None when it leaves it what it is."""
    if isinstance(node, ast.BinOp):
        left, right = losses.holds(node.left, scope), losses.holds(node.right, scope)
        if left != right:
            return _of_terms(node.op, node.right if left else node.left, left, scope, losses)
        if left and not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            return "open", "combined with another loss"
    if isinstance(node, ast.AugAssign) and losses.holds(node.target, scope):
        if losses.holds(node.value, scope):
            return None if isinstance(node.op, ast.Add | ast.Div) else ("open", "combined with another loss")
        return _of_terms(node.op, node.value, True, scope, losses)
    if isinstance(node, ast.Call):
        return _of_call(node, scope, losses)
    if isinstance(node, ast.Assign) and any(isinstance(one, ast.Attribute) for one in node.targets):
        return ("open", "kept in an attribute") if losses.holds(node.value, scope) else None
    return None


def _of_terms(
    op: ast.operator, other: ast.expr, loss_first: bool, scope: Scope, losses: LossValues
) -> tuple[str, str] | None:
    value = number(losses.locals.written_out(other, scope))
    if isinstance(op, ast.Add | ast.Sub):
        if value == 0:
            return None
        return ("changed", "shifted by a constant") if value is not None else ("open", "added to something")
    if isinstance(op, ast.Div) and value is None:
        return None if loss_first else ("open", "divided by")
    if isinstance(op, ast.Mult | ast.Div):
        if value is not None:
            slices = losses.index.own.of(scope, ast.Slice)
            is_count = isinstance(op, ast.Mult) and is_step_of_slices(value, slices, scope, losses.locals)
            return None if is_count or is_unit(abs(value)) else ("changed", f"scaled by {value:g}")
        return None if _is_count(other, scope, losses, 0) else ("open", "weighted")
    return "open", "changed"


def _of_call(node: ast.Call, scope: Scope, losses: LossValues) -> tuple[str, str] | None:
    name = dotted(node.func).rpartition(".")[2] or getattr(node.func, "attr", "")
    given = [*node.args, *(word.value for word in node.keywords)]
    if isinstance(node.func, ast.Attribute):
        given.append(node.func.value)
    if not any(losses.holds(one, scope) for one in given):
        return None
    if losses.is_source(node, scope) or losses.known(node):
        return None
    if name in _CLIPS:
        return "changed", f"given to {name}"
    if name in _KEEPS or name in {"min", "max"} or id(node) in losses.unused:
        return None  # the lower of two losses is stated by the rules on choices
    return "open", f"given to {name or 'a function'}"


def _is_count(node: ast.expr, scope: Scope, losses: LossValues, depth: int) -> bool:
    """Whether a factor is a number of tokens or bytes, a mask, or a quotient of such."""
    if depth > _DEPTH:
        return False
    if isinstance(node, ast.BinOp):
        sides = [node.left, node.right]
        return all(number(one) is not None or _is_count(one, scope, losses, depth + 1) for one in sides)
    if isinstance(node, ast.Call):
        last = dotted(node.func).rpartition(".")[2] or getattr(node.func, "attr", "")
        inner = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        return last in _COUNTS or (
            last in {"float", "int", "to", "double", "max", "clamp", "clamp_min"}
            and any(_is_count(one, scope, losses, depth + 1) for one in inner)
        )
    if isinstance(node, ast.Subscript):
        return _is_count(node.value, scope, losses, depth + 1)
    if isinstance(node, ast.Attribute):
        return node.attr in _COUNTS
    if isinstance(node, ast.Compare):
        return True
    if isinstance(node, ast.Name):
        values = losses.stored(scope, node.id)
        return bool(values) and all(
            number(one) == 0 or losses.is_empty_sum(one) or _is_count(one, scope, losses, depth + 1)
            for one in values
        )
    return False
