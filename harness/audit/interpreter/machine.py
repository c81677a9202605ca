"""The state of a walk, and the doors between the parts of the interpreter and the libraries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from harness.audit.events import Spot, Unresolved
from harness.audit.interpreter import branches, calls, expressions, merging, objects, provenance, statements
from harness.audit.interpreter.consulted import Consulted
from harness.audit.interpreter.heap import Extern, Obj, Scope
from harness.audit.interpreter.recorder import Recorder
from harness.audit.interpreter.trail import Heap
from harness.audit.interpreter.values import ANYTHING, NOTHING, Source, Value

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Hashable

    from harness.audit.interpreter.budget import Budget
    from harness.audit.interpreter.flows import Waiting
    from harness.audit.interpreter.log_evidence import LogEvidence
    from harness.audit.interpreter.machine_frame import Frame, LoopFrame
    from harness.audit.libraries.dispatch import Registry
    from harness.audit.program import Program
    from harness.audit.run_profile import RunProfile

_A = TypeVar("_A")


@dataclass(slots=True)
class Machine:
    """One walk of one program under one profile."""

    program: Program
    profile: RunProfile
    registry: Registry
    budget: Budget
    heap: Heap = field(default_factory=Heap)
    recorder: Recorder = field(default_factory=Recorder)
    frames: list[Frame] = field(default_factory=list)
    loops: list[LoopFrame] = field(default_factory=list)
    finished_loops: set[int] = field(default_factory=set)
    last_loop: int = 0
    modules: dict[str, Scope] = field(default_factory=dict)
    externs: dict[str, Value] = field(default_factory=dict)
    states: dict[int, Obj] = field(default_factory=dict)
    disk: Obj = field(default_factory=lambda: Obj(0))  # slot = path text, value = what was written
    consulted: Consulted = field(default_factory=Consulted)
    facts: dict[str, Any] = field(default_factory=dict)  # scratch space of libraries, by their name
    waiting: list[Waiting] = field(default_factory=list)
    tries: list[object] = field(default_factory=list)
    conditions: list[Value] = field(default_factory=list)  # unknown conditions being assumed
    no_grad: int = 0
    here: Spot = field(default_factory=lambda: Spot(file="", line=0))  # the statement being walked
    forwards: int = 0  # nesting of network calls
    unresolved: set[tuple[str, str]] = field(default_factory=set)
    evidence: LogEvidence | None = None  # what the log of the run settles

    @property
    def frame(self) -> Frame:
        """The function being walked."""
        return self.frames[-1]

    def spot(self, node: ast.AST) -> Spot:
        """The line of a node of the function being walked."""
        return self.recorder.spot(self.frames[-1].file, node)

    # Doors to the other parts, which take the machine first; one more call for each would be dear.
    evaluate = expressions.evaluate  # the value of an expression
    run = statements.run  # walk statements: what ended them early, or None
    call = calls.call  # call a value
    attribute = objects.attribute  # read `value.name`
    set_attribute = objects.set_attribute  # write `value.name = to`
    decide = branches.decide  # one arm where the condition is known, both and their merge where it is not
    source_of = provenance.source_of  # where a value came from, the present content of a tensor included
    deep_source = provenance.deep_source  # where a value and all it contains came from

    def call_method(
        self, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
    ) -> Value:
        """Call `receiver.name(...)`."""
        return calls.call(self, self.attribute(receiver, name, node), args, kwargs, node)

    def ask(self, question: Hashable, answer: Callable[[RunProfile], _A]) -> _A:
        """What the run profile answers. Nothing may read the profile past this door."""
        return self.consulted.ask(self.profile, question, answer)

    def join(self, one: Value, other: Value) -> Value:
        """A value that is one or the other."""
        return merging.join(self.heap, one, other)

    def extern(self, path: str) -> Value:
        """The library object of this dotted name."""
        found = self.externs.get(path)
        if found is None:
            found = self.externs[path] = Value(ref=Extern(self.heap.new_id(), path))
        return found

    def new(self, source: Source = NOTHING) -> Value:
        """An unknown value from there."""
        return Value(source=source) if source is not NOTHING else ANYTHING

    def cannot_see(self, reason: str, detail: str, node: ast.AST, on_path: bool = False) -> None:
        """Record once that something could not be followed."""
        key = (
            reason,
            f"{detail}:{self.frames[-1].file}:{getattr(node, 'lineno', 0)}" if self.frames else detail,
        )
        if key not in self.unresolved and len(self.unresolved) < 500:
            self.unresolved.add(key)
            self.recorder.record(
                Unresolved, self.spot(node), reason=reason, detail=detail[:200], on_path=on_path
            )
