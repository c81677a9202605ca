"""Walks a program under a profile: the door of the interpreter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.audit.events import OTHER_CODE, Event, ProfileAudit, Score, Sink, Spot, Unresolved, Update
from harness.audit.interpreter.budget import Budget, OutOfBudget
from harness.audit.interpreter.importing import run_module
from harness.audit.interpreter.log_evidence import evidence_of, take_in
from harness.audit.interpreter.machine import Machine
from harness.audit.libraries.dispatch import Registry
from harness.audit.libraries.printing import LABEL_AT_MOST
from harness.audit.profiles.claimed_print import claimed_print, last_line
from harness.audit.regions import Split

if TYPE_CHECKING:
    from harness.audit.profiles.claimed_print import ClaimedPrint
    from harness.audit.program import Program
    from harness.audit.run_profile import RunProfile

NODES = 400_000  # the largest walk of a script in a pull request takes 160,000


def audit_program(program: Program, profile: RunProfile, *, node_budget: int = NODES) -> ProfileAudit:
    """What the program does under the profile, as events. Never executes any of it."""
    machine = begun(program, profile, node_budget)
    return audit_of(machine, walked(machine))


def begun(program: Program, profile: RunProfile, node_budget: int) -> Machine:
    """A walk that has not taken its first step."""
    machine = Machine(program=program, profile=profile, registry=Registry(), budget=Budget(node_budget))
    evidence = evidence_of(program, profile)
    if evidence is not None:
        take_in(machine, evidence)
    return machine


def audit_of(machine: Machine, is_finished: bool) -> ProfileAudit:
    """The audit of a walk that is over; which number is the claim is for the log of its profile to say."""
    program = machine.program
    if machine.evidence is not None:
        machine.evidence.note_settings(machine)
        machine.evidence.note_silence(machine)
    events = _mark_claim(machine)
    return ProfileAudit(
        profile=machine.profile.name,
        events=tuple(events),
        finished=is_finished and not machine.recorder.is_full,
        nodes=machine.budget.used,
        configured=_configured(events, program),
        reached=machine.recorder.reached(),
    )


def walked(machine: Machine) -> bool:
    """Walk the program; whether the walk came to its end."""
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


def _mark_claim(machine: Machine) -> list[Event]:
    """The events with the sink that carries the claim marked.

    With a counted log that is the print of the line with the claimed score. Without one it is the last number
    printed outside of loops.
    """
    events = machine.recorder.events
    sinks = [event for event in events if isinstance(event, Sink)]
    evidence = machine.evidence
    if evidence is None or not evidence.found.carrying:
        return _marked(events, _last_told(events, sinks))
    claimed = claimed_print(evidence.found, sinks, machine.profile.log_lines)
    if claimed.sink is not None:
        return _marked(events, claimed.sink)
    if claimed.by:
        _without_number(machine, claimed, Spot(file=evidence.log_file, line=claimed.line))
        return machine.recorder.events
    line, text = evidence.found.carrying[0]
    is_foreign = evidence.prints.lacks_a_word(text)
    _claim_unresolved(
        machine,
        OTHER_CODE if is_foreign else "claim-not-found",
        f"no print of the script was found to write the claim ({text[:80]})",
        Spot(file=evidence.log_file, line=line),
    )
    return _marked(machine.recorder.events, _last_told(events, sinks))


def _marked(events: list[Event], claim: Sink | None) -> list[Event]:
    return [replace(event, is_claim=True) if event is claim else event for event in events]


def _without_number(machine: Machine, claimed: ClaimedPrint, log: Spot) -> None:
    """The claim was printed by a call in which the walk followed no score: no other number stands in."""
    lines = {file: set(found) for file, found in machine.recorder.reached()}
    reached = [
        one
        for one in claimed.by
        if any(line in lines.get(one.spot.file, ()) for line in range(one.spot.line, last_line(one) + 1))
    ]
    printing = (reached or claimed.by)[-1]
    said = f"prints the claim at {log.file}:{log.line}"
    if not reached:
        _claim_unresolved(
            machine, "claim-not-reached", f"the walk did not come to what {said}", printing.spot
        )
        return
    _claim_unresolved(machine, "claim-not-followed", f"no score was followed into what {said}", printing.spot)
    label = printing.label[:LABEL_AT_MOST]
    machine.recorder.record(Sink, printing.spot, label=label, scores=(), is_claim=True)


def _claim_unresolved(machine: Machine, reason: str, detail: str, at: Spot) -> None:
    machine.recorder.record(Unresolved, at, reason=reason, detail=detail, on_path=True)


def _last_told(events: list[Event], sinks: list[Sink]) -> Sink | None:
    validated = {
        event.id for event in events if isinstance(event, Score) and event.region.split is Split.VALIDATION
    }
    told = [sink for sink in sinks if not validated.isdisjoint(sink.scores)]
    outside = [sink for sink in told if not sink.loops]
    return next(reversed(outside or told), None)


def _configured(events: list[Event], program: Program) -> tuple[str, ...]:
    """Functions in which something learned from validation."""
    names: set[str] = set()
    for event in events:
        if isinstance(event, Update) and event.region.split is Split.VALIDATION:
            names.add(program.facts(event.at.file).function_at(event.at.line))
    return tuple(sorted(names))
