"""Where a network adds the position before to a position, and whether document starts are left out.

The shape: along the sequence, `x[:, 1:]` and a multiple of `x[:, :-1]` are added, or `x` and a copy of it moved
by one (`cat` of a start and `x[:, :-1]`). Something in the added term must be zero at the first token of a
document: a comparison of token ids. Moves of integer ids (hashed bigrams) are not meant.
"""

from __future__ import annotations

import ast
from typing import Any

from harness.audit.scans.scanned_program import (
    FACTS_AT_MOST,
    FunctionNode,
    ProgramIndex,
    dotted,
    own_nodes,
)
from harness.audit.scans.setting_expressions import Settings

_VARLEN = frozenset({"flash_attn_varlen_func", "flash_attn_varlen_qkvpacked_func", "create_block_mask"})


def scan_shifted_mixing(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` mixing (with `masked`) and document-attention, reached functions only."""
    facts: list[dict[str, Any]] = []
    settings = Settings(index)
    for path, scope in index.reached:
        if not isinstance(scope, FunctionNode):
            continue
        assigned = _assigned(scope)
        reported: set[int] = set()
        for node in own_nodes(scope):
            if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in _VARLEN:
                facts.append({"file": path, "line": node.lineno, "kind": "document-attention"})
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and id(node) not in reported:
                terms = _mixed_terms(node, assigned)
                if terms is None:
                    continue
                reported.update(id(one) for one in ast.walk(node))
                masked = any(_compares(term, assigned) for term in terms)
                tests = [
                    settings.expression(one.test, scope)
                    for one in own_nodes(scope)
                    if isinstance(one, ast.If) and any(node in set(ast.walk(part)) for part in one.body)
                ]
                facts.append(
                    {"file": path, "line": node.lineno, "kind": "mixing", "masked": masked, "tests": tests}
                )
    return facts[:FACTS_AT_MOST]


def _mixed_terms(node: ast.BinOp, assigned: dict[str, list[ast.expr]]) -> list[ast.expr] | None:
    """The terms of a sum of a thing and its own past, when at least one is weighted; None for any other."""
    terms: list[ast.expr] = []
    stack: list[ast.expr] = [node]
    while stack and len(terms) < 12:
        one = stack.pop()
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Add):
            stack += [one.left, one.right]
        else:
            terms.append(one)
    weighted = any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mult) for one in terms)
    for place, term in enumerate(terms):
        pasts = _pasts(term, assigned)
        for other in terms[:place] + terms[place + 1 :]:
            if weighted and pasts & _presents(other):
                return [term]
    return None


def _pasts(term: ast.expr, assigned: dict[str, list[ast.expr]]) -> set[str]:
    """Names whose `[:, :-1]` is in a term, directly or in a name that was made of it."""
    found: set[str] = set()
    for node in ast.walk(term):
        expressions = assigned.get(node.id, []) if isinstance(node, ast.Name) else []
        for expression in [node, *expressions]:
            for one in ast.walk(expression) if expression is not node else [node]:
                if isinstance(one, ast.Subscript) and _is_past(one.slice) and dotted(one.value):
                    found.add(dotted(one.value))
    return found


def _presents(term: ast.expr) -> set[str]:
    """Names that a term takes at the position itself: `x[:, 1:]` or `x`."""
    found: set[str] = set()
    for node in ast.walk(term):
        if isinstance(node, ast.Subscript) and _is_present(node.slice):
            found.add(dotted(node.value))
        elif isinstance(node, ast.Name):
            found.add(node.id)
    inside = {
        id(node.value)
        for node in ast.walk(term)
        if isinstance(node, ast.Subscript) and not _is_present(node.slice)
    }
    bare = {node.id for node in ast.walk(term) if isinstance(node, ast.Name) and id(node) not in inside}
    return found & (bare | found) if not inside else bare


def _is_past(node: ast.expr) -> bool:
    """`[:, :-1]`: everything but the last position."""
    part = _sequence_part(node)
    return (
        isinstance(part, ast.Slice)
        and part.lower is None
        and isinstance(part.upper, ast.UnaryOp)
        and isinstance(part.upper.operand, ast.Constant)
        and part.upper.operand.value == 1
    )


def _is_present(node: ast.expr) -> bool:
    """`[:, 1:]`: everything but the first position."""
    part = _sequence_part(node)
    return (
        isinstance(part, ast.Slice)
        and part.upper is None
        and isinstance(part.lower, ast.Constant)
        and part.lower.value == 1
    )


def _sequence_part(node: ast.expr) -> ast.expr | None:
    """The part of an index that runs along the sequence: the second one, behind the batch."""
    if isinstance(node, ast.Tuple) and 2 <= len(node.elts) <= 4:
        return node.elts[1]
    return None


def _compares(term: ast.expr, assigned: dict[str, list[ast.expr]]) -> bool:
    """Whether a comparison decides about a term, through up to three names."""
    todo: list[tuple[ast.expr, int]] = [(term, 0)]
    seen: set[str] = set()
    while todo:
        expression, depth = todo.pop()
        for node in ast.walk(expression):
            if isinstance(node, ast.Compare):
                return True
            if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in {
                "eq",
                "ne",
                "not_equal",
            }:
                return True
            if isinstance(node, ast.Name) and node.id not in seen and depth < 3:
                seen.add(node.id)
                todo += [(value, depth + 1) for value in assigned.get(node.id, [])[:6]]
    return False


def _assigned(scope: FunctionNode) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in own_nodes(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
    return found
