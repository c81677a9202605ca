"""How the rules about score before update share one reading: each breach is stated once, elsewhere named.

The most specific rule of the track carries the evidence; the two conditions it breaks carry a short FAIL that
names it; the other members step back, so that a reviewer reads one finding per fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.score_order.breach import Shape
from harness.audit.score_order.breach_wording import message_of, question_of
from harness.audit.score_order.evidence_chain import (
    at,
    breach_places,
    placed,
    score_spot,
    witness_places,
)
from harness.audit.score_order.reading import read_order
from harness.audit.score_order.setting_words import settings_behind
from harness.audit.score_order.stated_plans import is_planned
from harness.audit.submission_audit import why_no_audit
from harness.case import failed, needs_human, not_applicable, not_checked, passed
from harness.evidence.clocks import ActivityKind, measure_clocks
from harness.evidence.code_facts import native_code
from harness.evidence.stated_methods import named, readme_says
from harness.submission import Track

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.audit.score_order.breach import Breach
    from harness.audit.score_order.protocols import Protocol
    from harness.audit.score_order.reading import OrderReading
    from harness.case import Case
    from harness.finding import Finding, Place, Sourced

_PRIMARY = {
    Shape.ADAPT_THEN_SCORE: "ttt-score-first",
    Shape.DISCARDED_SCORE: "ttt-score-first",
    Shape.SWAPPED: "ttt-score-first",
    Shape.AHEAD: "ttt-score-first",
    Shape.RESCORE: "two-pass-rescore",
    Shape.TABLE_FIRST: "two-pass-rescore",
    Shape.TARGET_INSIDE: "c2-normalized",
    Shape.EPOCHS: "ttt-multi-epoch",
    Shape.LOWEST_OF_PASSES: "oracle-min",
    Shape.PREQUANT: "ttt-prequant",
    Shape.VAL_TRAINING: "no-val-in-training",
    Shape.VAL_CALIBRATION: "val-calibration",
    Shape.SLOT_SCORED: "slot-scored-region",
    Shape.SLOT_CONTEXT: "slot-context-only",
}
# These bind the record track only; elsewhere the README's sentence on test-time training speaks alone.
_RECORD_ONLY = {"ttt-prequant", "slot-scored-region", "slot-context-only"}

UNCONFIRMED = "speaks of test-time training, which the configuration at hand does not do; no log decides"
_ADAPTS = re.compile(r"\bTTT\b|\btest[- ]time[- ](?:train|adapt)", re.IGNORECASE)

_last: list[tuple[Case, OrderReading]] = []  # the newest reading: every member of the family asks for it


def primary_rule(shape: Shape, track: Track) -> str:
    """The rule that carries the evidence of a breach of this shape."""
    rule = _PRIMARY[shape]
    return "ttt-score-first" if rule in _RECORD_ONLY and track is not Track.RECORD else rule


def order_of(case: Case) -> OrderReading | None:
    """The reading of the claimed profile, None without an audit."""
    if case.audit is None or why_no_audit(case) is not None:
        return None
    if not _last or _last[0][0] is not case:
        words = said_without_log(case)
        found = None if words is None else f"{words.file}:{words.line or 1} {UNCONFIRMED}"
        reading = read_order(
            case.audit.claim, log_adapts=_log_adapts(case), words=found, hidden=native_code(case)
        )
        _last[:] = [(case, reading)]
    return _last[0][1]


def said_without_log(case: Case) -> Sourced[str] | None:
    """The submission's words on test-time training where no log shows how the claim was made."""
    run = case.audit.claim_run if case.audit is not None else None
    if run is not None and run.kind.value == "log":
        return None
    told = (one for one in readme_says(case.submission, _ADAPTS) if not is_planned(case.submission, one))
    return named(case.submission, _ADAPTS) or next(told, None)


