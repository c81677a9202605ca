"""Whether the counted loss is the plain negative log-probability of a token, from the loss call to the sum.

Two things are told of reached code. `sources`: every call that makes a loss of tokens, `plain` when it is the
library's cross entropy over the columns of the logits, or reads a log-softmax. `changes`: operations on a
value that holds such a loss which leave it no log-probability (`changed`: scaled by a constant, shifted,
clipped) or of which that cannot be said (`open`). Adding up, averaging over counts, casting, slicing and the
turn from nats to bits are neither. `begin` and `end` are the lines of the function around it.
"""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING, Any

from harness.audit.scans.loss_values import CROSS_ENTROPY, LossValues, is_read_of_probability
from harness.audit.scans.scanned_program import FACTS_AT_MOST, dotted, full_name
from harness.audit.scans.scope_nodes import FunctionNode, Scope
from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from harness.audit.scans.scanned_program import ProgramIndex

_FUNCTIONAL = ("torch.nn.functional.", "torch.nn.")
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
_CHANGING = (ast.Assign, ast.AugAssign, ast.BinOp, ast.Call, ast.Subscript)
_DEPTH = 6


def scan_loss_arithmetic(index: ProgramIndex) -> dict[str, Any]:
    """`sources` and `changes`; `is_cut` when there are more of them than are kept."""
    losses = LossValues(index)
    sources: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for path, scope in index.reached:
        if id(scope) not in losses.scopes:
            continue
        learns = _only_learned_from(scope, index)
        for node in index.own.of(scope, *_CHANGING, is_main=path == index.entry):
            if id(node) in learns:
                continue
            if isinstance(node, ast.Call | ast.Subscript):
                why = _source(node, path, scope, losses)
                if why is not None:
                    sure = isinstance(node, ast.Call) and _is_sure(node)
                    sources.append({"plain": not why, "why": why, "sure": sure, **_where(path, scope, node)})
            found = _change(node, scope, losses)
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


def _source(node: ast.Call | ast.Subscript, path: str, scope: Scope, losses: LossValues) -> str | None:
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


def _is_sure(node: ast.Call) -> bool:
    """Whether what keeps the call from being plain stands there as a constant."""
    given = [word.value for word in node.keywords if word.arg in {"label_smoothing", "ignore_index"}]
    return bool(given) and any(_constant(one) is not None for one in given)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_number(node: ast.expr | None, holds: Any) -> bool:
    """Whether an argument is absent or a number of which `holds` is true."""
    if node is None:
        return True
    value = _constant(node)
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


def _change(node: ast.AST, scope: Scope, losses: LossValues) -> tuple[str, str] | None:
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
    value = _constant(losses.locals.written_out(other, scope))
    if isinstance(op, ast.Add | ast.Sub):
        if value == 0:
            return None
        return ("changed", "shifted by a constant") if value is not None else ("open", "added to something")
    if isinstance(op, ast.Div) and value is None:
        return None if loss_first else ("open", "divided by")
    if isinstance(op, ast.Mult | ast.Div):
        if value is not None:
            return None if _is_unit(abs(value)) else ("changed", f"scaled by {value:g}")
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
        return all(_constant(one) is not None or _is_count(one, scope, losses, depth + 1) for one in sides)
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
            _constant(one) == 0 or losses.is_empty_sum(one) or _is_count(one, scope, losses, depth + 1)
            for one in values
        )
    return False


def _is_unit(value: float) -> bool:
    """One, or what turns nats into bits and back."""
    return any(math.isclose(value, unit, rel_tol=1e-6) for unit in (1.0, math.log(2), 1 / math.log(2)))


def _constant(node: ast.expr, depth: int = 0) -> float | None:
    """The number an expression of constants comes to."""
    if depth > _DEPTH:
        return None
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            return None
        return float(node.value) if abs(node.value) < 1e18 else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand, depth + 1)
        return None if value is None else -value
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        value, name = _constant(node.args[0], depth + 1), dotted(node.func).rpartition(".")[2]
        if value is not None and name in {"log", "float", "tensor", "float64"}:
            return (math.log(value) if value > 0 else None) if name == "log" else value
    if isinstance(node, ast.BinOp):
        left, right = _constant(node.left, depth + 1), _constant(node.right, depth + 1)
        if left is not None and right is not None:
            if isinstance(node.op, ast.Mult):
                return left * right
            if isinstance(node.op, ast.Div) and right:
                return left / right
            if isinstance(node.op, ast.Sub | ast.Add):
                return left - right if isinstance(node.op, ast.Sub) else left + right
    return None


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
