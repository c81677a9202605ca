"""Tries a script small, and where that fails in other ways, until it reaches a score or nothing is left.

Steps: everything small under the claimed run's settings; settings that the error names left as they are;
limits on the size of a tensor as written; the model's own width with two training steps; the script's
defaults instead of the claimed run's settings. A run that took too long or too much is only tried again with
two training steps, one that lacks a package only with the defaults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.dynamic.audit_run import LIMITS, run_child
from harness.dynamic.run_causes import CauseKind
from harness.dynamic.shrinking import ShrinkChoice
from harness.dynamic.tiny_scale import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.audit_subject import AuditSubject
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.shrinking import Shrink
    from harness.dynamic.tiny_data import TinyData
    from harness.sandbox.request import Sandbox, SandboxLimits

# Other settings change nothing about these.
_FINAL = frozenset(
    {
        CauseKind.MACHINE,
        CauseKind.DISK,
        CauseKind.OUTPUT,
        CauseKind.PROCESSES,
    }
)
_OF_A_PACKAGE = frozenset({CauseKind.MISSING_MODULE, CauseKind.CUDA_MODULE})
_LEAST = re.compile(r"(?:>=|at least|minimum(?: of)?|no less than)\s{0,3}(\d[\d_,]{0,12})")
FEW_STEPS = 2  # a schedule still has a first and a last one


class LadderStep(StrEnum):
    """Which way a script was driven; the later, the less it says about the claimed run."""

    SMALL = "small"
    WHOLE_LIMITS = "whole-limits"
    NAMED_KEPT = "named-kept"
    FEW_STEPS = "few-steps"
    OWN_WIDTH = "own-width"
    DEFAULTS = "defaults"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One step of the ladder with its run."""

    step: LadderStep
    choice: ShrinkChoice
    settings: Shrink
    plan: RunPlan
    run: AuditRun


def climb(
    subject: AuditSubject,
    data: TinyData,
    sandbox: Sandbox,
    limits: SandboxLimits = LIMITS,
    *,
    captures: bool = True,
    steps: int = STEPS,
    ranks: int = 1,
    device: str = "cpu",
    slot: int = 0,
    files: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Attempt]:
    """The attempts in order; only the last may have reached a score.

    `steps` are those of training, `ranks` the processes that run beside each other; on the `device` cuda
    nothing stands in for the GPU. `slot` is that of `run_child`, and so is `files`, which
    the last attempt has.
    """
    attempts: list[Attempt] = []
    for step, choice in _steps(subject, attempts, steps):
        settings = subject.shrunk(choice)
        if any(_is_same(settings, one.settings) for one in attempts):
            continue
        plan = subject.plan(settings, captures=captures, ranks=ranks, device=device)
        run = run_child(
            subject.folder,
            plan,
            data,
            sandbox,
            limits,
            names=subject.vocabulary.names,
            slot=slot,
            files=files,
            should_stop=should_stop,
        )
        attempts.append(Attempt(step=step, choice=choice, settings=settings, plan=plan, run=run))
        if run.cause is None or run.cause.kind in _FINAL or should_stop():
            break
    return attempts


def first_plan(subject: AuditSubject, *, ranks: int = 1, device: str = "cpu") -> RunPlan:
    """What `climb` tries first."""
    return subject.plan(subject.shrunk(ShrinkChoice(steps=STEPS)), ranks=ranks, device=device)


def _steps(
    subject: AuditSubject, attempts: list[Attempt], steps: int
) -> Iterator[tuple[LadderStep, ShrinkChoice]]:
    """Each next step, in the light of how the ones before failed."""
    base = ShrinkChoice(steps=steps)
    yield LadderStep.SMALL, base
    cause = attempts[-1].run.cause
    if cause is not None and cause.kind in {CauseKind.TIME, CauseKind.MEMORY}:
        yield LadderStep.FEW_STEPS, replace(base, steps=FEW_STEPS)
        return
    if cause is not None and cause.kind in _OF_A_PACKAGE:
        if subject.claimed:  # a switch of the claimed run may be all that asks for it
            yield LadderStep.DEFAULTS, replace(base, without_claim=True)
        return
    named = _named_settings(subject, attempts[-1], base)
    if named != base:
        yield LadderStep.NAMED_KEPT, named
    yield LadderStep.WHOLE_LIMITS, replace(base, keeps_limits=True)
    yield LadderStep.OWN_WIDTH, replace(base, keeps_width=True, steps=FEW_STEPS)
    if subject.claimed:
        yield LadderStep.DEFAULTS, replace(base, without_claim=True)


def _named_settings(subject: AuditSubject, attempt: Attempt, base: ShrinkChoice) -> ShrinkChoice:
    """Another way with the settings the error speaks of.

    One that was made small gets the least the error allows, or stays as it was; one that the claimed run set
    and we left alone does not go with tiny data, and the script's default is taken.
    """
    cause = attempt.run.cause
    if cause is None:
        return base
    targets = {(knob.target or knob.name).lower(): knob.name.lower() for knob in subject.knobs.knobs}
    named = {targets.get(name, name) for name in cause.names} | cause.names
    settings = attempt.settings
    untouched = {
        name.lower() for name, value in subject.claimed.items() if settings.environment.get(name) == value
    }
    small = {name.lower() for name in (*settings.environment, *settings.literals)} - untouched
    least = _LEAST.search(cause.message)
    if least is not None and named & small:
        wanted = int(re.sub(r"\D", "", least[1]))
        return replace(base, at_least=dict.fromkeys(sorted(named & small), wanted))
    return replace(base, kept=frozenset(named & small), dropped=frozenset(named & untouched))


def _started_with(settings: Shrink) -> tuple[object, ...]:
    return settings.environment, settings.argv, settings.literals, settings.element_scale


def _is_same(one: Shrink, other: Shrink) -> bool:
    return _started_with(one) == _started_with(other)