def _log_adapts(case: Case) -> bool:
    """Whether a counted run prints a phase of test-time training."""
    kinds = {ActivityKind.ADAPTATION, ActivityKind.PREQUANT_ADAPTATION}
    return any(
        activity.kind in kinds
        for seed in case.evidence.seeds
        for activity in measure_clocks(seed).headline_path
    )


def own_findings(case: Case, rule: str) -> list[Finding]:
    """The breaches this rule is the place for: violations, and questions where the chain has a gap."""
    reading = order_of(case)
    if reading is None:
        return []
    mine = [b for b in reading.breaches if primary_rule(b.shape, case.submission.track) == rule]
    return [breach_finding(case, reading, rule, breach) for breach in mine]


def breach_finding(case: Case, reading: OrderReading, rule: str, breach: Breach) -> Finding:
    """One breach as a reviewer reads it."""
    audit = case.audit
    places = breach_places(audit, reading.index, breach) if audit is not None else ()
    message = message_of(breach) + settings_behind(audit)
    if breach.is_proven:
        return failed(rule, message, *places)
    return needs_human(rule, message, *places, ask=question_of(breach))


def lowest_of_passes(case: Case, rule: str = "oracle-min") -> list[Finding]:
    """Where the lowest loss of several passes over the same tokens is the reported one."""
    return own_findings(case, rule)


def member_verdict(
    case: Case,
    rule: str,
    *,
    clean: str,
    absent: str,
    protocols: Collection[Protocol] | None = None,
    is_used: bool | None = None,
) -> Finding:
    """What a rule says that has no breach of its own to state.

    `clean` is the sentence of a pass; `absent` why the rule does not apply when the claim uses none of its
    `protocols` (or `is_used` is False). Both need every witness; else the reason that is missing is said.
    """
    reading = order_of(case)
    if reading is None:
        return not_checked(rule, why_no_audit(case) or "the static audit of the code was not run")
    elsewhere = stated_at(case, reading)
    if elsewhere is not None:
        return elsewhere_finding(case, reading, rule)
    if not reading.is_clean:
        return not_checked(rule, reading.open_reason or "unresolved: no score reached the printed number")
    if is_used is None:
        is_used = protocols is None or any(protocol in reading.protocols for protocol in protocols)
    if not is_used:
        return not_applicable(rule, absent)
    return passed(rule, f"{clean}{_witness_words(reading)}", *clean_places(case, reading))


def stated_at(case: Case, reading: OrderReading) -> str | None:
    """The rule that states the first breach, proven ones first."""
    if not reading.breaches:
        return None
    return primary_rule(reading.breaches[0].shape, case.submission.track)


def elsewhere_finding(case: Case, reading: OrderReading, rule: str) -> Finding:
    """A member steps back behind the rule that states the breach."""
    other = stated_at(case, reading)
    if reading.is_proven_breach:
        return not_applicable(rule, f"the claimed score is judged at {other}, which it breaches")
    return unproven(case, reading, rule)


def unproven(case: Case, reading: OrderReading, rule: str) -> Finding:
    """A condition whose breach is only suspected stays open: its question is asked once."""
    return not_checked(rule, f"depends on the question asked at {stated_at(case, reading)}")


def decisive_places(case: Case, breach: Breach) -> tuple[Place, ...]:
    """The two lines of a breach, for the conditions that only point at it."""
    if case.audit is None:
        return ()
    steps = [(breach.update.at, "learns from the tokens"), (score_spot(breach), "scores them later")]
    return placed(case.audit, steps, breach.update.at)


def clean_places(case: Case, reading: OrderReading) -> tuple[Place, ...]:
    """The witnesses of a clean verdict."""
    if case.audit is None or reading.witness is None:
        return ()
    return witness_places(case.audit, reading.index, reading.witness)


def _witness_words(reading: OrderReading) -> str:
    witness = reading.witness
    if witness is None:
        return ""
    update = witness.update
    then = f", {update.how} at {at(update.at)} comes after it" if update is not None else ""
    return f": scored at {at(witness.score.forward)}{then}, printed at {at(witness.sink.at)}"
