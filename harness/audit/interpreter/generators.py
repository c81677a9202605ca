"""Generators that do more than make values: walked where a loop asks for the next one.

Most generators of scripts load tokens; when their body runs does not matter, and it is walked where they are
called. A generator that learns or scores runs up to its next `yield` each time it is asked, so a loop over
it is walked inside out: the loop's body is walked at the `yield`, in the loops of the generator.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.audit.events import Exported, ForwardPass, Reloaded, Reset, Score, Update
from harness.audit.interpreter import assignments, branches, calls, choosing, iteration, learning_names, loops
from harness.audit.interpreter.budget import ELEMENTS_AT_MOST
from harness.audit.interpreter.flows import Flow, Raised
from harness.audit.interpreter.heap import Generating, Range, Zipped
from harness.audit.interpreter.values import ANYTHING, LOGITS, Value

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from harness.audit.events import Event
    from harness.audit.interpreter.heap import Function
    from harness.audit.interpreter.machine import Machine

_TIMED = (Update, Score, ForwardPass, Reset, Exported, Reloaded)
_NETWORKS_RAN = frozenset({LOGITS})


def called(
    machine: Machine, function: Function, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value:
    """A call of a generator function: its values, or the generator where it matters when it runs."""
    facts = machine.program.facts(machine.frame.file)
    if id(node) not in facts.looped_over:
        since = len(machine.recorder.events)
        values = calls.walked(machine, function, args, kwargs, node)
        if id(node) not in facts.drained and learning_names.may_learn(machine, function.node):
            machine.cannot_see("generator", f"when {function.name} runs", node, on_path=True)
        else:
            watch(machine, values, since, function.name, node)
        return values
    timed: set[int] = machine.facts.setdefault("timed", set())
    if id(function.node) not in timed:
        values_only = _tried(machine, function, args, kwargs, node)
        if values_only is not None:
            return values_only
        timed.add(id(function.node))
    return Value(ref=Generating(machine.heap.new_id(), function, args, kwargs, node))


def watch(machine: Machine, values: Value, since: int, name: str, node: ast.AST) -> None:
    """Say so where something that runs bit by bit, when it is asked, was walked to its end at once."""
    if id(node) in machine.program.facts(machine.frame.file).drained:
        return
    if _matters(machine, values, machine.recorder.events[since:]):
        machine.cannot_see("generator", f"when {name} runs", node, on_path=True)


def _matters(machine: Machine, values: Value, events: list[Event]) -> bool:
    """Whether the walk of a generator did something at a time of its own."""
    if any(isinstance(event, _TIMED) for event in events):
        return True
    source = machine.deep_source(values)
    return bool(source.learned or source.scores or source.labels & _NETWORKS_RAN)


def _tried(
    machine: Machine, function: Function, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    """The values of a generator that only makes values; for any other nothing has happened yet."""
    heap = machine.heap
    recorder = machine.recorder
    trials, mark, since = heap.trials, len(heap.trail), len(recorder.events)
    unresolved, waiting = set(machine.unresolved), list(machine.waiting)
    heap.trials += 1
    values = calls.walked(machine, function, args, kwargs, node)
    if not _matters(machine, values, recorder.events[since:]):
        heap.close_trial()
        return values
    heap.roll_back(mark)
    heap.trials = trials
    del recorder.events[since:]
    machine.unresolved, machine.waiting = unresolved, waiting
    machine.facts["structure"] = machine.facts.get("structure", 0) + 1
    return None


def inside(iterable: Value) -> Generating | None:
    """The generator that a loop over the value asks for elements, if one matters."""
    ref = iterable.ref
    if isinstance(ref, Generating):
        return ref
    if isinstance(ref, Zipped):
        found = [part.ref for part in ref.parts if isinstance(part.ref, Generating)]
        return found[0] if found else None
    return None


def run_for(machine: Machine, node: ast.For | ast.AsyncFor, iterable: Value, made: Generating) -> Flow | None:
    """`for target in generator`: the body is walked at each `yield`."""
    token = object()
    depth = len(machine.loops)
    counters = machine.program.facts(machine.frame.file).counters.get(id(node), ())
    ended: list[Flow] = []

    def body(value: Value) -> None:
        if len(machine.loops) > depth:
            loops.mark_counters(machine, counters, machine.loops[-1])
        assignments.assign(machine, node.target, _element(machine, iterable, made, value, depth))
        flow = machine.run(node.body)
        turn = machine.frame
        branches.merge_arrived(machine, branches.arrived(machine, turn, "continue"))
        for one in machine.waiting:
            if one.target is turn and one.flow.kind == "break":
                one.target = token
        if flow is None or flow.kind == "continue":
            return
        if flow.kind == "raise":
            raise Raised(flow)
        # What the generator does after this yield does not happen any more; the walk goes on all the same.
        machine.cannot_see(
            "generator", f"a loop over {made.function.name} that ends early", node, on_path=True
        )
        ended.append(flow)

    resume(machine, made, body)
    branches.merge_arrived(machine, branches.arrived(machine, token, "break"))
    flow = next((one for one in ended if one.kind == "return"), None)
    if flow is None and node.orelse and not ended:
        return machine.run(node.orelse)
    return flow


def _element(machine: Machine, iterable: Value, made: Generating, value: Value, depth: int) -> Value:
    """What the loop's target is bound to: the yielded value, or a tuple with it."""
    ref = iterable.ref
    if not isinstance(ref, Zipped):
        return value
    inner = machine.loops[depth:]
    if len(inner) > 1 and not all(part.ref is made or isinstance(part.ref, Range) for part in ref.parts):
        machine.cannot_see("generator", "what is zipped with it", made.node, on_path=True)
    found: list[Value] = []
    for part in ref.parts:
        if part.ref is made:
            found.append(value)
        elif isinstance(part.ref, Generating):
            machine.cannot_see("generator", "two side by side", made.node, on_path=True)
            found.append(ANYTHING)
        elif inner:
            found.append(iteration.element(machine, part, inner[-1], 2))
        else:
            found.append(choosing.element_at(machine, part, None))
    return machine.heap.sequence("tuple", found)


