"""Sinks: numbers in bits per byte, or validation losses, that leave the script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.events import Sink
from harness.audit.interpreter.heap import Mapping, Sequence, Text
from harness.audit.interpreter.values import BITS, NONE, Value
from harness.audit.libraries.registry import on_call, on_method

if TYPE_CHECKING:
    import ast

    from harness.audit.events import Spot
    from harness.audit.interpreter.machine import Machine

_METRIC = re.compile(r"bpb|bits.per.byte|val[_ ]?loss|val[_ ]?nll", re.IGNORECASE)
LABEL_AT_MOST = 300


def printed(machine: Machine, values: list[Value], node: ast.AST) -> None:
    """Record a sink when one of the values tells a score."""
    for value in values:
        ref = value.ref
        source = machine.deep_source(value)
        if not source.scores:
            continue
        if isinstance(ref, Text):
            fields = [machine.deep_source(field) for field in ref.fields]
            bits = [field for field in fields if BITS in field.labels]
            if not bits and not _METRIC.search(ref.template):
                continue
            told = bits or fields
            scores = frozenset().union(*(field.scores for field in told))
            told_before: set[int] = machine.facts.setdefault("told", set())
            if ref.id not in told_before:  # a logger prints and writes the same text
                told_before.add(ref.id)
                _sink(machine, ref.template, scores, ref.at)
        elif isinstance(ref, Mapping):
            for key, slot in list(ref.slots.items()):
                inner = machine.deep_source(slot)
                name = str(key[1]) if isinstance(key, tuple) else ""
                if inner.scores and (BITS in inner.labels or _METRIC.search(name)):
                    _sink(machine, name, inner.scores, machine.spot(node))
        elif BITS in source.labels:
            texts = [one.const for one in values if isinstance(one.const, str)]
            label = " ".join(texts) if texts else ""
            _sink(machine, label, source.scores, machine.spot(node))
        elif isinstance(ref, Sequence):
            printed(machine, ref.elements[:20], node)


def _sink(machine: Machine, label: str, scores: frozenset[int], at: Spot) -> None:
    machine.recorder.record(Sink, at, label=label[:LABEL_AT_MOST], scores=tuple(sorted(scores)))


@on_call(
    "builtins.print", "logging.*", "tqdm.tqdm.write", "wandb.log", "sys.stdout.write", "sys.stderr.write"
)
def _print(machine: Machine, _path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST) -> Value:
    given = [value for name, value in kwargs.items() if name not in {"file", "flush", "sep", "end"}]
    printed(machine, [*args, *given], node)
    where = kwargs.get("file")
    if where is not None and where.const is not None:
        machine.registry.method(machine, where, "write", args, {}, node)
    return NONE


@on_method("info", "warning", "error", "debug", "writelines")
def _log(
    machine: Machine,
    _receiver: Value,
    _name: str,
    args: list[Value],
    _kwargs: dict[str, Value],
    node: ast.AST,
) -> Value:
    printed(machine, args, node)
    return NONE
