"""Runs the rules over one case and combines what they say."""

from __future__ import annotations

import dataclasses
import traceback
from typing import TYPE_CHECKING

from harness.case import not_applicable, not_checked
from harness.errors import SetupError
from harness.finding import Confidence, RuleVerdict
from harness.verdict import rule_outcome

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from harness.case import Case
    from harness.finding import Finding
    from harness.ruleset import Rule, Ruleset

# Severity order for lowering a finding to its rule's ceiling.
_RANK = {
    RuleVerdict.INFO: 0,
    RuleVerdict.WARN: 1,
    RuleVerdict.NEEDS_HUMAN: 2,
    RuleVerdict.FAIL: 3,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All findings, one outcome for every rule of the catalogue, and the rules that crashed."""

    findings: tuple[Finding, ...]
    outcomes: dict[str, RuleVerdict]
    rule_errors: tuple[str, ...]


def _lowered(finding: Finding, rule: Rule, case: Case) -> Finding:
    """The finding with its rule's authority, and never above what a breach of the rule means."""
    if not finding.authority:
        finding = dataclasses.replace(finding, authority=rule.authority)
    if finding.verdict not in _RANK:
        return finding
    ceiling = rule.ceiling(case.profile, case.as_of, case.submission.track)
    if _RANK[finding.verdict] <= _RANK[ceiling]:
        return finding
    ask = finding.ask
    if ceiling is RuleVerdict.NEEDS_HUMAN and ask is None:
        ask = f"Does this breach {rule.id}?"
    return dataclasses.replace(finding, verdict=ceiling, ask=ask)


def _needs_in_words(rule: Rule) -> str:
    kinds = {
        "static": "the static audit of the code",
        "dynamic": "a run of the submission",
        "human": "a person",
    }
    words = [kinds[need] for need in rule.needs if need in kinds] or ["a check that does not exist yet"]
    return " or ".join(words)


def check_rule(rule: Rule, case: Case) -> tuple[list[Finding], str | None]:
    """What one rule says of one case, and the traceback if it crashed."""
    if not rule.is_implemented:
        why = f"; {rule.no_check}" if rule.no_check else ""
        return [not_checked(rule.id, f"not checked here: it needs {_needs_in_words(rule)}{why}")], None
    try:
        findings = [_lowered(finding, rule, case) for finding in rule.load().check(case)]
    except SetupError as error:  # the rules folder is at fault, not the rule and not the submission
        return [not_checked(rule.id, str(error))], None
    except Exception as error:  # noqa: BLE001,RUF100 - a crashed rule must not lose the other rules' results
        return [_crashed(rule, error)], f"{rule.id}: {traceback.format_exc()}"
    if not findings:
        findings = [not_checked(rule.id, "found no evidence it could use")]
    if case.dynamic is None:
        return findings, None
    from harness.dynamic.decisions import with_executed

    try:
        said = [_lowered(one, rule, case) for one in with_executed(case.dynamic, rule.id, findings)]
    except Exception as error:  # noqa: BLE001,RUF100 - what was read of the submission stands
        return [*findings, _crashed(rule, error)], f"{rule.id}: {traceback.format_exc()}"
    return said, None


def _crashed(rule: Rule, error: Exception) -> Finding:
    message = f"golf-check failed inside this rule ({type(error).__name__}: {error}); please report it"
    return dataclasses.replace(not_checked(rule.id, message), confidence=Confidence.LOW)


def judge(
    case: Case, ruleset: Ruleset, selected: Sequence[str], judged_on: datetime.date | None = None
) -> Judgement:
    """Run the selected rules; every other rule of the catalogue gets an outcome too, never silence."""
    judged_on = judged_on or ruleset.newest
    wanted = frozenset(selected)
    findings: list[Finding] = []
    outcomes: dict[str, RuleVerdict] = {}
    errors: list[str] = []
    for rule in ruleset.rules.values():
        if case.submission.track not in rule.tracks:
            said = [not_applicable(rule.id, f"not a rule of the {case.submission.track} track")]
        elif not rule.in_force(case.as_of, judged_on):
            said = [not_applicable(rule.id, f"in force from {rule.since}, after {case.as_of}")]
        elif rule.id not in wanted:
            said = [not_checked(rule.id, "left out by --select or --ignore")]
        else:
            said, crash = check_rule(rule, case)
            if crash:
                errors.append(crash)
        outcomes[rule.id] = rule_outcome(said)
        findings.extend(said)
    return Judgement(findings=tuple(findings), outcomes=outcomes, rule_errors=tuple(errors))
