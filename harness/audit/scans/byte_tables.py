"""Functions that make a table of bytes per token out of a tokenizer, and what they make of sample tokens.

A function is recognised by asking a tokenizer for pieces. Its fingerprint is compared with accepted ones by
the rules; the table it builds is computed for ten sample tokens, so that an unknown variant is judged by what
it counts and not by how it is written.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
from dataclasses import dataclass
from typing import Any

from harness.audit.scans.fingerprint import fingerprint
from harness.audit.scans.local_values import module_constants
from harness.audit.scans.sample_evaluation import NotEvaluable, SampleRun
from harness.audit.scans.sample_tokenizer import SIZE, TOKENS, SampleTokenizer, table_role
from harness.audit.scans.scanned_program import FACTS_AT_MOST, ProgramIndex
from harness.audit.scans.scope_nodes import FunctionNode

_BUILDERS_AT_MOST = 400  # each may take all steps of an evaluation; scripts have one or two
_ASKS = frozenset({"id_to_piece", "IdToPiece", "is_byte", "IsByte"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """A reached function that asks a tokenizer for pieces, and what it made of the sample tokens."""

    file: str
    function: FunctionNode
    tables: list[dict[str, Any]]
    returns: list[str | None]


def builders(index: ProgramIndex) -> list[Builder]:
    """The builders of a program, each evaluated once."""
    return index.once("builders", lambda: _found_builders(index))


def _found_builders(index: ProgramIndex) -> list[Builder]:
    found: list[Builder] = []
    for path, scope in index.reached:
        if not isinstance(scope, FunctionNode) or len(found) >= _BUILDERS_AT_MOST:
            continue
        asking = _asking(scope, index)
        if asking:
            constants = {name: one.value for name, one in module_constants(path, index).items()}
            tables, result = _evaluated(scope, asking, constants, index)
            found.append(Builder(file=path, function=scope, tables=tables, returns=result))
    return found


def scan_byte_tables(index: ProgramIndex) -> list[dict[str, Any]]:
    """One fact for every reached builder: its digest and the tables it fills, by what they hold."""
    facts: list[dict[str, Any]] = []
    for builder in builders(index)[:FACTS_AT_MOST]:
        path, function = builder.file, builder.function
        constants = module_constants(path, index)
        facts.append(
            {
                "file": path,
                "line": function.lineno,
                "name": function.name,
                "digest": None if _is_redefined(function, path, index) else fingerprint(function, constants),
                "evaluated": bool(builder.tables),
                "tables": builder.tables,
                "returns": builder.returns,
                "divides": _divides(function, index),
            }
        )
    return facts


def _evaluated(
    function: FunctionNode, asking: list[ast.Call], constants: dict[str, Any], index: ProgramIndex
) -> tuple[list[dict[str, Any]], list[str | None]]:
    """Tables of the function after it ran on the sample tokenizer, and the roles of what it returns."""
    run = SampleRun({**constants, **_arguments(function, asking)})
    with contextlib.suppress(NotEvaluable):
        run.run(function.body)
    tables: list[dict[str, Any]] = []
    for name, held in sorted(run.names.items()):
        if not isinstance(held, list):
            continue
        value = [len(one) if isinstance(one, bytes) else one for one in held]
        role = table_role(value)
        if role is not None:
            faults = _faults(role, value, [run.stored.get((id(held), place)) for place in range(len(TOKENS))])
            tables.append({"role": role, "line": _line_of(function, name, index), "faults": faults})
    result = run.result if isinstance(run.result, list) else [run.result]
    if len(result) == SIZE and table_role(result) is not None:
        result = [result]
    roles = [table_role(one) if isinstance(one, list) else None for one in result[:12]]
    return tables, roles if any(roles) else []


def _asking(function: FunctionNode, index: ProgramIndex) -> list[ast.Call]:
    return [
        node
        for node in index.own.of(function, ast.Call)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _ASKS
    ]


def _arguments(function: FunctionNode, asking: list[ast.Call]) -> dict[str, Any]:
    """The sample tokenizer for the parameter that is asked for pieces, its size for all others."""
    holders = [call.func.value for call in asking if isinstance(call.func, ast.Attribute)]
    asked = {one.id for one in holders if isinstance(one, ast.Name)}
    parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {one.arg: SampleTokenizer() if one.arg in asked else SIZE for one in parameters} | {
        name: SampleTokenizer() for name in asked
    }


def _line_of(function: FunctionNode, name: str, index: ProgramIndex) -> int:
    """The line that fills the table: the last store into an item of it, else its first assignment."""
    lines = [
        node.lineno
        for node in index.own.of(function, ast.Subscript)
        if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == name
    ]
    return max(lines, default=function.lineno)


def _faults(role: str, table: list[Any], lines: list[int | None]) -> list[dict[str, Any]]:
    """Sample tokens whose bytes are counted otherwise than the published script does, and where each is."""
    if role != "bytes":
        return []
    faults: list[dict[str, Any]] = []
    for token, value, line in zip(TOKENS, table, lines, strict=False):
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
        fault = {"kind": kind, "piece": token.piece, "counts": value, "should": token.bytes}
        faults.append(fault if line is None else {**fault, "line": line})
    return faults


def _is_redefined(function: FunctionNode, path: str, index: ProgramIndex) -> bool:
    """Whether a name of the language that the function reads means something else in this file."""
    names = index.own.of(function, ast.Name)
    ours = {one.id for one in names if isinstance(one.ctx, ast.Load)} & set(dir(builtins))
    if any(one.file == path for name in sorted(ours) for one in index.by_name.get(name, ())):
        return True
    return bool(ours & _stored(path, index) or ours & set(index.aliases(path)))


def _stored(path: str, index: ProgramIndex) -> set[str]:
    """Names that a file gives a value anywhere."""
    order = index.order
    whole = order.stretch(index.trees[path])
    names = (order.nodes[place] for place in order.of_kind(ast.Name) if place in whole)
    return {one.id for one in names if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def _divides(function: FunctionNode, index: ProgramIndex) -> bool:
    """Whether the function itself turns nats into bits, so that the table is a denominator there."""
    return any(
        isinstance(node.op, ast.Div) and "log" in ast.dump(node) for node in index.own.of(function, ast.BinOp)
    )
