"""One walk for all profiles it stands for.

A walk is determined by the sources, by what its profile answered (`Consulted`) and by what a log proved about
tests. Another profile that answers the same gets the same events; which number is its claim is found anew.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.interpreter.walk import NODES, audit_of, begun, walked

if TYPE_CHECKING:
    from harness.audit.events import ProfileAudit, Spot
    from harness.audit.interpreter.consulted import Consulted
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.recorder import Recorder
    from harness.audit.program import Program
    from harness.audit.run_profile import RunProfile

_KEPT = "walks"


@dataclass(slots=True, frozen=True)
class _Walk:
    """What is left of a walk: its events before any of them was called the claim."""

    consulted: Consulted
    recorder: Recorder
    here: Spot
    nodes: int
    is_finished: bool

    def stands_for(self, machine: Machine) -> bool:
        """Whether the walk that is about to start would be this one again."""
        if self.nodes > machine.budget.limit or not self.consulted.would_hear_the_same(machine.profile):
            return False
        return machine.evidence is None or not machine.evidence.changes(self.consulted.tests)


def shared_audit(program: Program, profile: RunProfile, *, node_budget: int = NODES) -> ProfileAudit:
    """What `audit_program` returns, walked only if no earlier walk of the program stands for it."""
    machine = begun(program, profile, node_budget)
    walks = program.kept.setdefault(_KEPT, [])
    if not isinstance(walks, list):
        raise TypeError(f"{_KEPT} are {type(walks).__name__}")
    for walk in walks:
        if walk.stands_for(machine):
            machine.recorder = copy(walk.recorder)
            machine.recorder.events = list(walk.recorder.events)
            machine.here = walk.here
            machine.consulted = walk.consulted
            machine.budget.used = walk.nodes
            return audit_of(machine, walk.is_finished)
    is_finished = walked(machine)
    # What a log proved is quoted in the events: such a walk stands for no other log.
    if machine.evidence is None or not machine.evidence.changes(machine.consulted.tests):
        recorder = copy(machine.recorder)
        recorder.events = list(recorder.events)
        walks.append(_Walk(machine.consulted, recorder, machine.here, machine.budget.used, is_finished))
    return audit_of(machine, is_finished)
