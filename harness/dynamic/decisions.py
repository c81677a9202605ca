"""What the runs of a submission decide, beside what was read of it.

A breach that was executed is a FAIL with its numbers, and a question where it may not be the claimed run's:
under the script's defaults, of a score that no log names. A clean run never takes back what the code showed:
both stand in the report. It turns a rule that was left open into a PASS only where probes with power looked
at all that the rule is about, under the claimed run's settings; else the reason why not is said.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.case import failed, needs_human, noted, passed
from harness.dynamic.asked_settings import command_words
from harness.dynamic.run_ladder import LadderStep
from harness.finding import RuleVerdict
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.dynamic.dynamic_audit import DynamicAudit
    from harness.dynamic.probes.probe import ProbeResult
    from harness.finding import Finding

# The rule that a probe's condition stands for, where it is not called the same.
_RULES: Mapping[str, str] = {"no-val-in-artifact": "no-val-in-training", "bytes": "bpb-formula"}
# Probes of which one must have been clean, for a rule that a run alone can pass.
_NEEDED: Mapping[str, tuple[frozenset[str], ...]] = {
    "c1-causal": (frozenset({"prefix-invariance", "processing-order"}),),
    "c2-normalized": (frozenset({"normalisation"}), frozenset({"prefix-invariance", "processing-order"})),
    "c3-score-before-update": (frozenset({"prefix-invariance", "processing-order"}),),
    "c4-single-pass": (frozenset({"coverage"}), frozenset({"prefix-invariance", "processing-order"})),
}
CONDITIONS = tuple(_NEEDED)
"""The four conditions of issue #1017, which a clean run may clear."""
# What reading leaves open and a run simply shows: that it comes again, and which bytes were counted.
_SHOWN_BY_A_RUN = frozenset({"reproducible", "bpb-formula"})
_OF_THE_CLAIMED_SCORE = frozenset({"bpb-formula"})
ONLY_IF_CLAIMED = frozenset({"doc-boundary-isolation"})
"""Rules that nothing breaks unless the submission claims what they are about, which reading says."""
_APPLIES = frozenset({RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN, RuleVerdict.PASS})


def rule_of(condition: str) -> str:
    """The id of the rule a probe speaks to."""
    return _RULES.get(condition, condition)


def with_executed(dynamic: DynamicAudit, rule: str, said: Sequence[Finding]) -> list[Finding]:
    """What `rule` says of a submission when its runs are heard as well as the reading (`said`)."""
    results = [result for result in dynamic.results if rule_of(result.condition) == rule]
    breaches = [result for result in results if result.outcome is Outcome.BREACH]
    if rule in ONLY_IF_CLAIMED and all(one.verdict not in _APPLIES for one in said):
        return [*said, *(noted(rule, f"executed: {result.sentence}") for result in breaches)]
    if breaches:
        kept = [one for one in said if one.verdict in {RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN}]
        return [*(_executed_breach(dynamic, rule, result) for result in breaches), *kept]
    if rule not in _NEEDED:
        clean = [result for result in results if result.outcome is Outcome.CLEAN]
        is_open = all(one.verdict is RuleVerdict.NOT_CHECKED for one in said)
        is_claimed = dynamic.step != LadderStep.DEFAULTS and (
            dynamic.is_claim_sure or rule not in _OF_THE_CLAIMED_SCORE
        )
        if clean and is_open and rule in _SHOWN_BY_A_RUN and is_claimed:
            return [passed(rule, f"executed: {result.sentence}, at tiny size on a CPU") for result in clean]
        return [*said, *(noted(rule, f"executed: {result.sentence}") for result in clean)]
    missing = why_not_clean(dynamic, rule)
    if missing is not None:
        return [
            dataclasses.replace(one, message=f"{one.message}; {missing}")
            if one.verdict is RuleVerdict.NOT_CHECKED
            else one
            for one in said
        ]
    if all(one.verdict is RuleVerdict.NOT_CHECKED for one in said):
        reason = _learned_without_a_trace(dynamic, rule)
        if reason is not None:
            return [dataclasses.replace(one, message=f"{one.message}; {reason}") for one in said]
        return [passed(rule, f"executed: {_clean_words(dynamic, rule)}")]
    return [*said, noted(rule, f"executed: {_clean_words(dynamic, rule)}")]


