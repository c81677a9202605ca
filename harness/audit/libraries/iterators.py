"""What loops run over: zipped, mapped, chained and counted values, and objects with an iterator."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import generators
from harness.audit.interpreter.choosing import element_at, joined_elements, overlaid, repeated
from harness.audit.interpreter.heap import (
    Bound,
    Instance,
    Range,
    Sequence,
    Zipped,
)
from harness.audit.interpreter.machine_frame import LoopFrame
from harness.audit.interpreter.values import (
    ANYTHING,
    FALSE,
    TRUE,
    UNKNOWN,
    Value,
)
from harness.audit.libraries.registry import HANDLERS, on_call

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.positions import Index

Args = list[Value]
Kwargs = dict[str, Value]
_NOWHERE = ast.Pass()  # for calls that no syntax node makes


def any_element(machine: Machine, value: Value) -> Value:
    """Any element, marked as different for each: as if taken in a loop that is over."""
    from harness.audit.interpreter import iteration

    machine.last_loop += 1
    loop = LoopFrame(id=machine.last_loop, number=0)
    machine.finished_loops.add(loop.id)
    first = iteration.element(machine, value, loop, 2)
    return Value(UNKNOWN, first.ref, first.source)


@on_call("builtins.enumerate")
def _enumerate(machine: Machine, _path: str, args: Args, kwargs: Kwargs, _node: ast.AST) -> Value:
    start = args[1] if len(args) > 1 else kwargs.get("start", Value(0))
    counter = Value(ref=Range(machine.heap.new_id(), start, ANYTHING, Value(1)))
    return Value(ref=Zipped(machine.heap.new_id(), (counter, args[0] if args else ANYTHING)))


@on_call("builtins.zip", "itertools.zip_longest", "itertools.product")
def _zip(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    return Value(ref=Zipped(machine.heap.new_id(), tuple(args)))


@on_call("builtins.map", "builtins.filter")
def _map(machine: Machine, path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    since = len(machine.recorder.events)
    made = _mapped(machine, path, args, node)
    generators.watch(machine, made, since, path.rsplit(".", 1)[-1], node)
    return made


def _mapped(machine: Machine, path: str, args: Args, node: ast.AST) -> Value:
    if len(args) < 2:
        return ANYTHING
    if path.endswith("filter"):
        if args[0].ref is not None:
            machine.call(args[0], [any_element(machine, args[1])], {}, node)
        return args[1]
    first = args[1].ref
    if isinstance(first, Sequence) and first.size is not None and first.size <= 8 and len(args) == 2:
        made = [
            machine.call(args[0], [overlaid(machine, one, args[1].source)], {}, node)
            for one in first.elements
        ]
        return machine.heap.sequence("list", made)
    return machine.heap.summary(
        "list", machine.call(args[0], [any_element(machine, one) for one in args[1:]], {}, node)
    )


@on_call("builtins.next")
def _next(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value:
    if not args:
        return ANYTHING
    ref = args[0].ref
    if isinstance(ref, Instance) and ref.cls is not None:
        method = machine.attribute(args[0], "__next__", node)
        if isinstance(method.ref, Bound):
            return machine.call(method, [], {}, node)
    index: Index = {}
    if machine.loops:
        loop = machine.loops[-1]
        index = {loop.id: (loop.number, loop.number)}
    return element_at(machine, args[0], None, index)


@on_call("builtins.any", "builtins.all")
def _any(machine: Machine, path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    if args and isinstance(args[0].ref, Sequence) and args[0].ref.size is not None:
        consts = [one.const for one in args[0].ref.elements]
        stops = path.endswith("any")
        if any(const is not UNKNOWN and bool(const) is stops for const in consts):
            return TRUE if stops else FALSE
        if all(const is not UNKNOWN for const in consts):
            return FALSE if stops else TRUE
    return Value(source=machine.deep_source(args[0])) if args else ANYTHING


def _callable_iterated(machine: Machine, value: Value, index: Index) -> Value | None:
    """An object of the script with __iter__ or __next__."""
    del index
    ref = value.ref
    if isinstance(ref, Instance) and ref.cls is not None:
        for name in ("__iter__", "__next__"):
            method = machine.attribute(value, name, _NOWHERE)
            if isinstance(method.ref, Bound):
                made = machine.call(method, [], {}, _NOWHERE)
                if made.ref is ref:
                    continue
                return made if name == "__next__" else element_at(machine, made, None)
    return None


HANDLERS.iterated.append(_callable_iterated)


@on_call("itertools.chain", "itertools.chain.from_iterable", "itertools.islice", "itertools.cycle", "tqdm.*")
def _chained(machine: Machine, path: str, args: Args, _kwargs: Kwargs, _node: ast.AST) -> Value:
    if not args:
        return ANYTHING
    if path.endswith("chain"):
        elements = [element_at(machine, one, None) for one in args]
        return machine.heap.summary("list", joined_elements(machine, elements))
    if path.endswith("from_iterable"):
        return machine.heap.summary("list", element_at(machine, element_at(machine, args[0], None), None))
    if path.endswith(".cycle") and isinstance(args[0].ref, Sequence) and args[0].ref.slots:
        joined = repeated(machine, joined_elements(machine, args[0].ref.elements))
        return machine.heap.summary("list", joined).with_source(args[0].source)
    return args[0]
