"""calibration-in-train-budget: steps that read training data finish inside the 600 training seconds.

What it checks
    The training clock plus every activity after the stop that reads training data to change the artifact:
    GPTQ or AWQ statistics, pruning calibration.
Why it matters
    Data read after the 600 seconds is training data used at evaluation, which the README forbids.
What is allowed instead
    Reserve the seconds: stop training early enough that calibration ends before 600 s. Data the model
    generates itself reads no training data (its time is a matter of artifact-creation-timed).
How it is detected
    Durations the log prints after the stop for Hessian collection or calibration, added to the stop time.
    Up to 600.2 s passes, up to 605 s a person decides, above fails. An activity whose data source the log
    does not name is taken to read training data only up to NEEDS-HUMAN. Without a printed duration, code
    that reads training data after a loop whose cap keeps nothing back asks a person.
What it cannot see
    Calibration whose duration is not printed, and which files were really read.
Rulings
    #569 (2026-03-24) and #677 (2026-03-25): calibration on training data after the cap counts as training
    data at evaluation. Merged rows since ran up to 604.3 s (#1855); reruns with a reserve ended at 595.6 s
    (#1868).
Example
    seed 42: 599.571 s of training and 4.7 s of calibration after it make 604.271 s, 4.271 s over the cap
    of 600 s; overruns this small were closed in March and merged in April
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_applicable, not_checked, passed, warned
from harness.evidence.calibration_code import late_reads, seconds_of_cap
from harness.evidence.clocks import ActivityKind, measure_clocks, seconds_text, total
from harness.evidence.code_facts import fact_place, of_the_logs
from harness.evidence.headline_runs import carries_headline
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.clocks import Clocks
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding

RULE = "calibration-in-train-budget"

_CALIBRATES = re.compile(r"hessian|calibrat|gptq", re.IGNORECASE)


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed; one for the submission when nothing calibrates."""
    clocks = [(seed, measure_clocks(seed)) for seed in case.evidence.seeds]
    timed = [pair for pair in clocks if pair[1].of_kind(ActivityKind.CALIBRATION)]
    for seed, each in timed:
        yield _judge(case, seed, each)
    generated = [each for _, each in clocks if each.of_kind(ActivityKind.SELF_GENERATION)]
    if generated and not timed:
        yield passed(
            RULE,
            "the log says that calibration after the stop uses data the model generates itself"
            f"{of_the_logs(case)}",
            generated[0].of_kind(ActivityKind.SELF_GENERATION)[0].place(Role.PRIMARY),
        )
    elif not timed:
        yield _nothing_timed(case)


def _nothing_timed(case: Case) -> Finding:
    code = case.submission.code.entry
    if code is not None and code.text is not None and not _CALIBRATES.search(code.text):
        return not_applicable(RULE, "the script has no calibration step")
    reads, cap = late_reads(case), seconds_of_cap(case)
    if reads and cap is not None and cap >= case.limits.number("time.train_cap_seconds"):
        return needs_human(
            RULE,
            f"{reads[0]['file']}:{reads[0]['line']} reads training data after the training loop, no reserve "
            "is subtracted from its cap, and no log prints how long that took",
            fact_place(case, reads[0], "after the training loop", Role.PRIMARY),
            ask="Do training and this read together take more than 600 seconds?",
        )
    if reads and cap is not None:
        return not_checked(
            RULE,
            f"{reads[0]['file']}:{reads[0]['line']} reads training data after the training loop, which keeps "
            "seconds back for it; no log prints how long it took; log the seconds of the read",
        )
    return not_checked(
        RULE,
        "no log prints how long calibration took; log the seconds of every step that reads training data "
        "after the stop",
    )


def _judge(case: Case, seed: SeedEvidence, clocks: Clocks) -> Finding:
    who = seed_label(seed.seed)
    calibration = clocks.of_kind(ActivityKind.CALIBRATION)
    if clocks.training is None or clocks.training_total_seconds is None:
        return not_checked(
            RULE,
            f"{who}: calibration took {seconds_text(total(calibration))}, but no log shows when training "
            "ended",
            calibration[0].place(Role.PRIMARY),
        )
    cap = case.limits.number("time.train_cap_seconds")
    together = clocks.training_total_seconds
    places = (
        calibration[0].place(Role.PRIMARY),
        clocks.training.place("training clock at the stop", Role.RELATED),
    )
    said = (
        f"{who}: {seconds_text(clocks.training.value)} of training and {seconds_text(total(calibration))} "
        f"of calibration after it make {seconds_text(together)}"
    )
    if together <= case.limits.number("time.one_step_overshoot_seconds"):
        return passed(RULE, f"{said}, within {seconds_text(cap)}{of_the_logs(case)}", *places)
    over = f"{said}, {seconds_text(together - cap)} over the cap of {seconds_text(cap)}"
    if not carries_headline(case, seed):
        return warned(RULE, f"{over}; the headline comes from another run", *places)
    named = all(_names_training_data(activity.seconds.excerpt or "", seed) for activity in calibration)
    if together - clocks.rounding_seconds <= case.limits.number("time.fail_above_seconds") or not named:
        return needs_human(
            RULE,
            f"{over}; "
            f"{'overruns this small were closed in March and merged in April' if named else _UNNAMED}",
            *places,
            ask="Is the overrun tolerable, as it was in #1855 but not in #569?"
            if named
            else "Does this calibration read training data?",
        )
    reserve = math.ceil(total(calibration))
    advice = f"raise the reserve to at least {reserve:,} s"
    if clocks.training.value > case.limits.number("time.fail_above_seconds"):
        advice = "training alone is over; calibration counts with it"
    return failed(RULE, f"{over}; {advice}", *places)


_UNNAMED = "the log does not say which data it reads"


def _names_training_data(line: str, seed: SeedEvidence) -> bool:
    """True when Hessians are collected: outside self-generation every known script reads training shards."""
    run = seed.training_run or seed.run
    reads = {timed.reads_data for timed in run.timed if timed.seconds.excerpt == line} if run else set()
    return "train" in reads or (
        "unknown" in reads and re.search(r"hessian|calibrat", line, re.IGNORECASE) is not None
    )
