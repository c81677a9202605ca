"""The second pass of the static audit: tokens followed through the statements the interpreter reached.

It is a pass of its own because it follows something else than the interpreter does: not which iterations
chose a region, but whether two positions are the same token, however they were computed. That needs lengths,
window starts and chunk bounds as symbols, and typical elements of lists; it needs no configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.token_flow.flow_recorder import FlowRecorder
from harness.audit.token_flow.walker import OutOfNodesError, Walker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.audit.events import Event, Spot
    from harness.audit.program import Program


def follow_tokens(
    program: Program, reached: Mapping[str, frozenset[int]] | None = None
) -> tuple[tuple[Event, ...], bool]:
    """The events of the pass, and whether it got to the end."""
    counted: frozenset[Spot] = frozenset()
    finished = True
    recorder = FlowRecorder()
    for _ in range(2):
        recorder = FlowRecorder()
        walker = Walker(program=program, recorder=recorder, reached=dict(reached or {}), counted=counted)
        try:
            walker.run_module(program.entry)
        except (OutOfNodesError, RecursionError):
            finished = False
        counted = frozenset(walker.found_counted)
        if not counted:
            break
    return recorder.events(), finished
