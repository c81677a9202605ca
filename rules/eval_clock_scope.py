"""eval-clock-scope: every pass over validation that the reported number needs is on the evaluation clock.

What it checks
    What runs after the training stop besides the counted pass, and whether an n-gram precompute was moved
    out of the timer.
Why it matters
    A timer that starts late makes any evaluation fit 600 seconds.
What is allowed instead
    In practice decompression, compilation on random tokens and extra diagnostics are not counted; a table
    built from validation tokens is.
How it is detected
    Durations printed after the stop are summed on two wider clocks (all evaluation passes; everything after
    the stop) and reported when they pass 600 s: a remark in practice, a question in the text profile. A
    precompute that the log says is outside the timer is a warning when it still fits, else eval-time-cap
    fails. In the code, a function that is given validation tokens after training and before the clock of an
    evaluation starts, and whose result that evaluation uses, is a warning unless the claimed run switches
    it off.
What it cannot see
    Phases without a printed duration; whether warm-up used random tokens; work in another function than the
    one that reads the clock.
Rulings
    Rows of 2026-04-29 start `total_eval_time` after warm-up. Precompute inside the timer: #1514, #2135,
    #2140. #1855 spends 896 s after the stop, 509 s of it in the counted pass.
Example
    seed 42: 896.1 s are printed after the stop, 509.2 s of them for the counted pass and what it needs,
    640.8 s for all evaluation passes; the rest is left uncounted in practice
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.scans.setting_values import holds
from harness.case import Profile, needs_human, not_checked, noted, passed, warned
from harness.evidence.clocks import ActivityKind, measure_clocks, seconds_text, total
from harness.evidence.code_facts import fact_place, scan_facts
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.clocks import Clocks
    from harness.finding import Finding

RULE = "eval-clock-scope"


def check(case: Case) -> Iterator[Finding]:
    """At least one finding per seed with a timed pass."""
    clocks = [measure_clocks(seed) for seed in case.evidence.seeds]
    timed = [each for each in clocks if each.counted is not None]
    yield from _before_the_clock(case)
    if not timed:
        yield not_checked(RULE, "no log prints the time of a counted pass")
    for each in timed:
        outside = [a for a in each.of_kind(ActivityKind.PRECOMPUTE) if a.outside_timer]
        if outside:
            yield warned(
                RULE,
                f"{seed_label(each.seed)}: {seconds_text(total(outside))} of n-gram precompute on "
                "validation tokens stand outside the evaluation timer; accepted rows build it inside",
                outside[0].place(Role.PRIMARY),
            )
        yield _wider_clocks(case, each)


def _before_the_clock(case: Case) -> Iterator[Finding]:
    """The first call that works on validation off the clock, in the claimed run."""
    run = case.audit.claim_run if case.audit is not None else None
    for fact in scan_facts(case, "before_the_clock") or ():
        if holds(fact["tests"], run) is False:
            continue
        start = {"file": fact["file"], "line": fact["start"]}
        yield warned(
            RULE,
            f"{fact['call']} at {fact['file']}:{fact['line']} is given validation tokens before the clock of "
            f"the evaluation starts (line {fact['start']:,}), and the evaluation uses what it makes; "
            "accepted rows do this inside",
            fact_place(case, fact, "works on validation", Role.PRIMARY),
            fact_place(case, start, "the clock starts"),
        )
        return


def _wider_clocks(case: Case, clocks: Clocks) -> Finding:
    cap = case.limits.number("time.eval_cap_seconds")
    counted = clocks.evaluation_seconds or 0.0
    wide = max(clocks.after_stop_seconds, counted)
    who = seed_label(clocks.seed)
    place = clocks.counted.place("counted pass") if clocks.counted is not None else None
    places = () if place is None else (place,)
    if wide <= cap:
        return passed(
            RULE,
            f"{who}: everything timed after the stop takes {seconds_text(wide)}, within {seconds_text(cap)}",
            *places,
        )
    said = (
        f"{who}: {seconds_text(wide)} are printed after the stop, {seconds_text(counted)} of them for the "
        f"counted pass and what it needs, {seconds_text(clocks.all_evaluation_seconds)} for all evaluation "
        "passes"
    )
    if case.profile is Profile.TEXT and counted <= cap:
        return needs_human(
            RULE,
            said,
            *places,
            ask=f"Is all beyond the first {seconds_text(cap)} beside what the README calls evaluation?",
        )
    return noted(RULE, f"{said}; the rest is left uncounted in practice", *places)
