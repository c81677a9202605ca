"""Rules without a module: they say which rules judge their matter, or why none can."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.engine import check_rule
from harness.rule_pages import page_of
from harness.ruleset import load_ruleset
from tests.builders import make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULES = load_ruleset().rules
WITHOUT = [rule for rule in RULES.values() if not rule.is_implemented]


def test_what_a_rule_without_check_points_at_is_checked() -> None:
    named = {one for rule in WITHOUT for one in re.findall(r"\b[a-z0-9]+(?:-[a-z0-9]+)+", rule.no_check)}
    ours = {one for one in named if one in RULES}
    assert {"selection-by-val", "c4-single-pass", "runtime-side-files", "val-order"} <= ours
    assert all(RULES[one].is_implemented for one in ours)


def test_a_rule_with_a_check_says_nothing_of_others() -> None:
    assert [rule.id for rule in RULES.values() if rule.is_implemented and rule.no_check] == []


def test_reports_and_pages_carry_the_reason(tmp_path: Path) -> None:
    rule = RULES["sliding-window"]
    (finding,), crash = check_rule(rule, make_case(make_submission(tmp_path)))
    assert crash is None
    assert "judged at c4-single-pass" in finding.message
    assert "judged at c4-single-pass" in page_of(rule).sections["What it cannot see"]
