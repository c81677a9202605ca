"""Running rules: ceilings, crashes, silence."""

from __future__ import annotations

import dataclasses
import datetime
import types
from typing import TYPE_CHECKING

import pytest

from harness.case import Case, Profile, failed, passed
from harness.dynamic.dynamic_audit import DynamicAudit
from harness.engine import check_rule, judge
from harness.finding import RuleVerdict
from harness.ruleset import Rule, Ruleset, load_ruleset
from harness.submission import Track
from tests.builders import make_case, make_submission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.finding import Finding

RULE = "artifact-cap"  # any rule that has a module


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(make_submission(tmp_path))


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace what every rule's module says."""

    def replace(check: Callable[[Case], Iterator[Finding]]) -> None:
        monkeypatch.setattr(Rule, "load", lambda _rule: types.SimpleNamespace(check=check))

    return replace


def rule(**changes: object) -> Rule:
    return dataclasses.replace(load_ruleset().rules[RULE], changes=(), **changes)


def test_a_fail_is_lowered_to_what_a_breach_of_the_rule_means(case: Case, says: Callable[..., None]):
    says(lambda _case: iter([failed(RULE, "over")]))
    findings, _ = check_rule(rule(severity="warn"), case)
    assert [finding.verdict for finding in findings] == [RuleVerdict.WARN]


def test_a_fail_lowered_to_a_question_gets_a_question(case: Case, says: Callable[..., None]):
    says(lambda _case: iter([failed(RULE, "over")]))
    findings, _ = check_rule(rule(severity="needs-human"), case)
    assert findings[0].verdict is RuleVerdict.NEEDS_HUMAN
    assert findings[0].ask == f"Does this breach {RULE}?"


def test_a_pass_is_never_lifted_or_lowered(case: Case, says: Callable[..., None]):
    says(lambda _case: iter([passed(RULE, "fits")]))
    findings, _ = check_rule(rule(severity="info"), case)
    assert findings[0].verdict is RuleVerdict.PASS


def test_a_finding_carries_the_authority_of_its_rule(case: Case, says: Callable[..., None]):
    says(lambda _case: iter([failed(RULE, "over")]))
    findings, _ = check_rule(rule(authority=("A1 README",)), case)
    assert findings[0].authority == ("A1 README",)


def test_a_rule_that_yields_nothing_is_not_checked(case: Case, says: Callable[..., None]):
    says(lambda _case: iter(()))
    findings, crash = check_rule(rule(), case)
    assert ([finding.verdict for finding in findings], crash) == ([RuleVerdict.NOT_CHECKED], None)


def test_a_rule_that_crashes_is_not_checked_and_says_that_it_is_our_bug(
    case: Case, says: Callable[..., None]
):
    says(lambda _case: iter([1 / 0]))
    findings, crash = check_rule(rule(), case)
    assert findings[0].verdict is RuleVerdict.NOT_CHECKED
    assert "please report" in findings[0].message
    assert "ZeroDivisionError" in (crash or "")


def test_what_a_rule_read_stands_where_hearing_the_runs_crashes(
    case: Case, says: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    says(lambda _case: iter([failed(RULE, "over")]))
    monkeypatch.setattr("harness.dynamic.decisions.with_executed", lambda *_: 1 / 0)
    findings, crash = check_rule(rule(), dataclasses.replace(case, dynamic=DynamicAudit()))
    assert [finding.verdict for finding in findings] == [RuleVerdict.FAIL, RuleVerdict.NOT_CHECKED]
    assert "ZeroDivisionError" in (crash or "")


def test_a_rule_without_a_module_names_what_would_decide_it(case: Case):
    findings, _ = check_rule(load_ruleset().rules["scored-unit"], case)
    assert findings[0].verdict is RuleVerdict.NOT_CHECKED
    assert "the static audit of the code or a run of the submission" in findings[0].message


def one_rule(**changes: object) -> Ruleset:
    return dataclasses.replace(load_ruleset(), rules={RULE: rule(**changes)})


def test_a_rule_of_another_track_is_not_applicable(case: Case):
    judgement = judge(case, one_rule(tracks=frozenset({Track.UNLIMITED})), [RULE])
    assert judgement.outcomes == {RULE: RuleVerdict.NOT_APPLICABLE}


def test_a_rule_made_after_the_day_of_judgement_is_not_applicable(case: Case):
    future = datetime.date(2027, 1, 1)
    judgement = judge(case, one_rule(since=future), [RULE], judged_on=datetime.date(2026, 5, 2))
    assert judgement.outcomes == {RULE: RuleVerdict.NOT_APPLICABLE}


def test_a_rule_left_out_is_not_checked(case: Case):
    assert judge(case, one_rule(), []).outcomes == {RULE: RuleVerdict.NOT_CHECKED}


def test_the_text_profile_makes_the_question_about_helper_files_a_rejection():
    location = load_ruleset().rules["code-location"]
    day = datetime.date(2026, 5, 2)
    assert location.ceiling(Profile.PRACTICE, day, Track.RECORD) is RuleVerdict.NEEDS_HUMAN
    assert location.ceiling(Profile.TEXT, day, Track.RECORD) is RuleVerdict.FAIL
