"""Arithmetic of values: constants, positions, provenance."""

from __future__ import annotations

import ast
import math
import operator
from typing import TYPE_CHECKING, Any, Final

from harness.audit.interpreter import special_methods
from harness.audit.interpreter.choosing import repeated
from harness.audit.interpreter.heap import Sequence, Text
from harness.audit.interpreter.positions import Line, constant_line
from harness.audit.interpreter.values import (
    ANYTHING,
    BITS,
    FALSE,
    NUMBERS,
    PLACES,
    TRUE,
    UNKNOWN,
    Source,
    Value,
    computed_from,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine

DEPTH = 2  # loops that a position inside a document depends on: the document, the part of it
BORDER = 1  # inputs and targets are one token apart: moving by so much changes no iteration
TEXT_AT_MOST = 20_000
NUMBER_AT_MOST = 10**30
_SUMS: Final = (ast.Add, ast.Sub)
_SCALINGS: Final = (ast.Div, ast.Mult)
_SIZED: Final = (str, bytes, tuple)
_LOG2 = (math.log(2.0), 1 / math.log(2.0), math.log2(math.e))

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}


def name_of(op: ast.operator) -> str:
    """add, sub, mult ..."""
    return type(op).__name__.lower()


def binary(machine: Machine, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Value:
    """`left op right`."""
    if left.const is not UNKNOWN and right.const is not UNKNOWN:
        const = _constant(op, left.const, right.const)
        if const is not UNKNOWN and left.ref is None and right.ref is None:
            if not left.source.index and not right.source.index and left.line is None and right.line is None:
                return Value(const, None, computed_from((left.source, right.source)))
            source = computed_from((left.source, right.source))
            return Value(const, None, source, _line(op, left, right))
    own = special_methods.binary(machine, op, left, right, node)
    if own is not None:
        return own
    if isinstance(left.ref, Sequence) or isinstance(right.ref, Sequence):
        joined = _sequences(machine, op, left, right)
        if joined is not None:
            return joined
    if isinstance(op, ast.Add) and (_is_text(left) or _is_text(right)):
        return concatenated(machine, left, right, node)
    if isinstance(op, ast.Mod) and isinstance(left.const, str):
        return machine.registry.formatted(machine, left, right, node)
    sources = [machine.source_of(left), machine.source_of(right)]
    source = computed_from(sources)
    for at, value in enumerate((left, right)):
        if _is_log2(value) and sources[1 - at].scores and isinstance(op, _SCALINGS):
            source = source.labelled(BITS)
    line = _line(op, left, right)
    if line is None and isinstance(op, ast.Add) and source.index and not source.reads:
        source = _moved_on(machine, source, left, right)
    result = Value(UNKNOWN, None, source, line)
    return machine.registry.computed(machine, op, left, right, result, node)


def _moved_on(machine: Machine, source: Source, left: Value, right: Value) -> Source:
    """Positions whose step is not known, some tokens later: they may reach later passes of the inner loop.

    Positions that one loop alone chose are starts of documents: what is added to those stays inside.
    """
    inner = machine.loops[-1].id if machine.loops else 0
    if PLACES in source.labels and inner in source.index:
        steps = [one.const for one in (left, right) if one.is_number and not isinstance(one.const, bool)]
        if any(step > BORDER for step in steps):
            return source.changed(index={**source.index, inner: (source.index[inner][0], None)})
    if inner not in source.index or len([loop for loop in machine.loops if loop.id in source.index]) < DEPTH:
        return source
    for value, by in ((left, right), (right, left)):
        if not by.is_number or isinstance(by.const, bool) or by.const <= BORDER or value.line is not None:
            continue
        return source.changed(index={**source.index, inner: (source.index[inner][0], None)})
    return source


def _is_log2(value: Value) -> bool:
    return isinstance(value.const, float) and any(abs(value.const - known) < 1e-4 for known in _LOG2)


def _is_text(value: Value) -> bool:
    return isinstance(value.const, str) or isinstance(value.ref, Text)


def _constant(op: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(op, ast.Pow) and not (
        isinstance(left, NUMBERS) and isinstance(right, NUMBERS) and abs(right) <= 64 and abs(left) < 1e6
    ):
        return UNKNOWN
    if isinstance(op, ast.LShift) and not (isinstance(right, int) and 0 <= right <= 128):
        return UNKNOWN
    if isinstance(op, ast.Mult):
        sizes = [len(one) for one in (left, right) if isinstance(one, _SIZED)]
        counts = [one for one in (left, right) if isinstance(one, int)]
        if sizes and (not counts or sizes[0] * max(0, counts[0]) > TEXT_AT_MOST):
            return UNKNOWN
    if isinstance(op, ast.Mod) and isinstance(left, str | bytes):
        return UNKNOWN
    try:
        result = _BINARY[type(op)](left, right)
    except (TypeError, ValueError, ArithmeticError, KeyError):
        return UNKNOWN
    if isinstance(result, complex):
        return UNKNOWN
    if isinstance(result, _SIZED) and len(result) > TEXT_AT_MOST:
        return UNKNOWN
    if isinstance(result, int) and abs(result) > NUMBER_AT_MOST:
        return UNKNOWN
    return result


def line_of(value: Value) -> Line | None:
    """The value as a position: a loop-dependent one, or a known number."""
    if value.line is not None:
        return value.line
    if value.is_number and not isinstance(value.const, bool) and not value.source.index:
        return constant_line(value.const)
    return None


def _line(op: ast.operator, left: Value, right: Value) -> Line | None:
    one, other = line_of(left), line_of(right)
    loops = (one is not None and bool(one.slopes)) or (other is not None and bool(other.slopes))
    if isinstance(op, _SUMS):
        sign = 1 if isinstance(op, ast.Add) else -1
        if one is not None and other is not None:
            return one.plus(other, sign) if loops or one.offsets or other.offsets else None
        if one is not None and one.slopes and not right.source.index:
            unit = Line({}, {right.symbol: 1}) if right.ref is None else None
            return one.plus(unit, sign) if unit is not None else one.vague()
        if one is not None and one.slopes:
            return one.vague()
        if other is not None and other.slopes and sign > 0:
            return (
                other.plus(Line({}, {left.symbol: 1}))
                if not left.source.index and left.ref is None
                else other.vague()
            )
        return None
    if isinstance(op, ast.Mult):
        if one is not None and one.slopes and isinstance(right.const, NUMBERS):
            return one.times(right.const)
        if other is not None and other.slopes and isinstance(left.const, NUMBERS):
            return other.times(left.const)
        if one is not None and one.slopes and not right.source.index and not right.is_known:
            return one.in_units(right.symbol)
        if other is not None and other.slopes and not left.source.index and not left.is_known:
            return other.in_units(left.symbol)
    return None


def _sequences(machine: Machine, op: ast.operator, left: Value, right: Value) -> Value | None:
    one, other = left.ref, right.ref
    if isinstance(op, ast.Add | ast.BitOr) and isinstance(one, Sequence) and isinstance(other, Sequence):
        source = computed_from((left.source.changed(index={}), right.source.changed(index={})))
        if one.size is not None and other.size is not None and one.size + other.size <= 200:
            return machine.heap.sequence(one.kind, [*one.elements, *other.elements]).with_source(source)
        elements = [*one.elements, *other.elements]
        joined = elements[0]
        for more in elements[1:40]:
            joined = machine.join(joined, more)
        if one.size is None and other.size is None and _have_in_common(machine, one, other):
            joined = repeated(machine, joined)
        return machine.heap.summary(one.kind, joined).with_source(source)
    if isinstance(op, ast.Mult):
        sequence, count = (one, right) if isinstance(one, Sequence) else (other, left)
        if not isinstance(sequence, Sequence) or not sequence.slots:
            return None
        if (
            isinstance(count.const, int)
            and sequence.size is not None
            and 0 <= count.const * sequence.size <= 16
        ):
            return machine.heap.sequence(sequence.kind, sequence.elements * count.const)
        joined = sequence.elements[0]
        for more in sequence.elements[1:40]:
            joined = machine.join(joined, more)
        if count.const not in (0, 1):
            joined = repeated(machine, joined)
        return machine.heap.summary(sequence.kind, joined)
    return None


def _have_in_common(machine: Machine, one: Sequence, other: Sequence) -> bool:
    """Whether the same loop made the elements of both lists, so that one may be in both."""
    loops = [{*machine.deep_source(part.elements[0]).index} & machine.finished_loops for part in (one, other)]
    return not loops[0].isdisjoint(loops[1])


def concatenated(machine: Machine, left: Value, right: Value, node: ast.AST) -> Value:
    """Two texts after each other, of which parts may be unknown."""
    template = ""
    fields: list[Value] = []
    for part in (left, right):
        if isinstance(part.const, str):
            template += part.const.replace("{", "(").replace("}", ")")
        elif isinstance(part.ref, Text):
            template += part.ref.template
            fields.extend(part.ref.fields)
        else:
            template += "{}"
            fields.append(part)
    source = computed_from((machine.source_of(left), machine.source_of(right)))
    return text(machine, template, fields, source, node)


def text(machine: Machine, template: str, fields: list[Value], source: Source, node: ast.AST) -> Value:
    """A text with unknown parts."""
    made = Text(machine.heap.new_id(), template[:TEXT_AT_MOST], tuple(fields[:200]), machine.spot(node))
    return Value(UNKNOWN, made, source)


def unary(machine: Machine, op: ast.unaryop, value: Value, truth: Value) -> Value:
    """`op value`."""
    if isinstance(op, ast.Not):
        if truth.const is UNKNOWN:
            return Value(source=truth.source)
        return FALSE if truth.const else TRUE
    if value.const is not UNKNOWN and isinstance(value.const, NUMBERS):
        try:
            if isinstance(op, ast.USub):
                line = value.line.times(-1) if value.line is not None else None
                return Value(-value.const, None, value.source, line)
            if isinstance(op, ast.UAdd):
                return value
            return Value(~value.const, None, value.source)  # type: ignore[operator]
        except TypeError:
            return ANYTHING
    line = value.line.times(-1) if value.line is not None and isinstance(op, ast.USub) else None
    return Value(UNKNOWN, None, machine.source_of(value), line)
