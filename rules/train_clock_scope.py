"""train-clock-scope: the training clock starts after warm-up, with everything restored.

What it checks
    How many seconds and steps of warm-up a log shows before the clock starts.
Why it matters
    Warm-up steps that leave weights, optimizer state or a loader position behind are free training.
What is allowed instead
    Warm up as long as you like if weights, optimizer and loader are restored before the clock starts, as
    the baseline does.
How it is detected
    Only printed facts: the warm-up steps of the settings and durations of warm-up before the stop. More
    than 300 s is a remark. Whether state is restored is for the static audit.
What it cannot see
    What warm-up leaves behind: without the code audit this rule is never a pass.
Rulings
    Default behaviour of train_gpt.py on main since 2026-03-18: 20 steps, state restored, validation outside
    the timer. No staff ruling limits warm-up.
Example
    20 warm-up steps are set; no log shows whether their state is restored: that needs the static audit
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import not_checked, noted
from harness.evidence.clocks import ActivityKind, kind_of, seconds_text
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.logs.training_log import Run

RULE = "train-clock-scope"


def check(case: Case) -> Iterator[Finding]:
    """A remark on long warm-ups, then what the logs leave open."""
    runs = [seed.training_run for seed in case.evidence.seeds if seed.training_run is not None]
    for run in runs:
        yield from _long_warm_up(case, run)
    steps = next(
        (run.hyperparameters[key] for run in runs for key in _STEP_KEYS if key in run.hyperparameters), None
    )
    seen = f"{steps.value} warm-up steps are set" if steps is not None else "no log prints its warm-up steps"
    yield not_checked(
        RULE,
        f"{seen}; no log shows whether their state is restored: that needs the static audit",
        *((steps.place("warm-up steps"),) if steps is not None else ()),
    )


_STEP_KEYS = ("warmup_steps", "compile_warmup_steps")


def _long_warm_up(case: Case, run: Run) -> Iterator[Finding]:
    allowed = case.limits.number("time.warmup_info_seconds")
    before = [timed for timed in run.timed if not timed.after_stop and kind_of(timed) is ActivityKind.WARM_UP]
    seconds = sum(timed.seconds.value for timed in before)
    if seconds > allowed:
        yield noted(
            RULE,
            f"{seconds_text(seconds)} of warm-up before the clock starts, more than {seconds_text(allowed)}",
            before[0].seconds.place("warm-up", Role.PRIMARY),
        )
