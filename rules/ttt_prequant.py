"""ttt-prequant: no training on validation tokens before the artifact is written.

What it checks
    Updates on validation tokens that are inside what is written and read back before the counted score, and
    phases of test-time training that a counted run prints before the artifact is written.
Why it matters
    Whatever such a phase is called, the artifact then holds what was learned from the tokens it is scored on.
What is allowed instead
    Adapt during the counted pass, each token after its score is fixed.
How it is detected
    The static audit follows an update on validation tokens through the written file into the counted
    score. In logs a phase or a score line labelled pre-quantisation TTT fails. Another test-time-training
    phase, or its progress, that is printed before the artifact is written asks a person, unless the code
    was followed whole.
What it cannot see
    Adaptation that prints nothing in code that cannot be followed.
Rulings
    #1902 (2026-04-28) left pre-quantisation TTT out as leakage of future validation tokens; #1972 was
    refused for it (2026-05-02).
Example
    seed 42 trains on validation tokens for 523.6 s (train_seed42.log:170) before the artifact is written at
    line 172, and scores them afterwards; adapt only after a token's score is fixed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.score_order.family import member_verdict, order_of, own_findings, primary_rule
from harness.case import failed, needs_human, not_applicable, not_checked, passed
from harness.evidence.clocks import ActivityKind, measure_clocks, seconds_text
from harness.finding import Role, RuleVerdict
from harness.wording import listed, seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.score_order.reading import OrderReading
    from harness.case import Case
    from harness.evidence.clocks import Activity
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Sourced
    from harness.logs.training_log import EvalPass, Run

RULE = "ttt-prequant"

_AFTER_PREQUANT_TTT = re.compile(
    r"post[-_ ]?pre[-_ ]?quant[-_ ]?\w{0,8}[-_ ]?ttt|pre[-_ ]?quant[-_ ]?\w{0,8}ttt", re.IGNORECASE
)
_ADAPTS = re.compile(r"\bttt|test[-_ ]time", re.IGNORECASE)


def check(case: Case) -> Iterator[Finding]:
    """What the code shows, and one finding per seed's log."""
    mine, reading = own_findings(case, RULE), order_of(case)
    yield from mine
    judged = [_judge(seed) for seed in case.evidence.seeds if seed.run is not None]
    if reading is not None:
        judged = _beside_the_code(case, reading, judged)
    yield from judged
    if judged or mine:
        return
    unread = [log.path for log in case.submission.logs if log.unreadable]
    if unread:
        yield not_checked(RULE, f"{listed(unread, 3)} cannot be read as text: nothing shows when it adapts")
        return
    entry = case.submission.code.entry
    if entry is not None and entry.text is not None and not _ADAPTS.search(entry.text):
        yield not_applicable(RULE, "neither script nor log speaks of test-time training")
    else:
        yield not_checked(RULE, "no log of a counted run: nothing shows when it adapts")


def _beside_the_code(case: Case, reading: OrderReading, judged: list[Finding]) -> list[Finding]:
    """What logs say once the code was read: what they prove stays, what they only leave open is answered."""
    proven = [finding for finding in judged if finding.verdict is RuleVerdict.FAIL]
    stated = [b for b in reading.breaches if primary_rule(b.shape, case.submission.track) == RULE]
    if stated or proven:
        return proven
    asked = [finding for finding in judged if finding.verdict is RuleVerdict.NEEDS_HUMAN]
    if asked and not reading.is_clean:
        return asked
    clean = "no update on validation tokens is inside the artifact that is scored"
    return [member_verdict(case, RULE, clean=clean, absent="")]


def _judge(seed: SeedEvidence) -> Finding:
    run, who = seed.training_run or seed.run, seed_label(seed.seed)
    if run is None:
        return not_checked(RULE, f"{who}: no log")
    clocks = measure_clocks(seed)
    labelled = clocks.of_kind(ActivityKind.PREQUANT_ADAPTATION)
    scored = _labelled_pass(run)
    if labelled or scored is not None:
        return _breach(who, run, labelled, scored)
    written = _artifact_line(run)
    early = [
        phase
        for phase in clocks.of_kind(ActivityKind.ADAPTATION)
        if written is not None and phase.seconds.file == run.file and (phase.seconds.line or 0) < written
    ]
    if early:
        return needs_human(
            RULE,
            f"{who}: a test-time-training phase of {seconds_text(early[0].seconds.value)} is printed before "
            f"the artifact is written at line {written:,}; what it learned may be in the artifact",
            early[0].place(Role.PRIMARY),
            ask="Does the counted score use weights that this phase trained on validation tokens?",
        )
    return passed(
        RULE,
        f"{who}: no printed phase adapts between the training stop and the artifact",
        *((seed.counted.val_bpb.place("counted score"),) if seed.counted else ()),
    )


def _breach(who: str, run: Run, phases: tuple[Activity, ...], scored: EvalPass | None) -> Finding:
    first: Sourced[float] | None = phases[0].seconds if phases else scored.val_bpb if scored else None
    took = f" for {seconds_text(phases[0].seconds.value)}" if phases else ""
    where = f" ({first.file}:{first.line})" if first is not None else ""
    written = _artifact_line(run)
    before = f" before the artifact is written at line {written:,}" if written is not None else ""
    places = [first.place("pre-quantisation training on validation tokens")] if first is not None else []
    if phases and scored is not None:
        places.append(scored.val_bpb.place("score after it", Role.RELATED))
    return failed(
        RULE,
        f"{who} trains on validation tokens{took}{where}{before}, and scores them afterwards; adapt only "
        "after a token's score is fixed",
        *places,
    )


def _labelled_pass(run: Run) -> EvalPass | None:
    return next((each for each in run.passes if _AFTER_PREQUANT_TTT.search(each.label)), None)


def _artifact_line(run: Run) -> int | None:
    """The last line that prints the size of the compressed model or of the submission."""
    lines = [size.size_bytes.line for size in run.sizes if size.what in {"model", "total"} and size.label]
    return max((line for line in lines if line is not None), default=None)
