"""The settings a submission's own code takes, as frozen data; read in the guarded process."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.code.guarded_process import Guard, LimitHit, shared_worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.submission import Submission

READER = "harness.dynamic.knob_reading:read_knobs"
GUARD = Guard()


class KnobKind(StrEnum):
    """How a script takes a setting."""

    ENVIRONMENT = "environment"
    OPTION = "option"  # of the command line
    CLASS = "class"  # attribute of a class of settings
    MODULE = "module"  # constant of a module
    PARAMETER = "parameter"  # default of a parameter, or passed by keyword
    LOCAL = "local"  # constant that a function binds once


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One setting. `value` is the default as text, None where there is none or it is computed."""

    name: str
    kind: KnobKind
    value: str | None
    type: str
    """Of the default: int, float, str, bool, NoneType."""
    target: str | None = None
    """The name that keeps an environment variable's value."""
    of_ranks: bool = False
    """Whether `value` is what eight ranks have by default, and one rank has another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptKnobs:
    """All settings of a script and its modules, and the texts that name data files."""

    knobs: tuple[Knob, ...] = ()
    texts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    """Places that speak of the audit itself."""
    has_micro_batches: bool = False
    """Whether a step takes as many passes as there are ranks less than eight (`micro_batches`)."""
    least: Mapping[str, int] = field(default_factory=dict)
    """The smallest values that the script says it takes, by name in lower case."""

    def least_of(self, knob: Knob) -> int | None:
        """The smallest value of a setting that the script takes, under the name of it that it asks about."""
        said = [
            self.least[name.lower()] for name in (knob.name, knob.target or "") if name.lower() in self.least
        ]
        return max(said, default=None)

    def of(self, *kinds: KnobKind) -> Iterator[Knob]:
        """Those of some kinds, in order of appearance."""
        return (knob for knob in self.knobs if knob.kind in kinds)


def script_knobs(submission: Submission) -> ScriptKnobs:
    """Read the entry script and every Python file it reaches. Raises `SetupError` as the guarded reader."""
    code = submission.code
    sources = [
        one
        for one in (code.entry, *code.closure)
        if one is not None and one.text is not None and one.path.endswith(".py")
    ]
    worker = shared_worker(READER, GUARD)
    try:
        result = worker.call(
            {"paths": [one.path for one in sources]}, [(one.text or "").encode() for one in sources]
        )
    except LimitHit as hit:
        return ScriptKnobs(problems=(f"the settings of the script could not be read: {hit}",))
    return ScriptKnobs(
        knobs=tuple(
            Knob(
                name=str(one["name"]),
                kind=KnobKind(one["kind"]),
                value=one["value"],
                type=str(one["type"]),
                target=one.get("target"),
                of_ranks=bool(one.get("of_ranks")),
            )
            for one in result["knobs"]
        ),
        texts=tuple(str(text) for text in result["texts"]),
        problems=tuple(str(problem) for problem in result["problems"]),
        reached=tuple(str(place) for place in result["reached"]),
        has_micro_batches=bool(result["micro_batches"]),
        least={str(name): int(value) for name, value in result["least"].items()},
    )
