"""The second pass of the static audit: tokens followed through the statements the interpreter reached.

It is a pass of its own because it follows something else than the interpreter does: not which iterations
chose a region, but whether two positions are the same token, however they were computed. That needs lengths,
window starts and chunk bounds as symbols, and typical elements of lists; it needs no configuration.

The script is walked until a walk tells nothing new about two things that the next one has to know: which
arrays are counted into by token, and which loops carry something from pass to pass. The first walk knows of
neither and is short; it is the second that usually tells the events.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from harness.audit.token_flow.flow_recorder import FlowRecorder
from harness.audit.token_flow.second_passes import SecondPasses
from harness.audit.token_flow.walker import NODES_AT_MOST, OutOfNodesError, Walker

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping

    from harness.audit.events import Event, Spot
    from harness.audit.program import Program

WALKS_AT_MOST = 5


def follow_tokens(
    program: Program, reached: Mapping[str, frozenset[int]] | None = None
) -> tuple[tuple[Event, ...], bool]:
    """The events of the pass, and whether it got to the end."""
    # A walk makes values by the hundred thousand and hardly a cycle: looking for some takes a fifth of it.
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        return _followed(program, dict(reached or {}))
    finally:
        if is_collecting:
            gc.enable()


def _followed(program: Program, reached: dict[str, frozenset[int]]) -> tuple[tuple[Event, ...], bool]:
    counted: frozenset[Spot] = frozenset()
    needed: frozenset[ast.stmt] = frozenset()
    nodes_left = NODES_AT_MOST
    recorder = FlowRecorder()
    for number in range(WALKS_AT_MOST):
        recorder = FlowRecorder()
        walker = Walker(
            program=program,
            recorder=recorder,
            reached=reached,
            counted=counted,
            passes=SecondPasses(needed, recorder),
            nodes_left=nodes_left,
            is_sketch=number == 0,
        )
        try:
            walker.run_module(program.entry)
        except (OutOfNodesError, RecursionError):
            return recorder.events(), False
        nodes_left = walker.nodes_left
        missed = walker.passes.missed(walker.symbols)
        if number and not missed and walker.found_counted <= counted:
            return recorder.events(), True
        counted, needed = counted | walker.found_counted, needed | missed
    return recorder.events(), False