def why_not_clean(dynamic: DynamicAudit, rule: str) -> str | None:
    """Why the runs do not clear `rule`, one of the four conditions; None when they do."""
    if dynamic.failure is not None:
        return f"executed: {dynamic.failure}"
    if dynamic.step == LadderStep.DEFAULTS:
        return "executed: only under the script's defaults, which are not the claimed run's settings"
    if dynamic.base is not None and dynamic.base.why_not:
        return f"executed without power: {dynamic.base.why_not}"
    if dynamic.is_claim_guessed:
        return "executed: several final scores were printed, and no log says which is the claimed one"
    if not dynamic.is_claim_sure:
        return f"executed: no printed score is called as the claimed one is, {dynamic.label} was taken for it"
    by_probe = {result.probe: result for result in dynamic.results}
    broken = next(
        (
            one
            for one in dynamic.results
            if one.outcome is Outcome.BREACH and rule_of(one.condition) not in ONLY_IF_CLAIMED
        ),
        None,
    )
    if broken is not None:
        return f"executed: not cleared, as {broken.probe} saw a breach of {rule_of(broken.condition)}"
    unsure = by_probe.get("replay")
    if unsure is None or unsure.outcome is not Outcome.CLEAN:
        return f"executed: {unsure.sentence if unsure is not None else 'no run was repeated'}"
    for group in _NEEDED[rule]:
        seen = [by_probe[name] for name in sorted(group) if name in by_probe]
        if not any(result.outcome is Outcome.CLEAN for result in seen):
            reasons = "; ".join(f"{one.probe} ({one.outcome.value}): {one.sentence}" for one in seen)
            return f"executed without power: {reasons or 'no probe looked at it'}"
    if dynamic.base is not None and dynamic.base.record.unseen:
        told = f"the code asks whether {dynamic.base.record.unseen[0]}"
        return f"executed: clean as far as the tiny run comes, but {told}: what it does beyond was not seen"
    return None


def _learned_without_a_trace(dynamic: DynamicAudit, rule: str) -> str | None:
    """Why clean probes say nothing of the order of learning and scoring, or of passes; None where they do."""
    if rule == "c4-single-pass" and dynamic.looked_before:
        return (
            f"executed: {dynamic.looked_before:,} counted tokens had been looked at in an earlier pass; "
            "whether the pass that counts was chosen by its outcome is not seen"
        )
    if rule not in {"c3-score-before-update", "c4-single-pass"} or dynamic.learns_between_scores:
        return None
    if dynamic.adapts:
        return "executed: what was learned from validation tokens came to no other score at this size"
    if rule == "c4-single-pass":
        return None
    return "executed: nothing was learned from validation tokens, and the code leaves it open"


def powerless_words(dynamic: DynamicAudit) -> list[str]:
    """For the reader of a report: what running did not show."""
    if dynamic.failure is not None:
        return [f"dynamic audit: {dynamic.failure}"]
    unseen = dynamic.base.record.unseen if dynamic.base is not None else ()
    return [
        *(f"dynamic audit: not seen is what the code does where {each}" for each in unseen),
        *_without_power(dynamic),
    ]


def _without_power(dynamic: DynamicAudit) -> list[str]:
    return [
        f"dynamic audit: {result.probe} had no power: {result.sentence}"
        for result in dynamic.results
        if result.outcome in {Outcome.NO_POWER, Outcome.NOT_RUN}
    ]


def _executed_breach(dynamic: DynamicAudit, rule: str, result: ProbeResult) -> Finding:
    again = f"golf-check {' '.join(command_words(dynamic.settings))} makes them again, bit for bit"
    runs = f" (runs {' and '.join(result.runs)}; {again})" if result.runs else ""
    seen = f"executed: {result.sentence}{runs}"
    if dynamic.is_claim_guessed:
        label = dynamic.label or "the last score"
        why = f"{seen}; of several final scores no log says which is the claimed one, and this is of {label}"
        return needs_human(rule, why, ask=f"Is {label} the claimed score?")
    if dynamic.step == LadderStep.DEFAULTS:
        why = f"{seen}; this is under the script's defaults, and the claimed run's settings may not do it"
        return needs_human(rule, why, ask="Does the claimed run do this as well?")
    return failed(rule, seen)


def _clean_words(dynamic: DynamicAudit, rule: str) -> str:
    wanted = frozenset().union(*_NEEDED[rule])
    clean = [one for one in dynamic.results if one.probe in wanted and one.outcome is Outcome.CLEAN]
    adapted = "it adapted on validation tokens" if dynamic.adapts else "nothing adapted on validation tokens"
    return f"{'; '.join(one.sentence for one in clean)} ({dynamic.step} run; {adapted})"
