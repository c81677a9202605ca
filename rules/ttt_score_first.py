"""ttt-score-first: test-time training uses only tokens already graded.

What it checks
    Whether the state that computes a counted loss had learned from its tokens, and whether a counted run
    prints a finished test-time-training phase before the pass that is counted.
Why it matters
    A model that has trained on the whole validation set before it is scored has seen every answer.
What is allowed instead
    Score a chunk, then train on it, inside the counted pass.
How it is detected
    The static audit follows validation tokens into every update and every counted loss, in the claimed
    configuration; a breach shows the lines in the order they run. Another documented configuration that
    breaches is a finding of its own. Where the code cannot be followed the log is asked: it ends a phase,
    prints another evaluation pass, and only then the counted line. Then a person decides.
What it cannot see
    Code it cannot follow: then this rule is never a pass.
Rulings
    README fc6332a9c (2026-03-20) and #44 (2026-03-19): train only on tokens already graded. #549 is the
    accepted chunked form.
Example
    the score printed at train_gpt.py:1846 is computed at train_gpt.py:1834 with a state that has already
    learned from the validation tokens it scores: optimizer.step at train_gpt.py:1179 (called from
    train_gpt.py:1802, 10 epochs) runs before it. Score each token before anything learns from it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.score_order.family import (
    elsewhere_finding,
    member_verdict,
    order_of,
    own_findings,
    said_without_log,
)
from harness.audit.score_order.other_profiles import differing_profiles
from harness.audit.submission_audit import why_no_audit
from harness.case import needs_human, not_checked
from harness.evidence.clocks import ActivityKind, measure_clocks, seconds_text
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.score_order.reading import OrderReading
    from harness.case import Case
    from harness.finding import Finding

RULE = "ttt-score-first"


def check(case: Case) -> Iterator[Finding]:
    """The breach, else what the code shows, else what the logs say."""
    reading = order_of(case)
    mine = own_findings(case, RULE)
    others = list(differing_profiles(case, RULE))
    yield from mine
    yield from others
    if mine:
        return
    if reading is not None and reading.breaches:
        yield elsewhere_finding(case, reading, RULE)
    elif reading is not None and reading.is_clean:
        yield _clean(case, reading)
    else:
        asked = [*_unconfirmed(case, reading), *_separate_phases(case)]
        yield from asked
        if not asked and not others:
            yield not_checked(RULE, _why_open(case, reading))


def _clean(case: Case, reading: OrderReading) -> Finding:
    return member_verdict(
        case,
        RULE,
        is_used=reading.adapts,
        clean="every token of the claimed score is scored before anything learns from it",
        absent="nothing in the claimed configuration learns from validation tokens before or while they "
        "are scored",
    )


def _unconfirmed(case: Case, reading: OrderReading | None) -> Iterator[Finding]:
    """Words on test-time training without a log that shows it, and a script that does not do it."""
    said = said_without_log(case)
    if said is None or reading is None or reading.index.validation_updates():
        return
    if reading.index.validation_scores():
        yield needs_human(
            RULE,
            f"the submission speaks of test-time training ({said.value[:120]!r}), but in the configuration "
            "at hand the script does none, and no log shows how the claimed score was made",
            said.place("its own words"),
            ask="Was the claimed score made with test-time training that learned from tokens before they "
            "were scored?",
        )


def _why_open(case: Case, reading: OrderReading | None) -> str:
    if reading is None:
        why = why_no_audit(case) or "the static audit of the code was not run"
        return f"no log shows a training phase apart from the counted pass, and {why}"
    return reading.open_reason or "unresolved: no score reached the printed number"


def _separate_phases(case: Case) -> Iterator[Finding]:
    """One question per seed whose log shows a phase apart from the counted pass."""
    for seed in case.evidence.seeds:
        phases = [a for a in measure_clocks(seed).headline_path if a.kind is ActivityKind.ADAPTATION]
        if not phases or seed.counted is None:
            continue
        first, counted = phases[0].seconds, seed.counted.val_bpb
        yield needs_human(
            RULE,
            f"{seed_label(seed.seed)}: a test-time-training phase of {seconds_text(first.value)} ends at "
            f"{first.file}:{first.line}, before the counted pass at line {counted.line} scores anything",
            phases[0].place(Role.PRIMARY),
            counted.place("counted score", Role.RELATED),
            ask="Does the counted score use weights trained on validation tokens that it scores?",
        )
