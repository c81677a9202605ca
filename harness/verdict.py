"""How findings of many rules combine into one verdict on a submission (rule catalogue, section 8)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from harness.finding import Finding, RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Verdict(StrEnum):
    """The verdict on a whole submission."""

    ACCEPT = "accept"
    REJECT = "reject"
    NEEDS_HUMAN = "needs-human"
    INCOMPLETE = "incomplete"
    COULD_NOT_CHECK = "could-not-check"


# Worst first. NOT-CHECKED stands above WARN: one seed that could not be checked is not outweighed by two
# that passed with a remark. INFO is a remark on a pass.
_WORST_FIRST = (
    RuleVerdict.FAIL,
    RuleVerdict.NEEDS_HUMAN,
    RuleVerdict.NOT_CHECKED,
    RuleVerdict.WARN,
    RuleVerdict.INFO,
    RuleVerdict.PASS,
    RuleVerdict.NOT_APPLICABLE,
)


def rule_outcome(findings: Iterable[Finding]) -> RuleVerdict:
    """The verdict of one rule from all it said: the worst; NOT-CHECKED if it said nothing at all."""
    seen = {finding.verdict for finding in findings}
    for verdict in _WORST_FIRST:
        if verdict in seen:
            return RuleVerdict.PASS if verdict is RuleVerdict.INFO else verdict
    return RuleVerdict.NOT_CHECKED


def submission_verdict(outcomes: Mapping[str, RuleVerdict], essential: frozenset[str]) -> Verdict:
    """Any FAIL rejects; else any NEEDS-HUMAN holds; else an unchecked essential rule leaves it incomplete."""
    values = set(outcomes.values())
    if RuleVerdict.FAIL in values:
        return Verdict.REJECT
    if RuleVerdict.NEEDS_HUMAN in values:
        return Verdict.NEEDS_HUMAN
    if any(outcomes.get(rule, RuleVerdict.NOT_CHECKED) is RuleVerdict.NOT_CHECKED for rule in essential):
        return Verdict.INCOMPLETE
    return Verdict.ACCEPT
