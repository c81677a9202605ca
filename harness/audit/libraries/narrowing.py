"""`narrow`, which takes tokens from a stream as a slice does."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import operators, subscripts
from harness.audit.interpreter.heap import Slice
from harness.audit.interpreter.values import NONE, Value
from harness.audit.libraries.registry import on_call, on_method

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]


@on_method("narrow")
def _narrow_method(
    machine: Machine, receiver: Value, _name: str, args: Args, kwargs: Kwargs, node: ast.AST
) -> Value | None:
    return _narrowed(machine, receiver, args, kwargs, node)


@on_call("torch.narrow")
def _narrow_call(machine: Machine, _path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    of, *rest = args or [kwargs.get("input", NONE)]
    return _narrowed(machine, of, rest, kwargs, node)


def _narrowed(machine: Machine, of: Value, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    """`narrow(dim, start, length)` along the first dimension is `of[start : start + length]`."""
    given = dict(zip(("dim", "start", "length"), args, strict=False)) | kwargs
    if (
        not {"dim", "start", "length"} <= given.keys()
        or not _is_stream(machine, of)
        or given["dim"].const != 0
    ):
        return None
    stop = operators.binary(machine, ast.Add(), given["start"], given["length"], node)
    return subscripts.load(
        machine, of, Value(ref=Slice(machine.heap.new_id(), given["start"], stop, None)), node
    )


def _is_stream(machine: Machine, of: Value) -> bool:
    """Whether it holds tokens that were read, and nothing that was computed by a network."""
    source = machine.deep_source(of)
    return bool(source.reads) and not (source.scores or source.states or source.learned)
