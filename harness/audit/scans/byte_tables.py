"""Functions that make a table of bytes per token out of a tokenizer, and what they make of sample tokens.

A function is recognised by asking a tokenizer for pieces. Its fingerprint is compared with accepted ones by
the rules; the table it builds is computed for ten sample tokens, so that an unknown variant is judged by what
it counts and not by how it is written.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
from typing import TYPE_CHECKING, Any

from harness.audit.scans.fingerprint import fingerprint
from harness.audit.scans.local_values import module_constants
from harness.audit.scans.sample_evaluation import NotEvaluable, SampleRun
from harness.audit.scans.sample_tokenizer import SIZE, TOKENS, SampleTokenizer, table_role
from harness.audit.scans.scanned_program import FACTS_AT_MOST, FunctionNode, ProgramIndex, own_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASKS = frozenset({"id_to_piece", "IdToPiece", "is_byte", "IsByte"})


def builders(index: ProgramIndex) -> Iterator[tuple[str, FunctionNode]]:
    """Reached functions that ask a tokenizer for the pieces of its tokens."""
    for path, scope in index.reached:
        if isinstance(scope, FunctionNode) and _asking(scope):
            yield path, scope


def scan_byte_tables(index: ProgramIndex) -> list[dict[str, Any]]:
    """One fact for every reached builder: its digest and the tables it fills, by what they hold."""
    facts: list[dict[str, Any]] = []
    for path, function in builders(index):
        if len(facts) >= FACTS_AT_MOST:
            break
        constants = module_constants(index.trees[path])
        tables, result = evaluated(function, {name: one.value for name, one in constants.items()})
        facts.append(
            {
                "file": path,
                "line": function.lineno,
                "name": function.name,
                "digest": None if _is_redefined(function, path, index) else fingerprint(function, constants),
                "evaluated": bool(tables),
                "tables": tables,
                "returns": result,
                "divides": _divides(function),
            }
        )
    return facts


def evaluated(
    function: FunctionNode, constants: dict[str, Any] | None = None
) -> tuple[list[dict[str, Any]], list[str | None]]:
    """Tables of the function after it ran on the sample tokenizer, and the roles of what it returns."""
    run = SampleRun({**(constants or {}), **_arguments(function)})
    with contextlib.suppress(NotEvaluable):
        run.run(function.body)
    tables: list[dict[str, Any]] = []
    for name, held in sorted(run.names.items()):
        if not isinstance(held, list):
            continue
        value = [len(one) if isinstance(one, bytes) else one for one in held]
        role = table_role(value)
        if role is not None:
            tables.append({"role": role, "line": _line_of(function, name), "faults": _faults(role, value)})
    result = run.result if isinstance(run.result, list) else [run.result]
    if len(result) == SIZE and table_role(result) is not None:
        result = [result]
    roles = [table_role(one) if isinstance(one, list) else None for one in result[:12]]
    return tables, roles if any(roles) else []


def _asking(function: FunctionNode) -> list[ast.Call]:
    return [
        node
        for node in own_nodes(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ASKS
    ]


def _arguments(function: FunctionNode) -> dict[str, Any]:
    """The sample tokenizer for the parameter that is asked for pieces, its size for all others."""
    asked = {call.func.value.id for call in _asking(function) if _is_named(call)}  # type: ignore[attr-defined]
    parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {one.arg: SampleTokenizer() if one.arg in asked else SIZE for one in parameters} | {
        name: SampleTokenizer() for name in asked
    }


def _is_named(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)


def _line_of(function: FunctionNode, name: str) -> int:
    """The line that fills the table: the last store into an item of it, else its first assignment."""
    lines = [
        node.lineno
        for node in own_nodes(function)
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
    ]
    return max(lines, default=function.lineno)


def _faults(role: str, table: list[Any]) -> list[dict[str, Any]]:
    """Sample tokens whose bytes are counted otherwise than the published script does."""
    if role != "bytes":
        return []
    faults: list[dict[str, Any]] = []
    for token, value in zip(TOKENS, table, strict=False):
        with_space = token.bytes + 1
        if value == token.bytes:
            continue
        if token.leads and value == with_space:
            kind = "space-inside"  # right only where nothing else adds the space, and never after a boundary
        elif token.leads:
            kind = "space-mark"
        elif token.kind in {"control", "unknown", "unused"}:
            kind = "boundary"
        else:
            kind = "byte" if token.kind == "byte" else "other"
        faults.append({"kind": kind, "piece": token.piece, "counts": value, "should": token.bytes})
    return faults


def _is_redefined(function: FunctionNode, path: str, index: ProgramIndex) -> bool:
    """Whether a name of the language that the function reads means something else in this file."""
    read = {
        one.id for one in own_nodes(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)
    }
    ours = read & set(dir(builtins))
    given = {name for name in ours if any(one.file == path for one in index.by_name.get(name, ()))}
    tree = index.trees[path]
    stored = (
        one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    )
    return bool(given or ours & set(stored) or ours & set(index.aliases(path)))


def _divides(function: FunctionNode) -> bool:
    """Whether the function itself turns nats into bits, so that the table is a denominator there."""
    return any(
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and "log" in ast.dump(node)
        for node in own_nodes(function)
    )
