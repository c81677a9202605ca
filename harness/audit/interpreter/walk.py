"""Walks a program under a profile: the door of the interpreter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.audit.events import Event, ProfileAudit, Score, Sink, Unresolved, Update
from harness.audit.interpreter.budget import Budget, OutOfBudget
from harness.audit.interpreter.importing import run_module
from harness.audit.interpreter.machine import Machine
from harness.audit.libraries.dispatch import Registry
from harness.audit.regions import Split

if TYPE_CHECKING:
    from harness.audit.program import Program
    from harness.audit.run_profile import RunProfile


def audit_program(
    program: Program, profile: RunProfile, *, node_budget: int = 1_500_000, seconds: float = 60.0
) -> ProfileAudit:
    """What the program does under the profile, as events. Never executes any of it."""
    machine = Machine(
        program=program, profile=profile, registry=Registry(), budget=Budget(node_budget, seconds)
    )
    is_finished = _walk(machine)
    events = _with_claim(machine.recorder.events, profile)
    return ProfileAudit(
        profile=profile.name,
        events=tuple(events),
        finished=is_finished and not machine.recorder.is_full,
        nodes=machine.budget.used,
        configured=_configured(events, program),
        reached=machine.recorder.reached(),
    )


def _walk(machine: Machine) -> bool:
    program = machine.program
    parsed = program.parsed(program.entry)
    machine.here = machine.recorder.spot_at(program.entry, 0)
    if parsed.tree is None:
        _unresolved(machine, "unparseable", parsed.message or program.entry)
        return False
    try:
        run_module(machine, program.entry, "__main__")
    except OutOfBudget as spent:
        _unresolved(machine, "budget", str(spent))
        return False
    except RecursionError:
        _unresolved(machine, "recursion", "nested deeper than the audit follows")
        return False
    flow = machine.facts.get("module_flows", {}).get(program.entry)
    if flow is not None and flow.kind == "raise" and flow.name != "SystemExit":
        _unresolved(machine, "aborts", f"the script ends with an error: {flow.name}")
        return False
    return True


def _unresolved(machine: Machine, reason: str, detail: str) -> None:
    machine.recorder.record(Unresolved, machine.here, reason=reason, detail=detail[:300], on_path=True)


def _with_claim(events: list[Event], profile: RunProfile) -> list[Event]:
    """Mark the sink that carries the claim: the last whose words are in the log, or the last of all."""
    validated = {
        event.id for event in events if isinstance(event, Score) and event.region.split is Split.VALIDATION
    }
    sinks = [event for event in events if isinstance(event, Sink) and not validated.isdisjoint(event.scores)]
    if not sinks:
        return events
    printed = [sink for sink in sinks if _is_printed(sink.label, profile)]
    outside = [sink for sink in sinks if not sink.loops]
    claim = (printed or outside or sinks)[-1]
    return [replace(event, is_claim=True) if event is claim else event for event in events]


def _is_printed(label: str, profile: RunProfile) -> bool:
    parts = [part.strip() for part in label.split("{}") if len(part.strip()) > 2]
    if not parts:
        return False
    for _, line in profile.log_lines:
        at = 0
        for part in parts:
            found = line.find(part, at)
            if found < 0:
                break
            at = found + len(part)
        else:
            return True
    return False


def _configured(events: list[Event], program: Program) -> tuple[str, ...]:
    """Functions in which something learned from validation."""
    names: set[str] = set()
    for event in events:
        if isinstance(event, Update) and event.region.split is Split.VALIDATION:
            names.add(program.facts(event.at.file).function_at(event.at.line))
    return tuple(sorted(names))
