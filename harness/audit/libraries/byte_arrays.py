"""`bytearray`: bytes that are written one by one, as codecs of a script's own do between file and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.values import Value, computed_from
from harness.audit.libraries.registry import on_call

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine


@on_call("builtins.bytearray")
def _bytearray(
    machine: Machine, _path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    """An array that holds what it was made of; what is written into a place of it is in it from then on."""
    source = computed_from([machine.deep_source(one) for one in (*args, *kwargs.values())])
    return machine.heap.tensor(Value(source=source), machine.spot(node))
