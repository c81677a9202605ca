"""Counts of validation tokens that lists and dictionaries hold: the name of the counting goes into the cell.

    for token in chunk.tolist():
        found[token] = found.get(token, 0) + 1

Which cell is written tells the token, so the number in it is a count, whatever was added to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import KEYS, SUMMARY, Mapping, Sequence
from harness.audit.interpreter.subscripts import store
from harness.audit.interpreter.values import ANYTHING, Value
from harness.audit.libraries import counted_passes, whole_stream
from harness.audit.libraries.registry import HANDLERS

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine


def _stored(machine: Machine, owner: Value, key: Value, value: Value, node: ast.AST, is_update: bool) -> bool:
    if not isinstance(owner.ref, Sequence | Mapping) or value.ref is not None or value.source.scores:
        return False
    source = machine.deep_source(key)
    if counted_passes.TOKENS not in source.labels:
        return False
    told = whole_stream.names_of_counts(whole_stream.counted(machine, source))
    if told <= value.source.labels:
        return False
    named = value.with_source(
        value.source.changed(labels=value.source.labels - {counted_passes.TOKENS} | told)
    )
    store(machine, owner, key, named, node, is_update)
    return True


HANDLERS.stores.append(_stored)


def added_up(machine: Machine, ref: Mapping, given: Value) -> bool:
    """`counter.update(tokens)`: whether tokens were counted into the dictionary."""
    source = machine.deep_source(given)
    if counted_passes.TOKENS not in source.labels or not counted_passes.is_unscored(source):
        return False
    made = Value(source=whole_stream.counted(machine, source).changed(index={}))
    now = ref.slots.get(SUMMARY)
    machine.heap.put(ref, SUMMARY, made if now is None else machine.join(now, made))
    machine.heap.put(ref, KEYS, ANYTHING)
    return True
