"""Comprehensions: a loop over an element expression, gathered into a list or dictionary."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter import assignments, choosing, generators, iteration, loops, subscripts
from harness.audit.interpreter.heap import Scope
from harness.audit.interpreter.machine_frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.values import Value

_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp


def listed(machine: Machine, node: _Comprehension) -> Value:
    """A list, set or generator: exact when every pass is walked, else a summary."""
    since = len(machine.recorder.events)
    made = _listed(machine, node)
    if isinstance(node, ast.GeneratorExp):
        generators.watch(machine, made, since, "a generator expression", node)
    return made


def _listed(machine: Machine, node: _Comprehension) -> Value:
    found: list[Value] = []
    is_exact = _generate(machine, node.generators, lambda: found.append(machine.evaluate(node.elt)))
    kind = "set" if isinstance(node, ast.SetComp) else "list"
    if is_exact:
        return machine.heap.sequence(kind, found)
    if not found:
        return machine.heap.sequence(kind, [])
    return machine.heap.summary(kind, choosing.joined_elements(machine, found))


def mapped(machine: Machine, node: ast.DictComp) -> Value:
    """A dictionary."""
    made = machine.registry.new_mapping(machine)

    def one() -> None:
        key = machine.evaluate(node.key)
        subscripts.store(machine, made, key, machine.evaluate(node.value), node)

    _generate(machine, node.generators, one)
    return made


def _generate(machine: Machine, generators: list[ast.comprehension], body: Callable[[], None]) -> bool:
    """Walk nested generators; whether all passes were walked and no condition was unknown."""
    outer = machine.frame
    scope = Scope(machine.heap.new_id(), outer.file, outer.scope)
    scope.names.update(outer.scope.names)
    frame = Frame(
        scope=scope, file=outer.file, name=outer.name, owner=outer.owner, self_value=outer.self_value
    )
    frame.yields = outer.yields
    frame.first_loop = len(machine.loops)
    machine.frames.append(frame)
    try:
        return _nested(machine, generators, body)
    finally:
        machine.frames.pop()


def _nested(machine: Machine, generators: list[ast.comprehension], body: Callable[[], None]) -> bool:
    if not generators:
        body()
        return True
    first, rest = generators[0], generators[1:]
    iterable = machine.evaluate(first.iter)
    walked = iteration.passes(iterable)
    count = iteration.trips(iterable)
    if len(machine.loops) > loops.DEPTH_OF_TWO_PASSES and walked > 1 and count is None:
        walked = 1
    is_exact = count is not None and count <= walked
    loop = loops.enter(machine, count)
    machine.loops.append(loop)
    machine.recorder.loops.append((loop.id, 0))
    try:
        for number in range(walked):
            loop.number = number
            machine.recorder.loops[-1] = (loop.id, number)
            assignments.assign(machine, first.target, iteration.element(machine, iterable, loop, walked))
            taken: bool | None = True
            for condition in first.ifs:
                const = assignments.truth(machine, machine.evaluate(condition)).const
                if const is False:
                    taken = False
                    break
                if const is not True:
                    is_exact = False
            if taken:
                is_exact = _nested(machine, rest, body) and is_exact
    finally:
        machine.loops.pop()
        machine.recorder.loops.pop()
        machine.finished_loops.add(loop.id)
    return is_exact
