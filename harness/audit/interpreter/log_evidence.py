"""What the log of a run settles for the walk: settings the script takes from outside, and arms it took.

Only what the configuration decides is settled by the log: a test of scores, of tokens or of a loop's position
is walked as the interpreter knows it, since one printed line does not say how it comes out each time.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from harness.audit.events import BranchProven, BranchSilent, Spot
from harness.audit.interpreter.values import (
    ENVIRONMENT,
    FALSE,
    TRUE,
    UNKNOWN,
    Source,
    Value,
    computed_from,
)
from harness.audit.profiles.log_witnesses import ProgramPrints, Witnesses, witnesses
from harness.audit.profiles.silent_branches import silent_branches
from harness.audit.run_profile import Setting
from harness.audit.syntax_walk import children

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.audit.interpreter.machine import Machine
    from harness.audit.profiles.log_witnesses import Proof
    from harness.audit.program import Program
    from harness.audit.run_profile import RunProfile


NODES_AT_MOST = 60  # of a test, looked into for its names


@dataclass(slots=True)
class LogEvidence:
    """The proofs of one run's log, and which of them the walk has used.

    `settings` are those whose values no line of the log prints.
    """

    log_file: str
    prints: ProgramPrints
    found: Witnesses
    settings: Mapping[str, tuple[bool, Proof]]
    _used: set[int] = field(default_factory=set)

    def settle(self, machine: Machine, node: ast.If, tested: Value, truth: Value) -> Value:
        """The truth of the test of an `if`, by the log where the configuration decides it."""
        proof = self.found.taken.get(id(node))
        if proof is None or truth.const is proof.passed.arm:
            return truth
        # The outcome of comparing constants does not say where they are from: the names do.
        named = _sources_of_names(machine, node.test)
        source = computed_from([machine.source_of(tested), *named])
        if source.index or source.reads or source.scores or source.learned or source.states:
            return truth
        if not proof.passed.once and not all(ENVIRONMENT in one.labels for one in named):
            return truth  # decided anew each time, perhaps by a clock
        if truth.const is not UNKNOWN and ENVIRONMENT not in source.labels:
            return truth
        self.note(machine, proof)
        return TRUE if proof.passed.arm else FALSE

    def changes(self, tests: Iterable[tuple[int, object]]) -> bool:
        """Whether some of these `if`s, by id and how they came out, are for the log to decide."""
        taken = self.found.taken
        return any(node in taken and truth is not taken[node].passed.arm for node, truth in tests)

    def note_settings(self, machine: Machine) -> None:
        """Record the proven settings when the walk is over: another profile's walk may stand for it."""
        for name, (value, proof) in sorted(self.settings.items()):
            # A spot of its own: proving a setting by a line is not reaching that line.
            spot = Spot(file=proof.passed.file, line=proof.passed.node.lineno)
            log = Spot(file=self.log_file, line=proof.log_line)
            machine.recorder.record(BranchProven, spot, taken=value, log=log, setting=name)

    def note_silence(self, machine: Machine) -> None:
        """Record the branches that the walk took and whose prints the claimed run's log lacks."""
        if not self.found.claimed:
            return  # the log may be of other code
        lines = machine.profile.log_lines
        for one in silent_branches(self.prints.templates, lines, machine.consulted.tests):
            machine.recorder.record(
                BranchSilent,
                Spot(file=one.file, line=one.node.lineno),
                first=one.first,
                last=one.last,
                missing=Spot(file=one.file, line=one.missing.spot.line),
                label=one.missing.label[:60],
                log=self.log_file,
            )

    def note(self, machine: Machine, proof: Proof) -> None:
        """Record the proof, once, where it is used."""
        node = proof.passed.node
        if id(node) not in self._used:
            self._used.add(id(node))
            machine.recorder.record(
                BranchProven,
                machine.recorder.spot_at(proof.passed.file, node.lineno),
                taken=proof.passed.arm,
                log=Spot(file=self.log_file, line=proof.log_line),
            )


def _sources_of_names(machine: Machine, test: ast.expr) -> list[Source]:
    """Where the names in a test come from: `x` and `args.x`, whose reading does nothing."""
    found: list[Source] = []
    todo: list[ast.AST] = [test]
    for _ in range(NODES_AT_MOST):
        if not todo:
            break
        node = todo.pop()
        is_attribute = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if isinstance(node, ast.Name) or is_attribute:
            found.append(machine.source_of(machine.evaluate(cast("ast.expr", node))))
        elif isinstance(node, ast.Call):
            todo += node.args
        else:
            todo += children(node)
    return found


def evidence_of(program: Program, profile: RunProfile) -> LogEvidence | None:
    """What the log of the profile proves about the program; None without a log."""
    if not profile.log_lines or profile.log_file is None:
        return None
    prints = program.kept.get("prints")
    if not isinstance(prints, ProgramPrints):
        trees = {path: tree for path in program.sources if (tree := _tree(program, path)) is not None}
        prints = program.kept["prints"] = ProgramPrints.of(trees, program.sources)
    found = witnesses(prints, profile.log_lines, profile.claimed_values)
    settings = {name: one for name, one in found.settings.items() if name not in profile.attributes}
    return LogEvidence(profile.log_file, prints, found, settings)


def _tree(program: Program, path: str) -> ast.Module | None:
    return program.tree(path) if path.endswith(".py") else None


def take_in(machine: Machine, evidence: LogEvidence) -> None:
    """Let the walk use the evidence: its settings now, its branches where the walk comes to them."""
    machine.evidence = evidence
    proven = {
        name: Setting(
            value=str(value),
            source=f"{evidence.log_file}:{proof.log_line}",
            file=evidence.log_file,
            line=proof.log_line,
        )
        for name, (value, proof) in evidence.settings.items()
    }
    if proven:
        attributes = {**machine.profile.attributes, **proven}
        machine.profile = replace(machine.profile, attributes=attributes)
