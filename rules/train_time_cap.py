"""train-time-cap: training takes at most 600 seconds of wall clock on 8x H100.

What it checks
    The training clock at the stop of every counted run.
Why it matters
    Ten minutes of eight GPUs is the budget everybody has; more seconds buy more steps and a lower score.
What is allowed instead
    Stop on the clock before 600 seconds. The baseline checks the cap after a step, so an overshoot of one
    step passes; warm-up, compilation and periodic validation are not on this clock.
How it is detected
    The time printed on the stop line, else the last step's train_time, of the run that trained the counted
    artifact. Up to 600.0 s passes, up to 600.2 s passes with a remark, up to 605 s a person decides, above
    fails. Where the clock goes back while steps go on, its longest reading is judged, and a person is asked.
    A time printed in tenths of a minute is good to three seconds only and is judged so.
What it cannot see
    Whether the printed clock is right, what ran before it started, and whether the machine was idle.
Rulings
    README a15093ada (2026-03-18) sets 600 seconds. 44 of 127 merged logs end between 600.000 and 600.137 s.
    #1908 was not a row with 601.153 s (2026-04-29); #1945 re-ran after 602.048 s (2026-05-02).
Example
    seed 42 trained for 2,400.01 s, 1,800.01 s over the cap of 600 s (stop at step 13,780); stop by the
    clock and run it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, noted, passed, warned
from harness.evidence.clocks import measure_clocks, seconds_text
from harness.evidence.headline_runs import carries_headline
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.clocks import Clocks
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding
    from harness.logs.training_log import Run

RULE = "train-time-cap"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed."""
    if not case.evidence.seeds:
        yield not_checked(RULE, "no log of a counted run: nothing shows how long training took")
    for seed in case.evidence.seeds:
        yield _judge(case, seed, measure_clocks(seed))


def _judge(case: Case, seed: SeedEvidence, clocks: Clocks) -> Finding:
    who = seed_label(seed.seed)
    if clocks.training is None:
        return not_checked(
            RULE,
            f"{who}: no training log with a stop line or a step's train_time; ship the log of the run that "
            "trained the artifact",
        )
    cap = case.limits.number("time.train_cap_seconds")
    seconds, place = clocks.training.value, clocks.training.place("training clock at the stop")
    least = seconds - clocks.rounding_seconds
    said = f"{who} trained for {seconds_text(seconds)}"
    if clocks.rounding_seconds:
        said += f" (printed to a tenth of a minute, so {seconds_text(least)} or more)"
    run = seed.training_run
    overshoot = case.limits.number("time.one_step_overshoot_seconds")
    if seconds <= overshoot and run is not None and run.clock_falls:
        return _fallen(who, run, seconds, cap)
    if seconds <= cap:
        return passed(RULE, f"{said}, within {seconds_text(cap)}", place)
    over = f"{seconds_text(seconds - cap)} over the cap of {seconds_text(cap)}"
    if seconds <= overshoot:
        return noted(RULE, f"{said}, {over}: one step's overshoot, as in the baseline", place)
    if not carries_headline(case, seed):
        return warned(RULE, f"{said}, {over}; the headline comes from another run", place)
    most = case.limits.number("time.fail_above_seconds")
    if least <= most:
        return needs_human(
            RULE,
            f"{said}, {over}: more than one step's overshoot; up to {seconds_text(most)} a person decides",
            place,
            ask=f"Does {seconds_text(seconds)} of training still count as within {seconds_text(cap)}?",
        )
    step = _stopped_at(seed)
    return failed(RULE, f"{said}, {over}{step}; stop by the clock and run it again", place)


def _fallen(who: str, run: Run, longest: float, cap: float) -> Finding:
    """A clock that was set back shows a part of the training time only."""
    fall = run.clock_falls[0]
    return needs_human(
        RULE,
        f"{who}: the training clock goes back from {seconds_text(fall.before.value)} "
        f"(line {fall.before.line}) to {seconds_text(fall.after.value)} (line {fall.after.line}) while steps "
        f"go on; its longest reading is {seconds_text(longest)}, all its parts are "
        f"{seconds_text(run.summed_train_seconds)}, against {seconds_text(cap)}",
        fall.before.place("clock before"),
        fall.after.place("clock after", Role.RELATED),
        ask=f"Did the whole training take {seconds_text(cap)} or less?",
    )


def _stopped_at(seed: SeedEvidence) -> str:
    """Where it stopped, in brackets, where the log says so."""
    stop = seed.training_run.stop if seed.training_run else None
    return f" (stop at step {stop.step:,})" if stop is not None and stop.step is not None else ""
