"""artifact-creation-timed: making the artifact is not a free third phase.

What it checks
    Seconds after the training stop that are on neither clock: self-generated calibration data, quantising,
    compressing.
Why it matters
    Work that improves the artifact between training and evaluation is compute nobody else has.
What is allowed instead
    Do it before the 600 seconds end. Quantising and compressing without reading data has been left
    uncounted in every accepted row.
How it is detected
    Durations the log prints after the stop. Compression alone is a remark with its seconds; calibration on
    data the model generates, when it pushes training over its cap, is put to a person.
What it cannot see
    Steps whose duration is not printed.
Rulings
    #569 (2026-03-24): artifact creation would not be regarded as untimed. Practice leaves compression
    uncounted: 99.9 s in #1855, 1,121 s in #1868. #1019 and #1204 were merged with about 200 and 240 s of
    self-generated calibration after 600 s.
Example
    seed 42: 198.3 s of calibration on self-generated data after 600.025 s of training are on neither
    clock; rows were merged with 200 to 240 s of it, and artifact creation was also called not untimed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked, noted, passed
from harness.evidence.clocks import ActivityKind, measure_clocks, seconds_text, total
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.clocks import Clocks
    from harness.finding import Finding

RULE = "artifact-creation-timed"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed that times anything after the stop."""
    silent = True
    for seed in case.evidence.seeds:
        clocks = measure_clocks(seed)
        if clocks.training is None:
            continue
        finding = _generated(case, clocks) or _packing(clocks)
        if finding is not None:
            silent = False
            yield finding
    if silent:
        yield not_checked(RULE, "no log times what happens between the stop and the evaluation")


def _generated(case: Case, clocks: Clocks) -> Finding | None:
    made = clocks.of_kind(ActivityKind.SELF_GENERATION)
    if not made or clocks.training is None:
        return None
    together = clocks.training.value + total(made) + clocks.calibration_seconds
    places = (
        made[0].place(Role.PRIMARY),
        clocks.training.place("training clock at the stop", Role.RELATED),
    )
    said = f"{seed_label(clocks.seed)}: {seconds_text(total(made))} of calibration on self-generated data"
    if together <= case.limits.number("time.one_step_overshoot_seconds"):
        return passed(RULE, f"{said} end {seconds_text(together)} into the budget", *places)
    return needs_human(
        RULE,
        f"{said} after {seconds_text(clocks.training.value)} of training are on neither clock; rows were "
        "merged with 200 to 240 s of it, and artifact creation was also called not untimed",
        *places,
        ask=f"May {seconds_text(total(made))} of self-generated calibration stay off the clock, as in #1019?",
    )


def _packing(clocks: Clocks) -> Finding | None:
    packing = clocks.of_kind(ActivityKind.PACKING)
    if not packing:
        return None
    return noted(
        RULE,
        f"{seed_label(clocks.seed)}: {seconds_text(total(packing))} of quantising and compressing after the "
        "stop, left uncounted as in every accepted row",
        *(activity.place(Role.PRIMARY if activity is packing[0] else Role.RELATED) for activity in packing),
    )
