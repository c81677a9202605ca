"""How rule verdicts combine."""

from __future__ import annotations

from harness.case import failed, not_checked, noted, passed, warned
from harness.finding import RuleVerdict
from harness.verdict import Verdict, rule_outcome, submission_verdict

ESSENTIAL = frozenset({"a", "b"})


def test_a_rule_that_says_nothing_is_not_checked():
    assert rule_outcome([]) is RuleVerdict.NOT_CHECKED


def test_one_unchecked_seed_outweighs_passing_seeds():
    assert rule_outcome([passed("a", "seed 13"), not_checked("a", "seed 42")]) is RuleVerdict.NOT_CHECKED


def test_a_remark_on_a_pass_is_a_pass():
    assert rule_outcome([passed("a", "x"), noted("a", "thin margin")]) is RuleVerdict.PASS


def test_a_failing_seed_outweighs_everything():
    assert rule_outcome([warned("a", "x"), failed("a", "y"), not_checked("a", "z")]) is RuleVerdict.FAIL


def test_any_fail_rejects():
    outcomes = {"a": RuleVerdict.FAIL, "b": RuleVerdict.NEEDS_HUMAN}
    assert submission_verdict(outcomes, ESSENTIAL) is Verdict.REJECT


def test_an_open_question_holds_a_submission_without_a_fail():
    outcomes = {"a": RuleVerdict.NEEDS_HUMAN, "b": RuleVerdict.NOT_CHECKED}
    assert submission_verdict(outcomes, ESSENTIAL) is Verdict.NEEDS_HUMAN


def test_an_unchecked_essential_rule_leaves_it_incomplete():
    outcomes = {"a": RuleVerdict.PASS, "b": RuleVerdict.NOT_CHECKED}
    assert submission_verdict(outcomes, ESSENTIAL) is Verdict.INCOMPLETE


def test_an_essential_rule_missing_from_the_outcomes_leaves_it_incomplete():
    assert submission_verdict({"a": RuleVerdict.PASS}, ESSENTIAL) is Verdict.INCOMPLETE


def test_an_unchecked_rule_that_is_not_essential_does_not_hold_an_acceptance():
    outcomes = {"a": RuleVerdict.PASS, "b": RuleVerdict.WARN, "c": RuleVerdict.NOT_CHECKED}
    assert submission_verdict(outcomes, ESSENTIAL) is Verdict.ACCEPT
