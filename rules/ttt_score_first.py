"""ttt-score-first: test-time training uses only tokens already graded.

What it checks
    Whether a counted run prints a finished test-time-training phase before the pass that is counted.
Why it matters
    A model that has trained on the whole validation set before it is scored has seen every answer.
What is allowed instead
    Score a chunk, then train on it, inside the counted pass.
How it is detected
    The log ends a test-time-training phase, prints another evaluation pass, and only then the counted line:
    that phase is not inside the counted pass. Its order inside the code is for the static audit, so a person
    decides.
What it cannot see
    The order inside one pass: without the code audit this rule is never a pass.
Rulings
    README fc6332a9c (2026-03-20) and #44 (2026-03-19): train only on tokens already graded. #549 is the
    accepted chunked form.
Example
    seed 1337: a test-time-training phase of 107 s ends at logs/seed1337.txt:4283, before the counted pass at
    line 4288 scores anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked
from harness.evidence.clocks import ActivityKind, measure_clocks, seconds_text
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "ttt-score-first"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed whose log shows a separate phase, else one that says what is missing."""
    found = False
    for seed in case.evidence.seeds:
        phases = [a for a in measure_clocks(seed).headline_path if a.kind is ActivityKind.ADAPTATION]
        if not phases or seed.counted is None:
            continue
        found = True
        first, counted = phases[0].seconds, seed.counted.val_bpb
        yield needs_human(
            RULE,
            f"{seed_label(seed.seed)}: a test-time-training phase of {seconds_text(first.value)} ends at "
            f"{first.file}:{first.line}, before the counted pass at line {counted.line} scores anything",
            phases[0].place(Role.PRIMARY),
            counted.place("counted score", Role.RELATED),
            ask="Does the counted score use weights trained on validation tokens that it scores?",
        )
    if not found:
        yield not_checked(
            RULE,
            "no log shows a training phase apart from the counted pass; the order inside it is in the code, "
            "for the static audit",
        )
