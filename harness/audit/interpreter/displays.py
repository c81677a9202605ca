"""Lists, tuples, sets, dictionaries and texts as the script writes them down."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import choosing, operators, special_methods, subscripts
from harness.audit.interpreter.budget import ELEMENTS_AT_MOST
from harness.audit.interpreter.heap import SUMMARY, Sequence, Text
from harness.audit.interpreter.values import UNKNOWN, Value, computed_from

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine


def listed(machine: Machine, node: ast.List | ast.Tuple | ast.Set) -> Value:
    """`[a, *b]`, `(a, b)`, `{a, b}`."""
    kind = type(node).__name__.lower()
    elements: list[Value] = []
    for one in node.elts[:ELEMENTS_AT_MOST]:
        if isinstance(one, ast.Starred):
            value = machine.evaluate(one.value)
            if isinstance(value.ref, Sequence) and value.ref.size is None:
                rest = [machine.evaluate(other) for other in node.elts if not isinstance(other, ast.Starred)]
                return machine.heap.summary(
                    kind, choosing.joined_elements(machine, [value.ref.slots[SUMMARY], *rest])
                )
            elements.extend(starred(machine, value))
        else:
            elements.append(machine.evaluate(one))
    if len(node.elts) > ELEMENTS_AT_MOST:
        return machine.heap.summary(kind, choosing.joined_elements(machine, elements))
    return machine.heap.sequence(kind, elements)


def mapped(machine: Machine, node: ast.Dict) -> Value:
    """`{a: b, **c}`."""
    made = machine.registry.new_mapping(machine)
    for key, value in list(zip(node.keys, node.values, strict=True))[:ELEMENTS_AT_MOST]:
        if key is None:
            machine.call_method(made, "update", [machine.evaluate(value)], {}, node)
        else:
            subscripts.store(machine, made, machine.evaluate(key), machine.evaluate(value), node)
    return made


def starred(machine: Machine, value: Value) -> list[Value]:
    """The values that `*value` stands for, as far as they are known one by one."""
    ref = value.ref
    if isinstance(ref, Sequence) and ref.size is not None:
        return [choosing.overlaid(machine, one, value.source) for one in ref.elements[:ELEMENTS_AT_MOST]]
    if isinstance(value.const, tuple):
        return [Value(one) for one in value.const[:ELEMENTS_AT_MOST]]
    if isinstance(ref, Sequence):
        return [choosing.overlaid(machine, ref.slots[SUMMARY], value.source)]
    return [choosing.element_at(machine, value, None)]


def formatted(machine: Machine, node: ast.JoinedStr) -> Value:
    """`f"a {b}"`: the text, or what is known of it."""
    template = ""
    fields: list[Value] = []
    for part in node.values[:ELEMENTS_AT_MOST]:
        if isinstance(part, ast.Constant):
            template += str(part.value).replace("{", "(").replace("}", ")")
            continue
        if not isinstance(part, ast.FormattedValue):
            continue
        value = machine.evaluate(part.value)
        if value.ref is not None:
            made = special_methods.special(machine, value, ("__format__", "__str__", "__repr__"), [], part)
            value = made if made is not None else value
        if (
            value.const is not UNKNOWN
            and value.ref is None
            and part.format_spec is None
            and part.conversion < 0
        ):
            template += str(value.const)[:400].replace("{", "(").replace("}", ")")
        elif isinstance(value.ref, Text):
            template += value.ref.template
            fields.extend(value.ref.fields)
        else:
            template += "{}"
            fields.append(value)
    if not fields:
        return Value(template)
    source = computed_from(machine.deep_source(field) for field in fields)
    return operators.text(machine, template, fields, source.changed(index=source.index), node)