def resume(machine: Machine, made: Generating, body: Callable[[Value], None]) -> None:
    """Walk a generator to its end, and `body` at each of its yields in the frame that asks."""
    caller = machine.frame
    depth = len(machine.recorder.calls)
    tries, no_grad, here = list(machine.tries), machine.no_grad, machine.here

    def at_yield(value: Value) -> None:
        inner = machine.recorder.calls[depth:]
        del machine.recorder.calls[depth:]
        nesting, machine.budget.expressions = machine.budget.expressions, 0
        own_tries, machine.tries = machine.tries, tries
        own_grad, machine.no_grad = machine.no_grad, no_grad
        own_here, machine.here = machine.here, here
        turn = dataclasses.replace(caller, first_loop=len(machine.loops))
        machine.frames.append(turn)
        try:
            body(value)
        finally:
            machine.frames.pop()
            machine.recorder.calls.extend(inner)
            machine.budget.expressions = nesting
            machine.tries, machine.no_grad, machine.here = own_tries, own_grad, own_here
        for one in machine.waiting:
            if one.target is turn:
                one.target = caller

    calls.walked(machine, made.function, made.args, made.kwargs, made.node, at_yield)


def delegate(machine: Machine, value: Value) -> bool:
    """`yield from`: whether each value of the generator was given on as one of our own."""
    if not isinstance(value.ref, Generating):
        return False
    resume(machine, value.ref, lambda one: give(machine, one))
    return True


def give(machine: Machine, value: Value) -> None:
    """`yield value` in the function being walked."""
    frame = machine.frame
    if frame.at_yield is not None:
        frame.at_yield(value)
    elif frame.yields is not None and len(frame.yields) < ELEMENTS_AT_MOST:
        frame.yields.append(value)
