"""Methods of texts: folded where known, templates where parts are unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Sequence, Text
from harness.audit.interpreter.operators import TEXT_AT_MOST, text
from harness.audit.interpreter.values import UNKNOWN, Value, computed_from
from harness.audit.libraries.registry import on_attribute, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

_FOLDED = frozenset(
    {
        "strip",
        "lstrip",
        "rstrip",
        "lower",
        "upper",
        "title",
        "split",
        "rsplit",
        "partition",
        "rpartition",
        "replace",
        "startswith",
        "endswith",
        "removeprefix",
        "removesuffix",
        "isdigit",
        "isalpha",
        "find",
        "rfind",
        "index",
        "count",
        "splitlines",
        "encode",
        "decode",
        "join",
        "isspace",
        "capitalize",
        "swapcase",
        "casefold",
        "isnumeric",
        "isidentifier",
    }
)


@on_method("format")
def _format(
    machine: Machine, receiver: Value, _name: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    if not isinstance(receiver.const, str):
        return None
    fields = [*args, *kwargs.values()]
    return text(
        machine, receiver.const, fields, computed_from(machine.deep_source(one) for one in fields), node
    )


def percent(machine: Machine, left: Value, right: Value, node: ast.AST) -> Value:
    """`"..." % values`."""
    fields = right.ref.elements if isinstance(right.ref, Sequence) else [right]
    template = left.const if isinstance(left.const, str) else ""
    if right.is_known and right.ref is None:
        try:
            return Value((template % right.const)[:TEXT_AT_MOST] if "*" not in template else template)
        except (TypeError, ValueError, OverflowError, MemoryError):
            return Value(template)
    return text(machine, template, fields, computed_from(machine.deep_source(one) for one in fields), node)


@on_method(*sorted(_FOLDED))
def _folded(
    machine: Machine, receiver: Value, name: str, args: list[Value], _kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    if name == "join" and isinstance(receiver.const, str) and args and isinstance(args[0].ref, Sequence):
        return _joined(machine, receiver.const, args[0].ref, node)
    if isinstance(receiver.ref, Text) and name in {
        "strip",
        "lstrip",
        "rstrip",
        "lower",
        "upper",
        "encode",
        "decode",
    }:
        return receiver
    if not isinstance(receiver.const, str | bytes):
        return None
    if any(one.const is UNKNOWN for one in args):
        return Value(source=computed_from((receiver.source, *(machine.deep_source(one) for one in args))))
    if name == "replace" and len(args) > 1 and len(str(args[1].const)) * max(1, len(receiver.const)) > 10**6:
        return Value(source=receiver.source)
    try:
        result = getattr(receiver.const, name)(*(one.const for one in args))
    except (TypeError, ValueError, LookupError, MemoryError, OverflowError):
        return Value(source=receiver.source)
    if isinstance(result, list | tuple):
        kind = "list" if isinstance(result, list) else "tuple"
        return machine.heap.sequence(kind, [Value(one, None, receiver.source) for one in result[:400]])
    return Value(result, None, receiver.source)


def _joined(machine: Machine, between: str, parts: Sequence, node: ast.AST) -> Value:
    elements = parts.elements
    if parts.size is not None and all(isinstance(one.const, str) for one in elements):
        return Value(between.join(one.const for one in elements)[:TEXT_AT_MOST])
    template = between.join(
        one.const if isinstance(one.const, str) else one.ref.template if isinstance(one.ref, Text) else "{}"
        for one in elements
    )
    fields = [
        field for one in elements for field in (one.ref.fields if isinstance(one.ref, Text) else (one,))
    ]
    return text(machine, template, fields, computed_from(machine.deep_source(one) for one in elements), node)


@on_attribute("name", "stem", "parent", "suffix")
def _of_path(machine: Machine, value: Value, name: str, node: ast.AST) -> Value | None:
    """Parts of a path."""
    template = (
        value.const
        if isinstance(value.const, str)
        else value.ref.template
        if isinstance(value.ref, Text)
        else None
    )
    if template is None:
        return None
    folder, _, last = template.rpartition("/")
    found = {"name": last, "parent": folder or ".", "stem": last.rsplit(".", 1)[0]}.get(name, "")
    if isinstance(value.const, str):
        return Value(found, None, value.source)
    return text(machine, found, [], value.source, node)
